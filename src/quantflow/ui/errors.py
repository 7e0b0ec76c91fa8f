"""How an error looks: what happened, what to do; to stderr, without a traceback unless asked for."""

from __future__ import annotations

import sys
import traceback

from quantflow.config.credentials import scrubbed
from quantflow.errors import QuantflowError, said
from quantflow.ui.log import log

LONGEST = 500
"""Characters of an error that is not quantflow's own; the run's log and --debug have all of it."""


def print_error(error: BaseException, *, debug: bool) -> None:
    """Print *error* as ``error:`` and ``hint:`` lines, or write it into the JSON log."""
    trace = scrubbed("".join(traceback.format_exception(error))) if debug else None
    if log("error", "error", said(error) or type(error).__name__, **_facts(error), traceback=trace):
        return
    if trace:
        sys.stderr.write(trace)
    if isinstance(error, QuantflowError):
        sys.stderr.write(scrubbed(f"error: {error.message}\n"))
        if error.hint:
            sys.stderr.write(scrubbed(f"hint: {error.hint}\n"))
    else:
        sys.stderr.write(scrubbed(f"error: {type(error).__name__}: {_short(said(error))}\n"))
        if not debug:
            sys.stderr.write("hint: this is not expected; add --debug for the traceback\n")


def _short(text: str) -> str:
    """Return the first line of what a library says, which may go on for pages."""
    first = text.strip().partition("\n")[0]
    return first if len(first) <= LONGEST else f"{first[:LONGEST]}…"


def _facts(error: BaseException) -> dict[str, object]:
    code, hint = getattr(error, "exit_code", 1), getattr(error, "hint", None)
    return {"type": type(error).__name__, "hint": hint, "exit_code": code}


def print_next(lines: list[tuple[str, str]]) -> None:
    """Print what to do next, a label and a command or fact per line."""
    for label, text in lines:
        sys.stderr.write(f"{label:<8}{text}".rstrip() + "\n")
