"""``quantflow meta``: run a portfolio of sleeves."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import (
    AsJson,
    AsOf,
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

    from quantflow.runs.done import AlreadyDone
    from quantflow.runs.run import Run


class Runner(StrEnum):
    """What runs the sleeves."""

    AUTO = "auto"
    RAY = "ray"
    LOCAL = "local"


def meta(
    meta_profile: Annotated[
        str,
        typer.Option(
            "--meta-profile", "-m", help="Meta profile to run, e.g. demo_meta.", autocompletion=complete.metas
        ),
    ],
    run_id: NewRunId = None,
    as_of: AsOf = None,
    runner: Annotated[
        Runner | None, typer.Option("--runner", help="What runs sleeves; auto: Ray, or processes if it does not start.")
    ] = None,
    ray_address: Annotated[
        str | None, typer.Option("--ray-address", metavar="HOST:PORT", help="Use this Ray cluster.")
    ] = None,
    workspace: Workspace = None,
    sets: Sets = None,
    force: Force = False,
    strict: Strict = False,
    deadline: Deadline = None,
    ping: Ping = None,
    no_progress: NoProgress = False,
    json: AsJson = False,
) -> None:
    """Run the sleeves of a meta profile in parallel, and combine them into one portfolio."""
    from quantflow.config.load import find_workspace, load_meta
    from quantflow.runs.create import refuse_taken
    from quantflow.runs.record import RunRecord, check_run_id

    asked = parse_date(as_of)
    home = find_workspace(Path.cwd(), workspace)
    chosen = [*(sets or ()), *_execution("runner", runner and runner.value), *_execution("ray_address", ray_address)]
    loaded = load_meta(meta_profile, workspace=home, overrides=chosen)
    if loaded.has_plug_ins:
        from quantflow.runs.create import check_stages

        check_stages(loaded)
    if run_id is not None:
        refuse_taken(RunRecord(home, check_run_id(run_id)))
    if loaded.execution.ray_address:
        from quantflow.execution.ray import probe

        probe(loaded.execution.ray_address)
    from quantflow.cli.running import run_and_show
    from quantflow.ui.progress import default_mode

    def begin() -> AbstractContextManager[Run | AlreadyDone]:
        from quantflow.runs.begin import begun, begun_unless_done
        from quantflow.runs.create import resolve_as_of

        when = resolve_as_of(loaded, asked)
        if run_id is None and not force:
            return begun_unless_done(loaded, home, when)
        return begun(loaded, home, when, run_id)

    with unattended(deadline, ping):
        run_and_show(home, begin, default_mode(no_progress=no_progress, as_json=json), strict=strict)


def _execution(key: str, value: str | None) -> list[str]:
    return [] if value is None else [f'meta.execution.{key}="{value}"']
