"""Whether a workspace that was found by searching may be used; integration tests do it between real users."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quantflow.config.load import find_workspace
from quantflow.config.workspaces import FILE, fault_of
from quantflow.errors import ConfigError
from quantflow.sdk import QuantSDK

OTHER = 54321


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of this user, who has no settings yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SUDO_UID", raising=False)
    workspace = tmp_path / "folio"
    (workspace / "deep").mkdir(parents=True)
    (workspace / FILE).write_text("")
    return workspace


@pytest.fixture
def foreign(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same workspace as another user sees it."""
    monkeypatch.setattr(os, "geteuid", lambda: OTHER)
    return home


def trust(tmp_path: Path, text: str) -> Path:
    """Write the user's ``config.toml``; it is this process's, and so foreign to ``OTHER``."""
    path = tmp_path / "config" / "quantflow" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_foreign_workspace_is_refused_with_owner_and_way_out(
    foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the owner, the hint both ways to trust the folder; the SDK refuses it as the commands do."""
    with pytest.raises(ConfigError, match=rf"{foreign} belongs to .*uid {os.getuid()}") as raised:
        find_workspace(foreign / "deep")
    assert raised.value.exit_code == 2
    assert f"--workspace {foreign}" in str(raised.value.hint)
    assert f'trusted = ["{foreign}"] in {tmp_path}/config/quantflow/config.toml' in str(raised.value.hint)
    monkeypatch.chdir(foreign)
    with pytest.raises(ConfigError, match="belongs to"):
        QuantSDK.context("demo")


def test_a_folder_that_is_named_is_trusted(foreign: Path) -> None:
    """Whoever types a folder's name has decided."""
    assert find_workspace(foreign / "deep", foreign) == foreign


@pytest.mark.parametrize("mode", [0o646, 0o666, 0o777])
def test_what_any_user_may_change_is_refused(mode: int, home: Path) -> None:
    """Also when it is this user's own; the file as its folder, beside whose file anyone could put a module."""
    (home / FILE).chmod(mode)
    with pytest.raises(ConfigError, match=rf"any user may change {home}/{FILE}"):
        find_workspace(home)
    (home / FILE).chmod(0o644)
    assert find_workspace(home) == home
    home.chmod(0o1777)
    with pytest.raises(ConfigError, match=rf"any user may change {home} ?"):
        find_workspace(home)


def test_a_group_may_write_if_it_is_the_users_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With umask 002 and a group for each user all files are so; a group with other members is others."""
    import grp
    import pwd

    (home / FILE).chmod(0o664)
    user = pwd.getpwuid(os.getuid())
    for name, members, fault in [
        (user.pw_name, [], None),
        (user.pw_name, [user.pw_name], None),
        (user.pw_name, ["mallory"], f"the group {user.pw_name} may change {home / FILE}"),
        ("staff", [], f"the group staff may change {home / FILE}"),
    ]:
        group = grp.struct_group((name, "x", os.getgid(), members))
        monkeypatch.setattr(grp, "getgrgid", lambda _, found=group: found)
        assert fault_of(home / FILE) == fault


def test_each_link_on_the_way_counts(home: Path, tmp_path: Path) -> None:
    """Whoever can change the target, its folder or a link in between can change what is read."""
    drive = tmp_path / "drive"
    drive.mkdir()
    (drive / "real.toml").write_text("")
    (drive / "hop.toml").symlink_to("real.toml")
    (home / FILE).unlink()
    (home / FILE).symlink_to(drive / "hop.toml")
    assert find_workspace(home) == home
    (drive / "real.toml").chmod(0o666)
    with pytest.raises(ConfigError, match=r"real\.toml"):
        find_workspace(home)
    (drive / "real.toml").chmod(0o644)
    drive.chmod(0o777)
    with pytest.raises(ConfigError, match=f"any user may change {drive}"):
        find_workspace(home)


def test_the_users_list_is_believed_when_it_is_the_users(home: Path, tmp_path: Path) -> None:
    """A listed folder is used; not when another user may change the list, and the refusal says so."""
    home.chmod(0o777)
    path = trust(tmp_path, f'trusted = ["~/elsewhere", "{home}/deep/.."]')
    assert find_workspace(home / "deep") == home
    path.chmod(0o666)
    with pytest.raises(ConfigError) as raised:
        find_workspace(home)
    assert f"(not believed now: any user may change {path})" in str(raised.value.hint)


def test_a_list_of_another_user_is_not_believed(foreign: Path, tmp_path: Path) -> None:
    """As with an ``XDG_CONFIG_HOME`` that points to somebody else's folder."""
    trust(tmp_path, f'trusted = ["{foreign}"]')
    with pytest.raises(ConfigError, match="belongs to"):
        find_workspace(foreign)


@pytest.mark.parametrize(
    "text", ["trusted = [", 'trusted = "folio"', "trusted = [1]", 'trusted = ["./folio"]', "\udcff"]
)
def test_a_list_that_is_none_is_an_error(text: str, home: Path, tmp_path: Path) -> None:
    """Rather than no list: the user meant something by it."""
    home.chmod(0o777)
    trust(tmp_path, "").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError, match=r"config\.toml"):
        find_workspace(home)


def test_root_under_sudo_is_its_caller(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What belongs to the user who called sudo is used, as git does; any other user's is not."""
    real = os.lstat(home).st_uid
    monkeypatch.setattr("quantflow.config.workspaces._on_the_way", lambda path: iter([_Owned(path, OTHER)]))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", str(OTHER))
    assert find_workspace(home) == home
    for caller in (str(OTHER + 1), "-1", "x", "", "²"):
        monkeypatch.setenv("SUDO_UID", caller)
        with pytest.raises(ConfigError, match=f"uid {OTHER}"):
            find_workspace(home)
    monkeypatch.setenv("SUDO_UID", str(OTHER))
    monkeypatch.setattr(os, "geteuid", lambda: real + 1)
    with pytest.raises(ConfigError, match=f"uid {OTHER}"):
        find_workspace(home)


class _Owned:
    """A path that belongs to a user."""

    def __init__(self, path: Path, uid: int) -> None:
        self._path, self._uid = path, uid

    def __str__(self) -> str:
        return str(self._path)

    def lstat(self) -> os.stat_result:
        return os.stat_result((0o100644, 0, 0, 1, self._uid, self._uid, 0, 0, 0, 0))


@pytest.mark.parametrize("name", [".quantflow", "runs"])
def test_a_folder_of_runs_that_leads_to_another_users_is_refused(name: str, home: Path, tmp_path: Path) -> None:
    """The link may be one's own: what counts is what is read."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, OTHER, OTHER)
    (home / name).symlink_to(theirs)
    with pytest.raises(ConfigError, match=rf"{theirs} belongs to uid {OTHER}"):
        find_workspace(home)


def test_a_foreign_folder_inside_ones_own_is_refused(home: Path) -> None:
    """The server's folder, the cache and the artifacts are believed as the records are."""
    inner = home / ".quantflow" / "server"
    inner.mkdir(parents=True)
    assert find_workspace(home) == home
    os.chown(inner, OTHER, OTHER)
    with pytest.raises(ConfigError, match=rf"{inner} belongs to uid {OTHER}"):
        find_workspace(home)
