"""A run that is complete: that there was nothing to do, and its publication. Imports nothing that a run takes."""

from __future__ import annotations

import typer

from quantflow.desk.publish import publish as move_book
from quantflow.runs.run import Run
from quantflow.ui.emit import emit
from quantflow.ui.log import log


def say_done(run: Run, mode: str) -> None:
    """Say that there was nothing to do, and name the run that makes a new one unnecessary."""
    facts = {"run_id": run.id, "as_of": run.as_of.isoformat()}
    log("info", "run.already_done", f"already done: {facts['run_id']}", **facts)
    if mode == "json":
        emit("already_done", **facts)
    elif mode != "quiet":
        typer.echo(f"already done: {facts['run_id']} (as-of {facts['as_of']}); --force runs it again")


def publish(run: Run, mode: str) -> None:
    """Make a complete run its profile's current book, unless that is newer, and say where it is.

    Raises:
        DegradedError: If a gate holds it back.
    """
    book = move_book(run)
    if book:
        log("info", "book.published", f"the book is {book}", run_id=run.id)
    if book and mode not in ("json", "quiet"):
        typer.echo(f"book         {book}")
