"""A Ray that quantflow starts or joins: private, and within a minute there, told in words, or done without."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from pytest_mock import MockerFixture

from processes import bare_environment, run_cli, shown_to
from quantflow.errors import InfrastructureError
from quantflow.execution import ray as ours
from quantflow.runs.record import RunRecord
from quantflow.server.server import ApiServer

TOML = """
[profiles.s1]
extends = "demo"
data = { start = 2017-01-01 }
validation = { min_history = 504 }
rebalance = { every = "quarterly" }
[profiles.s2]
extends = "s1"
policy = { top_n = 1 }
[meta.two]
sleeves = [{ profile = "s1" }, { profile = "s2" }]
"""
FAULTS = {
    "refuses": "raise ConnectionError('the node refuses')",
    "times out": "raise Exception('The current node timed out during startup. This could happen because …')",
    "hangs": "import ctypes; ctypes.PyDLL(None).sleep(600)",  # as Ray does: with the interpreter's lock held
    "dies": "import os; os._exit(3)",
}
SITE = """
import sys
if "quantflow.execution.ray_process" in " ".join(sys.orig_argv):
    import ray
    def init(*arguments, **options):
        {fault}
    ray.init = init
"""


@pytest.fixture
def two(fresh: Path) -> Path:
    """A workspace with a meta profile of two small sleeves."""
    (fresh / "quantflow.toml").write_text(TOML)
    return fresh


@pytest.fixture
def served(server: ApiServer) -> dict[str, str]:
    """The environment of runs that use an API server which is there: what they start is Ray alone."""
    return {**bare_environment(), **shown_to(server)}


def faulty(folder: Path, fault: str) -> dict[str, str]:
    """The variable with which the process that starts Ray meets a fault."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SITE.format(fault=FAULTS[fault]))
    return {"PYTHONPATH": str(folder)}


def meta(home: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "quantflow", "meta", "-m", "two", "--no-progress", *arguments]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_ray_that_does_not_come_up_ends_the_run_in_words(
    fault: str, two: Path, served: dict[str, str], tmp_path: Path
) -> None:
    """With ``--runner ray``: exit 30 within a minute, the cause in one line, and the way to do without Ray."""
    at = time.monotonic()
    done = meta(two, served | faulty(tmp_path / "site", fault), "--runner", "ray", "--run-id", "one")
    assert time.monotonic() - at < 60
    assert done.returncode == 30, done.stderr
    assert "Ray on this machine cannot be used: " in done.stderr
    assert "--runner local" in done.stderr
    assert "Traceback" not in done.stderr
    assert "not expected" not in done.stderr


def test_with_auto_processes_take_its_place(two: Path, served: dict[str, str], tmp_path: Path) -> None:
    """By default the run goes on without Ray, says so in one line, and ends in the same weights."""
    done = meta(two, served | faulty(tmp_path / "site", "refuses"), "--run-id", "auto")
    assert done.returncode == 0, done.stderr
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert "the node refuses" in said
    assert "processes of this machine" in said
    assert "ray.replaced" in [event["event"] for event in RunRecord(two, "auto").events()]
    again = meta(two, served, "--run-id", "ray", "--runner", "ray")
    assert again.returncode == 0, again.stderr
    books = [(two / "runs" / name / "weights.csv").read_bytes() for name in ("auto", "ray")]
    assert books[0] == books[1]


BROKEN = {
    "raises": "raise RuntimeError('broken ray')",
    "ends": "raise SystemExit(7)",
    "is empty": "",
}
GO_ON = set(BROKEN) if "FULL_FAULTS" in os.environ else {"ends"}  # the one that ends an interpreter, were it imported


@pytest.mark.parametrize("broken", BROKEN)
def test_a_package_of_that_name_that_is_broken_is_done_without(
    broken: str, two: Path, served: dict[str, str], tmp_path: Path
) -> None:
    """With ``--runner ray`` the run ends with 30, in words; by default it goes on in processes."""
    (tmp_path / "fake" / "ray").mkdir(parents=True)
    (tmp_path / "fake" / "ray" / "__init__.py").write_text(BROKEN[broken])
    environment = {**served, "PYTHONPATH": str(tmp_path / "fake")}
    refused = meta(two, environment, "--runner", "ray")
    assert refused.returncode == 30, refused.stderr
    assert "its package cannot be imported" in refused.stderr
    if broken in GO_ON:
        done = meta(two, environment, "--run-id", "auto")
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("warning: ") == 1


def test_a_folder_that_cannot_hold_rays_files_is_done_without(two: Path, served: dict[str, str]) -> None:
    """It is named with the variables that choose it."""
    environment = {**served, "RAY_TMPDIR": "/nonexistent"}
    refused = meta(two, environment, "--runner", "ray")
    assert refused.returncode == 30, refused.stderr
    assert "/nonexistent (RAY_TMPDIR, TMPDIR) cannot hold its files" in refused.stderr
    assert meta(two, environment, "--run-id", "auto").returncode == 0


def test_workers_import_nothing_from_the_current_folder(two: Path, served: dict[str, str], tmp_path: Path) -> None:
    """A file there that is called like a library is anybody's; a local run does not import it either."""
    here = tmp_path / "here"
    here.mkdir()
    for name in ("pandas", "tabulate", "colorama", "scipy"):
        (here / f"{name}.py").write_text(
            f"open({str(tmp_path / 'imported')!r}, 'w')\nraise ImportError('not the library')\n"
        )
    done = meta(here, served, "--runner", "ray", "--workspace", str(two))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "imported").exists()


def test_a_run_that_hangs_inside_ray_is_ended_from_outside(two: Path, tmp_path: Path) -> None:
    """No signal of Python's reaches it there: the process beside it says so, and ends it; ``resume`` completes it."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'meta' in sys.argv or 'meta' in sys.orig_argv:\n"
        "    import ray, ctypes\n"
        "    ray.init = lambda **_: ctypes.PyDLL(None).sleep(600)\n"
    )
    at = time.monotonic()
    done = meta(two, {**bare_environment(), "PYTHONPATH": str(site)}, "--runner", "ray", "--run-id", "hung")
    assert time.monotonic() - at < 60
    assert done.returncode == -signal.SIGKILL
    assert "could not join it" in done.stderr
    assert "quantflow resume latest" in done.stderr
    resumed = run_cli("resume", "latest", cwd=two)
    assert resumed.returncode == 0, resumed.stderr


def test_whatever_ray_raises_when_it_is_joined_is_told_in_words(mocker: MockerFixture) -> None:
    """A bare exception of Ray's too, after which nothing of it is left."""
    mocker.patch("ray.init", side_effect=Exception("The current node timed out during startup."))
    with pytest.raises(InfrastructureError, match="timed out during startup") as raised:
        ours._begin(None, 1, {})
    assert raised.value.exit_code == 30
    below = [_words(each) for each in psutil.Process().children(recursive=True)]
    assert [words for words in below if any("ray_process" in word or "gcs_server" in word for word in words)] == []


@contextmanager
def watched(home: Path) -> Iterator[Callable[[], list[psutil.Process]]]:
    """A meta run on Ray; what it yields gives the processes of that Ray."""
    command = [sys.executable, "-m", "quantflow", "meta", "-m", "two", "--no-progress", "--runner", "ray"]
    process = subprocess.Popen(command, cwd=home, env=bare_environment(), stderr=subprocess.PIPE)
    until = time.monotonic() + 120

    def processes() -> list[psutil.Process]:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "no worker came"
        return [process, *psutil.Process(process.pid).children(recursive=True)]  # type: ignore[list-item]

    yield processes
    process.terminate()
    process.communicate(timeout=60)


def test_it_is_nobody_elses(two: Path) -> None:
    """Every process of it listens on loopback alone; its folder is closed to others; its token is in no argument."""
    with watched(two) as processes:
        while not any("ray::" in " ".join(_words(each)) for each in processes()):
            time.sleep(0.2)
        found = processes()
        listening = [
            connection.laddr.ip
            for each in found
            for connection in psutil.Process(each.pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert len(listening) > 5
        assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}
        (folder,) = {
            Path(part.partition("=")[2]).parents[1]
            for each in found
            for part in _words(each)
            if part.startswith("--raylet_socket_name=")
            for part in [str(Path(part).parent)]
        }
        private = next(parent for parent in (folder, *folder.parents) if parent.name.startswith(ours.PREFIX))
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        token = {_environment(each).get("RAY_AUTH_TOKEN") for each in found} - {None}
        assert len(token) == 1
        assert not any(str(token.copy().pop()) in " ".join(_words(each)) for each in psutil.process_iter())
    until = time.monotonic() + 20
    while private.exists() and time.monotonic() < until:
        time.sleep(0.2)
    assert not private.exists()


@pytest.fixture
def rays_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for the Rays of one test alone, short enough for their sockets."""
    with tempfile.TemporaryDirectory(prefix="rt-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield Path(folder)


def test_what_a_killed_run_leaves_is_ended_and_removed(two: Path, rays_own: Path) -> None:
    """After kill -9 its Ray ends by itself, and the next Ray removes its folder."""
    with watched(two) as processes:
        while not any("raylet" in " ".join(_words(each)) for each in processes()):
            time.sleep(0.2)
        run, *below = processes()
        os.kill(run.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(
            [each for each in below if "quantflow.server.process" not in " ".join(_words(each))], 90
        )
        assert alive == []
    assert len(list(rays_own.glob(f"{ours.PREFIX}*"))) == 1
    with ours._private_folder() as folder:
        assert list(rays_own.glob(f"{ours.PREFIX}*")) == [folder.parent]


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(psutil.Process(process.pid).cmdline())
    except psutil.Error:
        return []


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return dict(psutil.Process(process.pid).environ())
    except psutil.Error:
        return {}


def test_two_at_once_are_kept_apart(two: Path, served: dict[str, str]) -> None:
    """Each of two Rays has its own token and folder; both runs end in the same weights."""
    done: list[subprocess.CompletedProcess[str]] = []
    runs = [
        threading.Thread(target=lambda n=n: done.append(meta(two, served, "--runner", "ray", "--run-id", n)))
        for n in ("a", "b")
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [each.returncode for each in done] == [0, 0], [each.stderr for each in done]
