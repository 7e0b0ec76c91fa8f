"""``quantflow select``: run a profile, from prices to weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import (
    AsJson,
    AsOf,
    DryRun,
    Force,
    NewRunId,
    NoProgress,
    Sets,
    Strict,
    Workspace,
    parse_date,
)
from quantflow.cli.unattended import Deadline, Ping, unattended

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import date

    from quantflow.config.profile import Profile
    from quantflow.runs.done import AlreadyDone
    from quantflow.runs.run import Run

CALENDARS_THAT_EXIST = ("XNYS", "24/7")


def select(
    profile: Annotated[
        str, typer.Option("--profile", "-p", help="Profile to run, e.g. demo.", autocompletion=complete.profiles)
    ],
    run_id: NewRunId = None,
    as_of: AsOf = None,
    workspace: Workspace = None,
    sets: Sets = None,
    dry_run: DryRun = False,
    force: Force = False,
    strict: Strict = False,
    deadline: Deadline = None,
    ping: Ping = None,
    no_progress: NoProgress = False,
    json: AsJson = False,
) -> None:
    """Run a profile: ingest, features, scores, clusters, policy, atoms, weights, walk-forward, report."""
    from quantflow.config.load import find_workspace, load_profile
    from quantflow.runs.record import RunRecord, check_run_id

    asked = parse_date(as_of)
    home = find_workspace(Path.cwd(), workspace)
    loaded = load_profile(profile, workspace=home, overrides=sets or ())
    if loaded.pipeline.stages:
        from quantflow.runs.create import check_stages

        check_stages(loaded)
    if run_id is not None:
        from quantflow.runs.create import refuse_taken

        refuse_taken(RunRecord(home, check_run_id(run_id)))
    if dry_run:
        _print_plan(loaded, home, asked, json)
        return
    session = _session(loaded, asked) if asked or loaded.calendar.name not in CALENDARS_THAT_EXIST else None
    from quantflow.cli.running import run_and_show
    from quantflow.ui.progress import default_mode

    def begin() -> AbstractContextManager[Run | AlreadyDone]:
        from quantflow.runs.begin import begun, begun_unless_done

        when = session or _session(loaded, None)
        if run_id is None and not force:
            return begun_unless_done(loaded, home, when)
        return begun(loaded, home, when, run_id)

    with unattended(deadline, ping):
        run_and_show(home, begin, default_mode(no_progress=no_progress, as_json=json), strict=strict)


def _session(profile: Profile, asked: date | None) -> date:
    from quantflow.runs.create import resolve_as_of

    return resolve_as_of(profile, asked)


def _print_plan(profile: Profile, home: Path, asked: date | None, as_json: bool) -> None:
    from quantflow.runs.create import plan_new
    from quantflow.ui.progress import write_json_line
    from quantflow.ui.tables import print_plan

    lines = plan_new(profile, home, _session(profile, asked))
    if as_json:
        write_json_line("plan", stages=[line.json() for line in lines])
    else:
        print_plan(lines)
