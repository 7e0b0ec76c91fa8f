"""The words for the states of runs, stages, sleeves, trials and sessions: the same everywhere, each with its look."""

from __future__ import annotations

from collections.abc import Mapping

STYLES: Mapping[str, str] = {
    "pending": "dim",
    "running": "cyan",
    "waiting": "yellow",
    "retrying": "yellow",
    "cached": "blue",
    "kept": "dim",
    "completed": "green",
    "degraded": "yellow",
    "failed": "bold red",
    "interrupted": "yellow",
    "unreadable": "bold red",
}
MARKS: Mapping[str, str] = {
    "pending": "·",
    "running": "▶",
    "waiting": "…",
    "retrying": "↻",
    "cached": "≡",
    "kept": "✓",
    "completed": "✓",
    "failed": "✗",
    "interrupted": "✗",
}
_PREFECTS: Mapping[str, str] = {"awaitingretry": "waiting", "crashed": "interrupted", "cancelled": "interrupted"}


def shown(state: str) -> str:
    """Return the word for a state of Prefect's.

    A task that a signal or its process's death ended, whichever of two names Prefect has for that, is interrupted, as
    its run is.
    """
    return _PREFECTS.get(state.lower(), state.lower())
