"""``quantflow init``: a workspace to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(
    folder: Annotated[Path, typer.Argument(help="Project folder (created if missing).")] = Path(),
) -> None:
    """Create a starter project: a commented quantflow.toml, sample prices, a .gitignore (never overwrites files)."""
    from quantflow.cli.ops import actions

    actions.init(folder)
