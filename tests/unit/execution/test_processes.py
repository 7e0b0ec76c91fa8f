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

from quantflow.execution.processes import begin_work, interrupt_workers, interruptible
from slow_part import works


def begun(file: Path) -> None:
    """Wait until a part has begun."""
    until = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_signal_ends_what_a_worker_does_and_not_the_worker(tmp_path: Path) -> None:
    """Also when it comes twice, from the terminal and from the parent; between two parts it is overlooked."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=begin_work) as pool:
        pid = pool.submit(os.getpid).result(20)
        os.kill(pid, signal.SIGINT)
        assert pool.submit(os.getpid).result(20) == pid
        first = pool.submit(works, tmp_path / "first")
        begun(tmp_path / "first")
        os.kill(pid, signal.SIGINT)
        interrupt_workers()
        assert first.result(20) == "interrupted"
        second = pool.submit(works, tmp_path / "second")
        begun(tmp_path / "second")
        interrupt_workers()
        assert second.result(20) == "interrupted"
        assert pool.submit(os.getpid).result(20) == pid


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
