"""``quantflow init``: a workspace to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(
    folder: Annotated[Path, typer.Argument(help="Where; it is created if it is missing.")] = Path(),
) -> None:
    """Write a commented quantflow.toml, sample prices that it reads, and a .gitignore; replace nothing."""
    from quantflow.cli.ops import actions

    actions.init(folder)
