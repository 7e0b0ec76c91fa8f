"""What ``select`` and ``resume`` have in common: show a run while it goes on, then what it found or how to go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from quantflow.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from quantflow.runs.done import AlreadyDone
    from quantflow.runs.run import Run
    from quantflow.server.server import ApiServer


def run_and_show(
    workspace: Path,
    begin: Callable[[], AbstractContextManager[Run | AlreadyDone]],
    mode: str,
    *,
    forced: Sequence[str] = (),
    strict: bool = False,
) -> None:
    """Run what *begin* gives, show its progress, then its result, and publish it; or name the run that is done already.

    The API server is started first, so that it boots while the rest is imported and prepared. What *begin* gives is
    held until it is published.

    Args:
        workspace: The folder that holds the runs.
        begin: Creates the run, or finds it, and owns it.
        mode: How to show progress.
        forced: Stages to run whatever is there.
        strict: Whether a degraded result is an error.

    Raises:
        QuantflowError: What ended the run, after the way on was printed.
        DegradedError: If it must not be published, or is degraded and that is an error, after its result was shown.
    """
    from quantflow.server.server import api_server

    with ExitStack() as holding:
        with api_server(workspace) as server:
            found = holding.enter_context(begin())
            from quantflow.runs.done import AlreadyDone

            done = isinstance(found, AlreadyDone)
            run = found.run if isinstance(found, AlreadyDone) else _executed(found, server, mode, forced)
        try:
            _say_done(run, mode) if done else _say_completed(run, mode)
        finally:  # also when nobody reads what is printed any more
            publish(run, mode)
    if strict and run.degraded and not done:
        from quantflow.errors import DegradedError

        raise DegradedError(f"Run {run.id} is complete, but degraded.", hint=f"quantflow inspect {run.id}")


def _executed(record: Run, server: ApiServer, mode: str, forced: Sequence[str]) -> Run:
    from quantflow.desk.publish import stale_when_it_fails
    from quantflow.ui.progress import progress

    with _way_on(record, mode), stale_when_it_fails(record), progress(record, mode) as listener:
        from quantflow.flows.launch import execute

        return execute(record, server, forced=forced, listener=listener)


def _say_completed(run: Run, mode: str) -> None:
    from quantflow.ui.log import log

    note = ", but degraded" if run.degraded else ""
    log("warning" if note else "info", "run.completed", f"{run.id} is complete{note}")
    _show(run, mode)


def _say_done(run: Run, mode: str) -> None:
    from quantflow.ui.log import log

    facts = {"run_id": run.id, "as_of": run.as_of.isoformat()}
    log("info", "run.already_done", f"already done: {facts['run_id']}", **facts)
    if mode == "json":
        from quantflow.ui.progress import write_json_line

        write_json_line("already_done", **facts)
    else:
        typer.echo(f"already done: {facts['run_id']} (as-of {facts['as_of']}); --force runs it again")


def publish(run: Run, mode: str) -> None:
    """Make a complete run its profile's current book, unless that is newer, and say where it is.

    Raises:
        DegradedError: If a gate holds it back.
    """
    from quantflow.desk.publish import publish as move
    from quantflow.ui.log import log

    book = move(run)
    if book:
        log("info", "book.published", f"the book is {book}", run_id=run.id)
    if book and mode != "json":
        typer.echo(f"book         {book}")


def _show(run: Run, mode: str) -> None:
    from quantflow.runs.outcome import outcome
    from quantflow.ui.progress import write_json_line
    from quantflow.ui.tables import print_outcome

    found = outcome(run)
    if mode == "json":
        write_json_line("result", run=run.json(), outcome=found.json())
    else:
        print_outcome(run, found)


@contextmanager
def _way_on(record: Run, mode: str) -> Iterator[None]:
    try:
        yield
    except (Interrupted, Exception) as error:
        _print_way_on(record, error, mode)
        raise


def _print_way_on(record: Run, error: BaseException, mode: str) -> None:
    from quantflow.errors import LockedError
    from quantflow.ui.errors import print_next
    from quantflow.ui.log import log
    from quantflow.ui.progress import write_json_line

    if isinstance(error, LockedError):
        return
    run = record.again()
    failed = run.failed
    if mode == "json":
        facts: dict[str, Any] = {"error": str(error), "type": type(error).__name__}
        write_json_line("failed", run_id=record.id, stage=failed.stage if failed else None, **facts)
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
