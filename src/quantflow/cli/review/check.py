"""``quantflow check``: tests of a profile that need no run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, AsOf, NoProgress, Sets, Workspace, parse_date

app = typer.Typer(help="Put a profile to the test.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Put a profile to the test."""


@app.command("lookahead")
def lookahead(
    profile: Annotated[
        str, typer.Option("--profile", "-p", help="Profile to check, e.g. demo.", autocompletion=complete.profiles)
    ],
    probes: Annotated[int, typer.Option("--probes", "-n", min=1, max=1000, help="Past dates to check.")] = 12,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed checks other dates.")] = 0,
    as_of: AsOf = None,
    workspace: Workspace = None,
    sets: Sets = None,
    no_progress: NoProgress = False,
    json: AsJson = False,
) -> None:
    """Check that no stage looks ahead: decide at past dates on cut data and on all of it, and compare to the bit.

    Exits with 1 when anything differs. Needs no server and leaves nothing behind.
    """
    asked = parse_date(as_of)
    from quantflow.config.load import find_workspace, load_profile, meta_names, profile_names
    from quantflow.errors import ConfigError

    home = find_workspace(Path.cwd(), workspace)
    if profile in meta_names(home) and profile not in profile_names(home):
        raise ConfigError(
            f"{profile!r} is a meta profile; the check is for a profile.",
            hint=f"Check each of its sleeves: quantflow check lookahead --profile {_first_sleeve(profile, home)}",
        )
    loaded = load_profile(profile, workspace=home, overrides=sets or ())
    from quantflow.review.lookahead import check_lookahead
    from quantflow.runs.create import resolve_as_of
    from quantflow.ui.check import print_lookahead, telling
    from quantflow.ui.progress import write_json_line

    with telling(quiet=no_progress or json) as tell:
        found = check_lookahead(loaded, resolve_as_of(loaded, asked), probes, seed, tell)
    if json:
        write_json_line("lookahead", **found.json())
    else:
        print_lookahead(found)
    if found.differences:
        raise typer.Exit(1)


def _first_sleeve(meta: str, home: Path) -> str:
    from quantflow.config.load import load_meta
    from quantflow.config.profile import Profile

    found = load_meta(meta, workspace=home).resolved.values()
    return next((sleeve.name for sleeve in found if isinstance(sleeve, Profile)), "PROFILE")
