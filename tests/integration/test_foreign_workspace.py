"""Workspaces of other users, between real users: these tests change owners, and so must be run by root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from processes import bare_environment

OTHER = 65534
"""A user other than root: ``nobody``."""
READS_ALL = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
COMMANDS = (
    *(
        "select --profile demo --dry-run",
        "select --profile theirs --dry-run",
        "meta --meta-profile demo_meta",
        "ui",
    ),
    *("profiles list", "profiles show demo", "profiles show theirs", "profiles validate", "profiles validate demo"),
    *("stages list --profile theirs", "doctor", "cron --profile demo", "status", "inspect", "resume latest", "why KO"),
    *("serve --dry-run", "check lookahead --profile theirs", "gc --dry-run", "server show", "reproduce latest"),
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that any user may read, with a workspace whose stage leaves a file when it is imported."""
    folder = Path(tempfile.mkdtemp(prefix="quantflow-shared-"))
    folder.chmod(0o755)
    for name in ("folio", "folio/deep", "home", "home/other"):
        (folder / name).mkdir()
    os.chown(folder / "home/other", OTHER, OTHER)
    text = '[profiles.theirs]\nextends = "demo"\nstages = ["planted:Stage"]\n[profiles.demo]\nextends = "demo"\n'
    (folder / "folio/quantflow.toml").write_text(text + 'stages = ["planted:Stage"]\n')
    (folder / "folio/planted.py").write_text(f"open({str(folder / 'home/other/imported')!r}, 'w')\n")
    yield folder
    shutil.rmtree(folder)


def run(line: str, place: Path, user: int, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``quantflow`` below the workspace as a user with a home folder of its own.

    The user may read the Python of these tests, wherever it is installed.
    """
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *READS_ALL]
    return subprocess.run(
        [*become * (user != 0), sys.executable, "-m", "quantflow", *line.split()],
        cwd=place / "folio/deep",
        env={**bare_environment(), "HOME": str(place / "home/other"), "NUMBA_CACHE_DIR": "", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("line", COMMANDS)
def test_root_does_not_use_a_users_workspace(line: str, place: Path) -> None:
    """No command imports anything of it: exit code 2, whose it is, and how to trust it."""
    os.chown(place / "folio/quantflow.toml", OTHER, OTHER)
    done = run(line, place, 0)
    assert done.returncode == 2, done.stderr
    assert f"quantflow.toml belongs to nobody (uid {OTHER})" in done.stderr
    assert f"--workspace {place / 'folio'}" in done.stderr
    assert done.stdout == ""
    assert not (place / "home/other/imported").exists()


@pytest.mark.parametrize("name", ["runs", ".quantflow", "current"])
def test_runs_of_another_user_are_not_used(name: str, place: Path) -> None:
    """Also in a folder without quantflow.toml: a record names stages, and a cache is believed."""
    home = place / "folio/deep"
    (home.parent / "quantflow.toml").unlink()
    (home / name).mkdir(mode=0o700)
    assert run("inspect", place, 0).returncode == 0
    os.chown(home / name, OTHER, OTHER)
    for line in ("inspect", "resume latest", "select --profile demo --dry-run"):
        done = run(line, place, 0)
        assert done.returncode == 2
        assert f"{home / name} belongs to nobody" in done.stderr
    assert run("inspect --workspace .", place, 0).returncode == 0


@pytest.mark.parametrize("owned", ["file", "folder", "target", "folder of the target"])
def test_a_user_does_not_use_roots_workspace(owned: str, place: Path) -> None:
    """As git: root's files are not the user's; the file, its folder and what a link leads to are looked at."""
    mine, file = place / "folio", place / "folio/quantflow.toml"
    if "target" in owned:
        shutil.copytree(mine, place / "home/target")
        file.unlink()
        file.symlink_to(place / "home/target/quantflow.toml")
        os.chown(file, OTHER, OTHER, follow_symlinks=False)
        os.chown(place / "home/target", *((OTHER, OTHER) if owned == "target" else (0, 0)))
        os.chown(place / "home/target/quantflow.toml", *((0, 0) if owned == "target" else (OTHER, OTHER)))
    else:
        os.chown(file, *((0, 0) if owned == "file" else (OTHER, OTHER)))
    os.chown(mine, *((0, 0) if owned == "folder" else (OTHER, OTHER)))
    done = run("profiles show demo", place, OTHER)
    assert done.returncode == 2
    assert "belongs to root (uid 0)" in done.stderr
    assert not (place / "home/other/imported").exists()


def test_what_is_trusted_is_used(place: Path) -> None:
    """By --workspace on the command line, or listed in a config.toml that is the user's and no one else's."""
    list_ = place / "home/other/.config/quantflow/config.toml"
    list_.parent.mkdir(parents=True)
    list_.write_text(f'trusted = ["{place / "folio"}"]\n')
    assert run("profiles list", place, OTHER).returncode == 2
    for path in (list_, list_.parent):
        os.chown(path, OTHER, OTHER)
    listed = run("profiles list", place, OTHER)
    assert listed.returncode == 0, listed.stderr
    assert "theirs" in listed.stdout
    list_.unlink()
    assert run("profiles list", place, OTHER).returncode == 2
    assert run("profiles list --workspace ..", place, OTHER).stdout == listed.stdout


def test_root_under_sudo_uses_the_callers_workspace(place: Path) -> None:
    """As git: what the user who called sudo could run as root anyway."""
    for path in (place / "folio", place / "folio/quantflow.toml"):
        os.chown(path, OTHER, OTHER)
    assert run("profiles list", place, 0).returncode == 2
    assert run("profiles list", place, 0, SUDO_UID=str(OTHER)).returncode == 0
    assert run("profiles list", place, 0, SUDO_UID="1").returncode == 2


@pytest.mark.parametrize("words", ["quantflow select --profile t", "quantflow profiles show t", "quantflow resume 2"])
def test_completion_says_and_imports_nothing(words: str, place: Path) -> None:
    """Tab in another user's workspace offers nothing of it, in silence."""
    (place / "folio/runs/2022-run").mkdir(parents=True)
    (place / "folio/runs/2022-run/run.json").write_text("{}")
    asked = {"_QUANTFLOW_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    own = run("", place, 0, **asked)
    assert own.stdout.split() in (["theirs"], ["2022-run"])
    os.chown(place / "folio/quantflow.toml", OTHER, OTHER)
    done = run("", place, 0, **asked)
    assert (done.stdout.strip(), done.stderr) == ("", "")
    assert not (place / "home/other/imported").exists()


def test_the_printed_job_trusts_what_its_author_trusted(place: Path) -> None:
    """A crontab made with --workspace for another user's folder runs there at night too."""
    (place / "folio/quantflow.toml").write_text('[profiles.theirs]\nextends = "demo"\n')
    assert "--workspace" not in run("cron --profile theirs", place, 0).stdout
    os.chown(place / "folio/quantflow.toml", OTHER, OTHER)
    done = run("cron --profile theirs --workspace ..", place, 0)
    assert done.stdout.count("select --profile theirs --workspace . --no-progress") == 2


READS_OWN = ("setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search")
"""Makes root a user whom another's permissions stop."""


@pytest.mark.parametrize("named", ["folder", "folder/prices.csv", "folder/*.csv", "open/prices.csv"])
@pytest.mark.parametrize("line", ["select --profile p", "select --profile p --dry-run --as-of 2022-01-04", "doctor"])
def test_data_of_another_owner_are_refused_in_words(line: str, named: str, tmp_path: Path) -> None:
    """A folder, file or glob that may not be read: which it is, whose, and no traceback; as prices and as members."""
    for name in ("folder", "open"):
        (tmp_path / name).mkdir(mode=0o700)
        (tmp_path / name / "prices.csv").write_text("date,A,B\n2022-01-03,1,2\n2022-01-04,1,2\n")
        (tmp_path / name / "prices.csv").chmod(0o600)
        shutil.chown(tmp_path / name / "prices.csv", OTHER)
    shutil.chown(tmp_path / "folder", OTHER)
    files = f'[profiles.p.data]\nprovider = "files"\npath = "{named}"\n'
    members = f'[profiles.p]\nextends = "demo"\n[profiles.p.universe]\nmembers = "{named}"\n'
    for text in (files, members) if line == "select --profile p" else (files,):
        (tmp_path / "quantflow.toml").write_text(text)
        command = [*READS_OWN, sys.executable, "-m", "quantflow", *line.split()]
        environment = {**bare_environment(), "HOME": str(tmp_path)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        said = " ".join((done.stdout + done.stderr).split())
        whose = tmp_path / (named if named.startswith("open") else "folder")
        assert "cannot be read: permission denied" in said
        assert f"({whose} belongs to nobody)" in said
        assert "Traceback" not in said
        assert done.returncode == (1 if line == "doctor" else 21)
