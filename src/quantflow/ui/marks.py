"""How each of Prefect's task states is called and looks."""

from __future__ import annotations

from collections.abc import Mapping

STYLES: Mapping[str, str] = {
    "Pending": "dim",
    "Running": "cyan",
    "AwaitingRetry": "yellow",
    "Retrying": "yellow",
    "Cached": "blue",
    "Completed": "green",
    "Failed": "bold red",
    "Interrupted": "bold red",
}
MARKS: Mapping[str, str] = {
    "Pending": "·",
    "Running": "▶",
    "AwaitingRetry": "…",
    "Retrying": "↻",
    "Cached": "≡",
    "Completed": "✓",
    "Failed": "✗",
    "Interrupted": "✗",
}


def shown(state: str) -> str:
    """Return what a state of Prefect's is called here: a task that a signal or its process's death ended, whichever of
    two names Prefect has for that, is interrupted as its run is.
    """
    return "Interrupted" if state in ("Crashed", "Cancelled") else state
