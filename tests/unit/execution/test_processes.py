"""Worker processes: a signal that a terminal sends to all of them ends what they do, and not the pool."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from quantflow.execution.processes import begin_work, booting_workers, interrupt_workers, interruptible
from slow_part import works


def begun(file: Path) -> None:
    """Wait until a part has begun."""
    until = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_signal_ends_what_a_worker_does_and_not_the_worker(tmp_path: Path) -> None:
    """Also when it comes twice, from the terminal and from the parent; parts that were handed out end at once."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=begin_work) as pool:
        pid = pool.submit(os.getpid).result(20)
        parts = [pool.submit(works, tmp_path / str(number)) for number in range(2)]
        begun(tmp_path / "0")
        os.kill(pid, signal.SIGINT)
        interrupt_workers()
        assert [part.result(20) for part in parts] == ["interrupted"] * 2
        assert pool.submit(os.getpid).result(20) == pid
    assert not (tmp_path / "1").exists()


def test_a_signal_between_two_parts_ends_the_next(tmp_path: Path) -> None:
    """The worker waits for a part, or is about to begin it: the signal is not lost."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=begin_work) as pool:
        pid = pool.submit(os.getpid).result(20)
        os.kill(pid, signal.SIGINT)
        assert pool.submit(works, tmp_path / "part").result(20) == "interrupted"
        assert pool.submit(os.getpid).result(20) == pid
    assert not (tmp_path / "part").exists()


def test_a_signal_while_a_worker_boots_ends_what_it_is_given(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Without a traceback, and without a broken pool; the process that starts workers gets its own signals."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=begin_work) as pool:
        with booting_workers():
            part = pool.submit(works, tmp_path / "part")
        interrupt_workers()
        assert part.result(20) == "interrupted"
        assert pool.submit(os.getpid).result(20) != os.getpid()
    assert not (tmp_path / "part").exists()
    assert "Traceback" not in capfd.readouterr().err
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_worker_without_a_part_ends_with_its_parent() -> None:
    """Kill -9 of a run whose workers have just started leaves none behind."""
    code = (
        "import multiprocessing, os, signal\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from quantflow.execution.processes import begin_work\n"
        "pool = ProcessPoolExecutor(1, multiprocessing.get_context('spawn'), initializer=begin_work)\n"
        "print(pool.submit(os.getpid).result(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    worker, until = Path(f"/proc/{int(found.stdout)}"), time.monotonic() + 20
    while worker.exists():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_outside_of_a_pool_nothing_changes() -> None:
    """In quantflow's own process a signal is its own affair."""
    before = signal.getsignal(signal.SIGINT)
    with interruptible():
        assert signal.getsignal(signal.SIGINT) is before
    assert signal.getsignal(signal.SIGINT) is before
