"""How each of Prefect's task states looks."""

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
    "Crashed": "bold red",
    "Cancelled": "bold red",
}
MARKS: Mapping[str, str] = {
    "Pending": "·",
    "Running": "▶",
    "AwaitingRetry": "…",
    "Retrying": "↻",
    "Cached": "≡",
    "Completed": "✓",
    "Failed": "✗",
    "Crashed": "✗",
    "Cancelled": "✗",
}
