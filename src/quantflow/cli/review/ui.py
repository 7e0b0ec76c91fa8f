"""``quantflow ui``: one page over the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quantflow.cli.options import AsJson, Workspace


def ui(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder to write (default: WORKSPACE/site).")
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve it to this machine, and keep it up to date until Ctrl-C.")
    ] = False,
    no_open: Annotated[bool, typer.Option("--no-open", help="Open no browser.")] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Write one page over all runs, sweeps and profiles, and open it in the browser; it needs no server."""
    from quantflow.cli.review import site

    if serve:
        site.serve(workspace, output, quiet=no_open, as_json=json)
    else:
        site.write(workspace, output, quiet=no_open, as_json=json)
