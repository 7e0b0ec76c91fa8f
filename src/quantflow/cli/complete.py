"""What the shell offers for names when Tab is pressed: quick, so nothing heavy is imported, and never an error.

Each function takes what Typer hands to a completion: the context, the words before, and the beginning of the word.
"""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Callable, Iterable
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

import typer

from quantflow.config.workspaces import FILE, find_nearest
from quantflow.data.cells import from_cell
from quantflow.pipeline.names import ASKED, META, SELECTION

MOST = 50
"""Names that are offered at once."""

Offer = Callable[[typer.Context, list[str], str], list[str]]


def _quiet(names: Callable[[Path, typer.Context], Iterable[str]]) -> Offer:
    """Make an offer of what gives all names; what cannot be read offers nothing, and says nothing into the prompt."""

    def offer(ctx: typer.Context, args: list[str], incomplete: str) -> list[str]:
        try:
            fitting = (name for name in names(_workspace(ctx), ctx) if name.startswith(incomplete))
            return list(islice(fitting, MOST))
        except Exception:  # noqa: BLE001  # a torn file, a folder that may not be read: whatever it is, no one asked
            return []

    return offer


def _workspace(ctx: typer.Context) -> Path:
    """Return the workspace as the command would find it; one that the command would refuse is an error here too."""
    if named := ctx.params.get("workspace"):
        return Path(named)
    return find_nearest(Path.cwd())


def _tables(workspace: Path, kind: str) -> list[str]:
    path = workspace / FILE
    own = tomllib.loads(path.read_text(encoding="utf-8")).get(kind, {}) if path.is_file() else {}
    ours = tomllib.loads((files("quantflow.config") / "demo.toml").read_text(encoding="utf-8"))[kind]
    return [*own, *(name for name in ours if name not in own)]


def _runs(workspace: Path) -> list[Path]:
    """Return the folders of runs, newest first; those of sleeves, ``META.SLEEVE``, left out."""
    found = {path.parent.name: path for path in (workspace / "runs").glob("*/run.json")}
    own = [path for name, path in found.items() if name.rpartition(".")[0] not in found]
    return [path.parent for path in sorted(own, key=lambda path: path.stat().st_mtime, reverse=True)]


def _run_of(workspace: Path, ctx: typer.Context) -> Path:
    """Return the folder of the run that the command names so far, else of the newest."""
    named = ctx.params.get("run")
    return workspace / "runs" / named if named and named != "latest" else _runs(workspace)[0]


@_quiet
def profiles(workspace: Path, ctx: typer.Context) -> Iterable[str]:
    """Offer profiles: those of the file first, then the built-in ones."""
    return _tables(workspace, "profiles")


@_quiet
def metas(workspace: Path, ctx: typer.Context) -> Iterable[str]:
    """Offer meta profiles, likewise."""
    return _tables(workspace, "meta")


@_quiet
def sweeps(workspace: Path, ctx: typer.Context) -> Iterable[str]:
    """Offer the sweeps of the file."""
    path = workspace / FILE
    return list(tomllib.loads(path.read_text(encoding="utf-8")).get("sweep", {})) if path.is_file() else []


@_quiet
def profiles_and_metas(workspace: Path, ctx: typer.Context) -> Iterable[str]:
    """Offer profiles, then meta profiles."""
    return [*_tables(workspace, "profiles"), *_tables(workspace, "meta")]


@_quiet
def runs(workspace: Path, ctx: typer.Context) -> Iterable[str]:
    """Offer ``latest``, then the runs, newest first."""
    return ["latest", *(path.name for path in _runs(workspace))]


@_quiet
def stages(workspace: Path, ctx: typer.Context) -> Iterable[str]:
    """Offer the stages of the run that is named, else of the newest, else the built-in ones."""
    try:
        header: dict[str, Any] = json.loads((_run_of(workspace, ctx) / "run.json").read_bytes())
        return [str(name) for name in header["stages"]]
    except (OSError, IndexError, ValueError, KeyError):
        return [*SELECTION, *ASKED, *META]


@_quiet
def symbols(workspace: Path, ctx: typer.Context) -> Iterable[str]:
    """Offer the names that the newest run holds."""
    with (_run_of(workspace, ctx) / "weights.csv").open(encoding="utf-8", newline="") as file:
        return [from_cell(row["symbol"]) for row in csv.DictReader(file)]
