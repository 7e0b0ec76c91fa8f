"""``quantflow help exit-codes``: what a job needs to know."""

from __future__ import annotations

from typing import Annotated

import typer


def help_topic(
    topic: Annotated[str, typer.Argument(help="exit-codes.")] = "exit-codes",
) -> None:
    """Explain a topic: exit-codes."""
    from quantflow.cli.ops import actions

    actions.explain(topic)
