"""What ``select``, ``meta`` and ``resume`` do before a run goes on: load, check, refuse, plan, start the server.

What draws and publishes is imported while the server boots.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from quantflow.cli.options import parse_date
from quantflow.cli.unattended import unattended
from quantflow.config import catalogue
from quantflow.config.load import find_workspace, load_meta, load_profile
from quantflow.config.operation import ExecutionConfig
from quantflow.config.sweeps.sweep import AnyProfile, SweepProfile, load_sweep
from quantflow.errors import ConfigError, DegradedError
from quantflow.pipeline.arrange import pipeline_of, through
from quantflow.runs.as_of import AsOf, named_leaves, resolve_as_of
from quantflow.runs.begin import begun, begun_unless_done, standing, taken_up
from quantflow.runs.create import check_stages, downstream, plan_new, refuse_taken
from quantflow.runs.done import AlreadyDone, may_be_done
from quantflow.runs.find import find_run
from quantflow.runs.header import RunOptions
from quantflow.runs.kinds import Sweep
from quantflow.runs.lock import refuse_locked
from quantflow.runs.plan import Planned
from quantflow.runs.record import RunRecord, check_run_id
from quantflow.runs.run import Run
from quantflow.types import Record
from quantflow.ui.emit import emit
from quantflow.ui.log import log

if TYPE_CHECKING:
    from quantflow.review.sweep_plan import SweepPlan

CALENDARS_THAT_EXIST = ("XNYS", "24/7")
"""Calendars of which no name can be wrong: their last session is looked up while the API server starts."""


@dataclass(frozen=True)
class Asked:
    """The options that ``select`` and ``meta`` share.

    Attributes:
        run_id: The new run's id; None for a generated one.
        as_of: The last session to use, as text; None for the last completed one.
        by_hand: Whether a portfolio is decided also where none is due.
        force: Whether a complete run of the same settings and session does not make the new one unnecessary.
        strict: Whether a degraded result is an error.
        deadline: When to stop: a duration or a time of day.
        ping: Address of a health check.
        mode: What is shown of the run; see ``mode``.
        until: The last stage to run; empty for all.
    """

    run_id: str | None
    as_of: str | None
    by_hand: bool
    force: bool
    strict: bool
    deadline: str | None
    ping: str | None
    mode: str
    until: str = ""

    @property
    def options(self) -> RunOptions:
        """How the run differs from one that cron starts."""
        return RunOptions(self.by_hand, self.force, self.until)


def select(profile: str, workspace: Path | None, sets: Sequence[str], asked: Asked, *, dry_run: bool) -> None:
    """Run a profile, or only print the plan."""
    when = parse_date(asked.as_of)
    home = find_workspace(Path.cwd(), workspace)
    loaded = load_profile(profile, workspace=home, overrides=sets)
    _check(loaded, home, asked.run_id)
    if asked.until:
        through(pipeline_of(loaded.settings()), asked.until)
    if dry_run:
        session = resolve_as_of(loaded, when).session
        planned = plan_new(loaded, home, session, asked.options)
        _show_plan(planned, asked.mode)
    else:
        _run(loaded, home, when, asked)


def meta(meta_profile: str, workspace: Path | None, sets: Sequence[str], asked: Asked, *, dry_run: bool) -> None:
    """Run a meta profile, or only print the plan of each of its sleeves."""
    when = parse_date(asked.as_of)
    home = find_workspace(Path.cwd(), workspace)
    loaded = load_meta(meta_profile, workspace=home, overrides=sets)
    _check(loaded, home, asked.run_id)
    if dry_run:
        session = resolve_as_of(loaded, when).session
        for name, leaf in named_leaves(loaded):
            planned = plan_new(leaf, home, session, asked.options)
            _show_plan(planned, asked.mode, sleeve=name)
        return
    _check_cluster(loaded.execution, home)
    _run(loaded, home, when, asked)


def sweep(
    name: str | None, given: Record, workspace: Path | None, sets: Sequence[str], asked: Asked, *, dry_run: bool
) -> None:
    """Run a sweep: that of the file, or the one that is given; or only print what it would do."""
    when = parse_date(asked.as_of)
    home = find_workspace(Path.cwd(), workspace)
    loaded = load_sweep(name, workspace=home, given=given, overrides=sets)
    _check(loaded, home, asked.run_id)
    if dry_run:
        from quantflow.review.sweep_plan import plan_sweep

        _show_sweep_plan(plan_sweep(loaded, home, resolve_as_of(loaded, when).session), asked.mode)
        return
    _check_cluster(loaded.execution, home)
    _run(loaded, home, when, asked)


def _check_cluster(execution: ExecutionConfig, home: Path) -> None:
    if execution.ray_address:
        from quantflow.execution import ray_wheels
        from quantflow.execution.ray import probe

        ray_wheels.found(execution.ray_wheels, home)
        probe(execution.ray_address)


def _check(loaded: AnyProfile, home: Path, run_id: str | None) -> None:
    """Refuse what can be refused before anything is started."""
    check_stages(loaded)
    if run_id is not None:
        refuse_taken(RunRecord(home, check_run_id(run_id)))


def _run(loaded: AnyProfile, home: Path, when: date | None, asked: Asked) -> None:
    early: AsOf | None = None
    if_needed = asked.run_id is None and not asked.force and not asked.until

    def session() -> AsOf:
        nonlocal early
        if early is None:
            early = resolve_as_of(loaded, None)
        return early

    def begin() -> AbstractContextManager[Run | AlreadyDone]:
        if session().stale:
            _warn(session().stale)
        if if_needed:
            return begun_unless_done(loaded, home, session(), by_hand=asked.by_hand)
        return begun(loaded, home, session(), asked.run_id, asked.options)

    with unattended(asked.deadline, asked.ping), _notified(loaded, home, asked.until):
        if when or loaded.calendar.name not in CALENDARS_THAT_EXIST:
            early = resolve_as_of(loaded, when)
        if not (if_needed and may_be_done(loaded, home) and _was_done(loaded, home, session(), asked)):
            run_and_show(home, begin, asked.mode, strict=asked.strict)


def _notified(loaded: AnyProfile | None, home: Path, until: str) -> AbstractContextManager[None]:
    """Return what notifies people of the run; nobody of a sweep, or of a run of part of the stages."""
    if loaded is None or isinstance(loaded, SweepProfile) or until or not loaded.notify.to:
        return nullcontext()
    from quantflow.ops.notify import notifying

    return notifying(loaded, home)


def _profile_now(run: Run) -> AnyProfile | None:
    """Return the profile of a run as the file has it now; None where it is not there any more, or cannot be read."""
    with suppress(ConfigError):
        return catalogue.load(catalogue.find(run.profile, run.workspace), run.workspace)
    return None


def _was_done(loaded: AnyProfile, home: Path, session: AsOf, asked: Asked) -> bool:
    """Say that there is nothing to do, and publish what there is, if that is known without a server."""
    with standing(loaded, home, session, by_hand=asked.by_hand) as run:
        if run is None:
            return False
        if session.stale:
            _warn(session.stale)
        _say_done(run, asked.mode, strict=asked.strict)
        return True


def _warn(stale: str) -> None:
    if not log("warning", "data.old", stale):
        typer.echo(f"warning: {stale}", err=True)


def run_and_show(
    workspace: Path,
    begin: Callable[[], AbstractContextManager[Run | AlreadyDone]],
    mode: str,
    *,
    forced: Sequence[str] = (),
    strict: bool = False,
) -> None:
    """Run what *begin* gives, show its progress, then its result, and publish it; or name the run that is done already.

    The API server boots while the run is prepared. What *begin* gives is held until it is published.

    Args:
        workspace: The folder that holds the runs.
        begin: Creates the run, or finds it, and owns it.
        mode: How to show progress.
        forced: Stages to run even if they are complete.
        strict: Whether a degraded result is an error.

    Raises:
        QuantflowError: What ended the run, after the way on was printed.
        DegradedError: If it must not be published, or is degraded and that is an error, after its result was shown.
    """
    from quantflow.server import server as servers  # not where nothing is run
    from quantflow.ui.progress.waiting import waiting

    with ExitStack() as holding:
        with (
            waiting(mode, "preparing the run, starting the API server") as seen,
            servers.api_server(workspace) as server,
        ):
            found = holding.enter_context(begin())
            if isinstance(found, AlreadyDone):
                seen()
                _say_done(found.run, mode, strict=strict)
                return
            from quantflow.cli.run import ended, running  # while the server boots

            seen()
            run = running.executed(found, server, mode, forced)
        try:
            running.say_completed(run, mode)
        finally:  # also when nobody reads what is printed any more
            ended.publish(run, mode)
        if strict and run.degraded:
            raise _degraded(run)


def _say_done(run: Run, mode: str, *, strict: bool) -> None:
    from quantflow.cli.run import ended

    try:
        ended.say_done(run, mode)
    finally:
        ended.publish(run, mode)
    if strict and run.degraded and run.header.stale:
        raise _degraded(run)


def _degraded(run: Run) -> DegradedError:
    why = f": {run.header.stale}" if run.header.stale else ""
    return DegradedError(f"Run {run.id} is complete, but degraded{why}.", hint=f"quantflow inspect {run.id}")


def resume(
    run: str,
    workspace: Path | None,
    sets: Sequence[str],
    first: str | None,
    mode: str,
    *,
    dry_run: bool,
    strict: bool,
) -> None:
    """Continue a run, or only print the plan."""
    found = find_run(find_workspace(Path.cwd(), workspace), run)
    refuse_locked(found.folder)
    forced = downstream(found.header.stages, first) if first else ()
    if dry_run:
        changed = found.with_settings(sets, write=False) if sets else found
        _show_plan(changed.plan(forced), mode, run_id=found.id)
        return
    if found.state == "completed" and not forced and not sets:
        with taken_up(found):
            from quantflow.cli.run import ended

            _nothing_to_do(found, mode)
            ended.publish(found, mode)  # the run may have died between its end and its publication
            return
    with _notified(_profile_now(found), found.workspace, found.header.until):
        run_and_show(found.workspace, lambda: _continued(found, sets, forced, mode), mode, forced=forced, strict=strict)


@contextmanager
def _continued(found: Run, sets: Sequence[str], forced: Sequence[str], mode: str) -> Iterator[Run]:
    """Own a run until the block ends, with changed settings if there are any, and say what is kept of it."""
    with taken_up(found):
        record = found.with_settings(sets, write=True) if sets else found
        _announce(record, forced, mode)
        yield record


def _announce(record: Run, forced: Sequence[str], mode: str) -> None:
    """Say which run is continued, what is kept, and why the rest is run."""
    if mode in ("json", "quiet"):
        return
    lines = record.plan(forced)
    sleeves = [sleeve.name for sleeve in record.sleeves if sleeve.result]
    kept = [f"sleeve {name}" for name in sleeves] + [line.stage for line in lines if line.action == "reuse"]
    due = [f"{line.stage} ({line.reason.value})" for line in lines if line.action == "run"]
    if isinstance(record, Sweep):
        left = len(record.due())
        kept = [*counted(len(record.trials) - left), *kept]
        due = [*counted(left), *due]
    sys.stderr.write(f"resuming {record.id}\n")
    sys.stderr.write(f"  keep  {', '.join(kept) or 'nothing'}\n  run   {', '.join(due) or 'nothing'}\n")


def counted(trials: int) -> list[str]:
    """Return a number of trials in words; nothing for none."""
    return [f"{trials} trial{'' if trials == 1 else 's'}"] if trials else []


def _show_plan(lines: Sequence[Planned], mode: str, *, sleeve: str = "", **facts: object) -> None:
    if mode == "json":
        emit("plan", **facts, **({"sleeve": sleeve} if sleeve else {}), stages=[line.json() for line in lines])
    else:
        from quantflow.ui.tables import print_plan

        print_plan(lines, f"sleeve {sleeve}" if sleeve else "")


def _show_sweep_plan(plan: SweepPlan, mode: str) -> None:
    if mode == "json":
        emit("sweep_plan", **plan.json())
    else:
        from quantflow.ui.sweeps.plan import print_sweep_plan

        print_sweep_plan(plan)


def _nothing_to_do(found: Run, mode: str) -> None:
    if mode == "json":
        emit("result", run=found.json(), outcome=None)
    elif mode != "quiet":
        typer.echo(f"nothing to do: {found.id} is complete ({len(found.done)}/{len(found.stages)})")
