"""``quantflow resume``: continue a run that did not finish."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quantflow.cli import complete
from quantflow.cli.options import AsJson, DryRun, NoProgress, Sets, Strict, Workspace

if TYPE_CHECKING:
    from quantflow.runs.run import Run


def resume(
    run: Annotated[str, typer.Argument(help="The run, or 'latest'.", autocompletion=complete.runs)] = "latest",
    first: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="STAGE", help="Run this stage and all after it again.", autocompletion=complete.stages
        ),
    ] = None,
    sets: Sets = None,
    workspace: Workspace = None,
    dry_run: DryRun = False,
    strict: Strict = False,
    no_progress: NoProgress = False,
    json: AsJson = False,
) -> None:
    """Continue a run: what is complete is kept, the rest is done with the run's own frozen settings."""
    from contextlib import nullcontext

    from quantflow.config.load import find_workspace
    from quantflow.runs.begin import taken_up
    from quantflow.runs.create import downstream
    from quantflow.runs.find import find_run
    from quantflow.runs.lock import refuse_locked
    from quantflow.ui.progress import default_mode

    found = find_run(find_workspace(Path.cwd(), workspace), run)
    record = found
    refuse_locked(record.folder)
    forced = downstream(record.header.stages, first) if first else ()
    if dry_run:
        record = _changed(record, sets, write=False)
        _print_plan(record, record.plan(forced), json)
        return
    with taken_up(record):
        if found.state == "completed" and not forced and not sets:
            _nothing_to_do(found, json)
            from quantflow.cli.running import publish

            publish(found, "json" if json else "plain")  # the run may have died between its end and its publication
            return
        from quantflow.cli.running import run_and_show

        record = _changed(record, sets, write=True)
        _announce(record, forced, json)
        mode = default_mode(no_progress=no_progress, as_json=json)
        run_and_show(record.workspace, lambda: nullcontext(record), mode, forced=forced, strict=strict)


def _changed(record: Run, sets: list[str] | None, *, write: bool) -> Run:
    return record.with_settings(sets, write=write) if sets else record


def _announce(record: Run, forced: tuple[str, ...], as_json: bool) -> None:
    """Say which run is continued, what is kept, and why the rest is run."""
    import sys

    if as_json:
        return
    lines = record.plan(forced)
    kept = [f"sleeve {sleeve.name}" for sleeve in record.sleeves if sleeve.result] + [
        line.stage for line in lines if line.action == "reuse"
    ]
    due = [f"{line.stage} ({line.reason.value})" for line in lines if line.action == "run"]
    sys.stderr.write(f"resuming {record.id}\n")
    sys.stderr.write(f"  keep  {', '.join(kept) or 'nothing'}\n  run   {', '.join(due) or 'nothing'}\n")


def _print_plan(record: Run, lines: list, as_json: bool) -> None:  # type: ignore[type-arg]
    from quantflow.ui.progress import write_json_line
    from quantflow.ui.tables import print_plan

    if as_json:
        write_json_line("plan", run_id=record.id, stages=[line.json() for line in lines])
    else:
        print_plan(lines)


def _nothing_to_do(found: Run, as_json: bool) -> None:
    from quantflow.ui.progress import write_json_line

    if as_json:
        write_json_line("result", run=found.json(), outcome=None)
        return
    typer.echo(f"nothing to do: {found.id} is complete ({len(found.done)}/{len(found.stages)})")
