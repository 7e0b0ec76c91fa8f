"""Ray's folder: the user's choice, unless Ray could not start there."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantflow.execution.ray_folder import ray_folder


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_TMPDIR", "TMPDIR", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)


def test_it_is_the_one_that_ray_would_choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's own variable, then the system's, then /tmp; an active environment elsewhere does not matter."""
    assert ray_folder() == "/tmp"
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "venv"))
    monkeypatch.setenv("TMPDIR", "/var/tmp")
    assert ray_folder() == "/var/tmp"
    monkeypatch.setenv("RAY_TMPDIR", "/somewhere")
    assert ray_folder() == "/somewhere"


def test_it_is_never_so_long_that_its_sockets_have_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel allows 107 bytes for the path of a socket, of which Ray takes more than 80 below its folder."""
    monkeypatch.setenv("TMPDIR", "/a/folder/of/the/users/own/choice")
    assert ray_folder() == "/tmp"


def test_it_is_never_in_the_active_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even by a link that leads there."""
    inside = tmp_path / "venv" / "tmp"
    inside.mkdir(parents=True)
    (tmp_path / "link").symlink_to(inside)
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "venv"))
    for chosen in (inside, tmp_path / "link"):
        monkeypatch.setenv("TMPDIR", str(chosen))
        assert ray_folder() == "/tmp"
