"""Worker processes: a signal that a terminal sends to all of them ends what they do, and not the pool."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from quantflow.execution.processes import deaf, interrupt_workers, interruptible
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
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=deaf) as pool:
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


def test_outside_of_a_pool_nothing_changes() -> None:
    """In quantflow's own process a signal is its own affair."""
    before = signal.getsignal(signal.SIGINT)
    with interruptible():
        assert signal.getsignal(signal.SIGINT) is before
    assert signal.getsignal(signal.SIGINT) is before
