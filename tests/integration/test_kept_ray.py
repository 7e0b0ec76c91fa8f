"""``quantflow server start --ray``: a Ray that stays, is used by meta runs, and is done without when it is dead."""

from __future__ import annotations

import json
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from test_cluster import TOML

from processes import run_cli
from quantflow.execution.kept_ray import MARK, RayHead, home_of_ray, release_head, running_head

RAYS_OWN_NOTE = Path("/tmp/ray/ray_current_cluster")
"""Where ``ray start`` writes the address that ``ray.init()`` of anybody on the machine joins."""


@pytest.fixture
def home(fresh: Path) -> Iterator[Path]:
    """A workspace with a meta profile of two small sleeves, whose store is named by a variable."""
    store = '\n[{}execution]\nstore = "file://${{SHELF}}/store"\n'
    (fresh / "quantflow.toml").write_text(TOML + store.format("profiles.small.") + store.format("meta.two."))
    yield fresh
    release_head(fresh)
    run_cli("server", "stop", cwd=fresh)


def started(home: Path) -> RayHead:
    done = run_cli("server", "start", "--ray", "--json", cwd=home)
    assert done.returncode == 0, done.stderr
    head = running_head(home_of_ray(home))
    assert head is not None
    shown = json.loads(done.stdout)["ray"]
    assert (shown["pid"], shown["address"], shown["workers"]) == (head.pid, head.address, head.cpus)
    return head


def marked(head: RayHead) -> list[psutil.Process]:
    """All living processes of a head."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == head.folder and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def drivers(head: RayHead) -> int:
    """How many programs have used a head so far, itself included."""
    return len(list(Path(head.folder).glob("session_2*/logs/python-core-driver-*.log")))


def test_meta_uses_the_kept_ray_and_does_without_a_dead_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs join it, with their own environment; one killed in any part is believed dead, and its rest is removed."""
    first = started(home)
    assert started(home) == first
    monkeypatch.setenv("SHELF", str(home / "shelf"))
    kept = run_cli("meta", "-m", "two", "--run-id", "kept", cwd=home)
    assert kept.returncode == 0, kept.stderr
    assert drivers(first) == 2
    assert (home / "shelf" / "store").is_dir()
    assert stat.S_IMODE((home_of_ray(home) / "head.json").stat().st_mode) == 0o600
    assert str(home / "shelf") not in "".join(str(process.environ()) for process in marked(first))

    control = next(process for process in marked(first) if process.name() == "gcs_server")
    control.kill()
    psutil.wait_procs([psutil.Process(first.pid)] if psutil.pid_exists(first.pid) else [], timeout=10)
    assert (marked(first), Path(first.folder).exists()) == ([], False)

    second = started(home)
    assert second.folder != first.folder
    os.kill(second.pid, signal.SIGKILL)
    alone = run_cli("meta", "-m", "two", "--run-id", "alone", cwd=home)
    assert alone.returncode == 0, alone.stderr
    assert "ray" not in alone.stderr.lower()
    books = [(home / "runs" / name / "weights.csv").read_bytes() for name in ("kept", "alone")]
    assert books[0] == books[1]
    assert "ray" not in run_cli("server", "status", cwd=home).stdout
    assert run_cli("server", "stop", cwd=home).stderr == "stopped\n"
    assert (marked(second), Path(second.folder).exists()) == ([], False)
    noted = RAYS_OWN_NOTE.read_text() if RAYS_OWN_NOTE.exists() else ""  # by others, who may start Rays meanwhile
    assert noted not in (first.address, second.address)


def test_a_kept_ray_ends_with_the_last_run_that_uses_it(home: Path) -> None:
    """Let go while it is used it stays up; a run of another environment, or of other workers, has a Ray of its own."""
    from quantflow.execution.kept_ray import keep_head, lent_head

    head = keep_head(home)
    with lent_head(home, head.cpus + 1) as other:
        assert other is None
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("NUMBA_DEBUG", "0")
        with lent_head(home, None) as other:
            assert other is None
    with lent_head(home, None) as used:
        assert used == head
        (home_of_ray(home) / "kept").unlink()
        psutil.wait_procs([psutil.Process(head.pid)], timeout=1)
        assert running_head(home_of_ray(home)) == head
    psutil.wait_procs([psutil.Process(head.pid)], timeout=15)
    assert (running_head(home_of_ray(home)), marked(head), Path(head.folder).exists()) == (None, [], False)
