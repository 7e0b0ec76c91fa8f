"""What keeps a process that serves a workspace: asked again after it was let go, and told apart from one that ends."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from quantflow.execution import kept_ray
from quantflow.execution.keeping import keep, named

WAITING = "import sys, pathlib, quantflow.execution.keeping as k; k.wait_until_unused(pathlib.Path(sys.argv[1]))"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of a workspace's Ray head."""
    found = kept_ray.home_of_ray(tmp_path)
    found.mkdir(parents=True)
    return found


@pytest.fixture
def used(home: Path) -> Iterator[int]:
    """A process that lives as long as it is used or kept; this one uses it."""
    users = os.open(home / "users", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(users, fcntl.LOCK_SH)
    process = subprocess.Popen([sys.executable, "-c", WAITING, str(home)])
    yield process.pid
    os.close(users)
    process.kill()
    process.wait()


def kept(home: Path, pid: int) -> bool:
    until = time.monotonic() + 10
    while not (found := keep(home, pid)) and time.monotonic() < until:
        time.sleep(0.02)
    return found


def test_one_that_was_let_go_is_believed_only_when_it_says_so_again(used: int, home: Path) -> None:
    """What it said before it was let go counts no more: it may be about to end."""
    assert kept(home, used)
    assert keep(home, used)
    (home / "kept").unlink()
    assert not keep(home, used)
    assert kept(home, used)


def test_a_head_that_was_let_go_during_a_run_is_kept_again(
    used: int, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``server start --ray`` after ``server stop``: it is the same head, and it stays when that run ends."""
    head = kept_ray.RayHead(used, 1, "token", str(tmp_path / "ray"), kept_ray._digest(), "127.0.0.1:1")
    monkeypatch.setattr(kept_ray, "running_head", lambda _: head)
    assert kept_ray.keep_head(tmp_path) == head
    assert [named(home / name) for name in ("kept", "keeping")] == [used, used]


def test_a_start_that_is_interrupted_leaves_no_head(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C during ``server start --ray``: neither a process nor a word that one is to be kept."""
    begun: list[int] = []

    def interrupted(_: Path) -> None:
        if head := kept_ray._recorded(home):
            begun.append(head.pid)
            raise KeyboardInterrupt

    monkeypatch.setattr(kept_ray, "running_head", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kept_ray.keep_head(tmp_path)
    assert begun
    assert not psutil.pid_exists(begun[0])
    assert not {"kept", "keeping", "head.json"} & {path.name for path in home.iterdir()}


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("PREFECT__DEPLOYMENT_NAME", True),
        ("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", True),
        ("PREFECT_SERVER_EPHEMERAL_ENABLED", True),
        ("PREFECT_API_URL", False),
        ("PYTHONHASHSEED", False),
    ],
)
def test_a_scheduled_run_uses_the_same_head(name: str, same: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Prefect's runner adds to a run's environment tells no two heads apart; what a worker goes by does."""
    before = kept_ray._digest()
    monkeypatch.setenv(name, "of the test")
    assert (kept_ray._digest() == before) is same
