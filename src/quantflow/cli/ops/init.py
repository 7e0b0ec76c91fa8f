"""``quantflow init``: a workspace to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quantflow.cli.options import Sets


def init(
    folder: Annotated[
        list[Path] | None, typer.Argument(help="Project folder (created if missing; default: this one).")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", metavar="FILE…", help="Your price files: a file, a folder, a glob or an fsspec URL (repeatable)."
        ),
    ] = None,
    sets: Sets = None,
) -> None:
    """Create a starter project over sample prices, or over your own with --data; no file is ever overwritten.

    --data looks at CSV or Parquet files, shows how they were read, and writes a commented quantflow.toml that reads
    them so. What cannot be known is refused: --set data.date_format=%d/%m/%Y says it.
    """
    from quantflow.cli.ops import actions

    actions.init(folder or [], data or [], sets or [])
