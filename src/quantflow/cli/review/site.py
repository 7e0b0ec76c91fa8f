"""What ``ui`` does."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from quantflow.cli.review.look import has_display
from quantflow.config.load import find_workspace
from quantflow.ui.checks import telling
from quantflow.ui.emit import emit
from quantflow.ui.site.build import FOLDER, Built, build
from quantflow.ui.site.serving import Served, keep_fresh, serving
from quantflow.ui.site.signature import workspace_mark


def write(workspace: Path | None, output: Path | None, *, quiet: bool, as_json: bool) -> None:
    """Write the page, print where it is, and open it where a person would see it."""
    home, folder = _places(workspace, output)
    built = _built(home, folder, as_json=as_json)
    if as_json:
        emit("ui", page=str(built.page), runs=built.runs, written=built.written)
        return
    typer.echo(str(built.page))
    if not quiet:
        _show(built.page.as_uri())


def serve(workspace: Path | None, output: Path | None, *, quiet: bool, as_json: bool) -> None:
    """Serve the page to this machine, and write it again whenever the workspace changes, until a signal."""
    home, folder = _places(workspace, output)
    mark = workspace_mark(home)
    built = _built(home, folder, as_json=as_json)
    with serving(Served(folder, home / "runs")) as address:
        if as_json:
            emit("ui", page=str(built.page), runs=built.runs, written=built.written, address=address)
        else:
            typer.echo(address)
            typer.echo("Keep this address private: it is the key to the page. Ctrl-C ends it.", err=True)
            if not quiet:
                _show(address)
        keep_fresh(home, folder, mark, lambda line: typer.echo(line, err=True))


def _places(workspace: Path | None, output: Path | None) -> tuple[Path, Path]:
    home = find_workspace(Path.cwd(), workspace).resolve()
    return home, (output or home / FOLDER).absolute()


def _built(home: Path, folder: Path, *, as_json: bool) -> Built:
    with telling(quiet=as_json) as tell:
        return build(home, folder, tell)


def _show(address: str) -> None:
    if is_terminal() and has_display():
        typer.launch(address)


def is_terminal() -> bool:
    """Whether a person reads what is printed."""
    return sys.stdout.isatty()
