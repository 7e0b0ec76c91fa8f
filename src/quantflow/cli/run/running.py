"""A run while it goes on: its progress, and its result or how to continue it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from quantflow.desk.publish import stale_when_it_fails
from quantflow.errors import Interrupted, LockedError, said
from quantflow.flows.launch import execute
from quantflow.runs.kinds import Sweep
from quantflow.runs.outcome import compared, outcome
from quantflow.runs.run import Run
from quantflow.server.server import ApiServer
from quantflow.ui.emit import emit
from quantflow.ui.errors import print_next
from quantflow.ui.log import log
from quantflow.ui.progress.logs import beside
from quantflow.ui.progress.show import progress
from quantflow.ui.sweeps.tables import print_sweep
from quantflow.ui.tables import print_outcome


def executed(record: Run, server: ApiServer, mode: str, forced: Sequence[str]) -> Run:
    """Run or continue a created run, and show its progress; or what failed, and how to continue."""
    log_too = beside(record) if mode == "verbose" else nullcontext()
    with _how_to_continue(record, mode), stale_when_it_fails(record), log_too, progress(record, mode) as listener:
        return execute(record, server, forced=forced, listener=listener)


def say_completed(run: Run, mode: str) -> None:
    """Say that the run is complete, and show its result."""
    note = ", but degraded" if run.degraded else ""
    log("warning" if note else "info", "run.completed", f"{run.id} is complete{note}")
    _show(run, mode)


def _show(run: Run, mode: str) -> None:
    if isinstance(run, Sweep) and mode != "quiet":
        emit("result", run=run.json(), sweep=compared(run)) if mode == "json" else print_sweep(run)
        return
    if mode == "quiet":
        return
    found = outcome(run)
    if mode == "json":
        emit("result", run=run.json(), outcome=found.json())
    else:
        print_outcome(run, found, funnel=mode in ("none", "log"))


@contextmanager
def _how_to_continue(record: Run, mode: str) -> Iterator[None]:
    try:
        yield
    except (Interrupted, Exception) as error:
        _print_how_to_continue(record, error, mode)
        raise


def _print_how_to_continue(record: Run, error: BaseException, mode: str) -> None:
    if isinstance(error, LockedError):
        return
    run = record.again()
    failed = run.failed
    if mode == "json":
        stage = failed.stage if failed else None
        emit("failed", run_id=record.id, stage=stage, error=said(error), type=type(error).__name__)
    head = "INTERRUPTED" if isinstance(error, Interrupted) else "FAILED"
    resume = f"quantflow resume {record.id}"
    where = {"stage": failed.stage, "attempt": failed.attempt} if failed else {}
    if log("error", f"run.{head.lower()}", f"{record.id} {head.lower()}", **where, resume=resume):
        return
    tries = f"  after {failed.attempt} attempts" if failed and failed.attempt > 1 else ""
    lines = [(head, f"{failed.stage}{tries}")] if failed else [(head, "")]
    lines += [
        ("run", f"{record.id}  done {len(run.done)}/{len(run.stages)}: {', '.join(run.done) or 'none'}"),
        ("log", str(record.folder / "log.txt")),
        ("resume", resume),
    ]
    print_next(lines)
