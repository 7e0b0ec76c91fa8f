"""``quantflow reproduce``: execute a run again, and compare."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, NoProgress, Workspace

if TYPE_CHECKING:
    from quantflow.runs.run import Run


def reproduce(
    run: Annotated[str, typer.Argument(help="A complete run, or 'latest'.", autocompletion=complete.runs)] = "latest",
    refetch: Annotated[
        bool, typer.Option("--refetch", help="Fetch the data anew, past the provider's cache; as stored by default.")
    ] = False,
    sleeves: Annotated[
        bool, typer.Option("--sleeves", help="Of a meta run: reproduce its sleeves' runs first.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder with what was made, and name it.")] = False,
    workspace: Workspace = None,
    no_progress: NoProgress = False,
    json: AsJson = False,
) -> None:
    """Execute a run's stages again, nothing from the cache, and compare what they make with what it recorded.

    Exits with 0 when all is the same, with 1 when anything differs: the first stage that does is named, and the likely
    cause. Needs no server; the run is not touched.
    """
    from quantflow.config.load import find_workspace
    from quantflow.errors import ConfigError
    from quantflow.review.reproduce import parts_of
    from quantflow.runs.find import find_run
    from quantflow.runs.recall import recall
    from quantflow.runs.run import Meta
    from quantflow.ui.check import telling

    home = find_workspace(Path.cwd(), workspace)
    chosen = find_run(home, run)
    if refetch and not sleeves and isinstance(chosen, Meta):
        raise ConfigError(
            f"{chosen.id} is a meta run: only its sleeves fetch data.",
            hint=f"quantflow reproduce {chosen.id} --sleeves --refetch",
        )
    differs = False
    runs, without = parts_of(chosen) if sleeves else ([chosen], [])
    for name in without:
        typer.echo(f"sleeve {name} is left out: it failed, and the portfolio was made without it", err=True)
    for each in runs:
        recall(each)
        with telling(quiet=no_progress or json) as tell:
            differs |= not _one(each, refetch=refetch, sleeves=sleeves, keep=keep, json=json, tell=tell)
    if differs:
        raise typer.Exit(1)


def _one(run: Run, *, refetch: bool, sleeves: bool, keep: bool, json: bool, tell: Callable[[str], None]) -> bool:
    """Reproduce one run, show what came of it, and return whether all is the same."""
    from quantflow.review.reproduce import reproduce as execute_again
    from quantflow.review.reproduce import scratch_folder
    from quantflow.ui.progress import write_json_line
    from quantflow.ui.reproduce import print_reproduction

    with scratch_folder(run.workspace, keep=keep) as folder:
        found = execute_again(run, folder, refetch=refetch, tell=tell)
    kept = str(folder) if keep else None
    if json:
        write_json_line("reproduce", **found.json(), kept=kept)
    else:
        print_reproduction(found, with_sleeves=sleeves, kept=kept)
    return found.same
