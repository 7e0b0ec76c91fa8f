"""The selection flow: from prices to weights and their walk-forward proof, one task per stage."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, cast

from prefect import State, Task, flow
from prefect.context import FlowRunContext
from prefect.transactions import CommitMode, transaction
from prefect.utilities.annotations import quote

from quantflow.config.load import find_workspace, load_profile
from quantflow.data.cache import refs
from quantflow.data.store import ArtifactRef
from quantflow.errors import QuantflowError, StageError, refused_by_machine
from quantflow.flows.adapter import Order, attempts, stage_task, use_cache
from quantflow.flows.artifacts import show_in_prefect
from quantflow.flows.worker import api_lost
from quantflow.pipeline.code_version import package_version
from quantflow.pipeline.keys import fingerprint
from quantflow.pipeline.stage import SelectionContext, Stage, Summary
from quantflow.review.facts import facts_of
from quantflow.runs import stopping
from quantflow.runs.begin import begun, taken_up
from quantflow.runs.exports import export
from quantflow.runs.plan import Planner, Reason
from quantflow.runs.record import RunRecord, StageRecord, now, peak_rss_mb
from quantflow.runs.request import context_of, layout_of, pipeline, planner_of, resolve_as_of
from quantflow.runs.status import RunStatus


def run_selection_flow(
    profile: str,
    run_id: str,
    *,
    as_of: date | None = None,
    workspace: Path | None = None,
    overrides: Sequence[str] = (),
) -> RunStatus:
    """Run a profile as a Prefect flow, or continue the run of that id.

    Args:
        profile: The profile's name.
        run_id: The run's name.
        as_of: The last session to be seen; None for the last completed one. A run that exists keeps its own.
        workspace: The folder of ``quantflow.toml``; None to look for it from here upwards.
        overrides: ``section.key=value`` lines that win over the profile. A run that exists keeps its own settings.

    Returns:
        What the run did.

    Raises:
        QuantflowError: What ended the run; it can be resumed.
    """
    from quantflow.flows.launch import execute
    from quantflow.server.server import api_server

    home = find_workspace(Path.cwd(), workspace)
    owning = taken_up(RunRecord(home, run_id))
    if not RunRecord(home, run_id).exists:
        loaded = load_profile(profile, workspace=home, overrides=overrides)
        owning = begun(loaded, home, resolve_as_of(loaded, as_of), run_id)
    with owning as record, api_server(home) as server:
        return execute(record, server)


@flow(name="Selection Flow", flow_run_name="{run_id}", validate_parameters=False, persist_result=False)
def selection_flow(profile: str, run_id: str, workspace: str, forced: Sequence[str] = ()) -> str:
    """Run the stages of a created run, in order; what is complete is reused.

    Args:
        profile: The profile's name, to be seen in Prefect; the record's frozen settings are what counts.
        run_id: The run.
        workspace: The folder that holds its record.
        forced: Stages to run whatever is there.

    Returns:
        The run id.
    """
    stopping.reclaim()
    record = RunRecord(Path(workspace), run_id)
    if run := FlowRunContext.get():
        record.add_flow_run(str(run.flow_run.id))  # type: ignore[union-attr]
    use_cache(layout_of(record))
    context = context_of(record)
    planner = planner_of(record, forced)
    for stage in pipeline(record):
        context = advance(stage, context, record, planner)
    show_in_prefect(record)
    return run_id


@dataclass
class _Timer:
    started: str
    zero: float

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.zero, 3)


def advance(stage: Stage, context: SelectionContext, record: RunRecord, planner: Planner) -> SelectionContext:
    """Run one stage as its task, and write down what came of it.

    Args:
        stage: The stage.
        context: Refs of all that was made before.
        record: The run's record.
        planner: Says whether the run's own record already holds the result.

    Returns:
        The context with the stage's refs.

    Raises:
        QuantflowError: What the stage raised, after it was recorded.
    """
    if "run" in stage.needs:
        context = replace(context, facts=facts_of(record))
    mark = fingerprint(stage, record.scope, context.settings, context.artifacts)
    entry = StageRecord(stage.id, "running", mark.key, mark.json(), started=now(), made_by=package_version())
    timer = _Timer(entry.started, time.monotonic())
    planned = planner.decide(stage, context.artifacts)
    before = record.stage(stage.id)
    record.write_stage(entry)
    if planned.reason is Reason.COMPLETE and before is not None:
        planner.cache.write(mark.key, {"outputs": _json(before.outputs), "summary": vars(before.summary)})
    job = stage_task(stage, layout_of(record), refresh=planned.reason is Reason.FORCED)
    state = _attempted(job, Order(stage, mark.key, context, record.workspace))
    try:
        result: Mapping[str, Any] = state.result()
    except Exception as error:  # whatever a stage raises is recorded, then goes on up
        if stopping.received():  # a signal that hit foreign code, which made an error of it
            raise
        record.write_stage(_failed(entry, timer, error, attempts(record.events(), stage.id)))
        raise
    outputs = refs(result)
    done = replace(
        entry,
        state="done",
        attempt=attempts(record.events(), stage.id),
        cached=state.name == "Cached",
        outputs=outputs,
        summary=Summary(**result["summary"]),
        ended=now(),
        seconds=timer.seconds,
        max_rss_mb=peak_rss_mb(),
    )
    context = replace(context, artifacts={**context.artifacts, **outputs})
    export(record, context, outputs)
    record.write_stage(done)
    return context


def _json(outputs: Mapping[str, ArtifactRef]) -> dict[str, Any]:
    return {name: ref.json() for name, ref in outputs.items()}


def _attempted(job: Task[..., dict[str, Any]], order: Order) -> State[dict[str, Any]]:
    """Run the task and return its state; what the stage raises is in there, what is raised here is Prefect's."""
    try:
        # In a sleeve this task is inside another, which would keep its result and its lock until it ends itself.
        with transaction(commit_mode=CommitMode.EAGER):
            state: Any = job(quote(order), return_state=True)  # nothing in the order is for Prefect to resolve
    except Exception as error:  # of Prefect's own, whatever it is
        raise api_lost(error, order.folder) from error
    if state.is_crashed() and stopping.received() is None:
        raise api_lost(state.message or "the task crashed", order.folder)
    return cast("State[dict[str, Any]]", state)


def _failed(entry: StageRecord, timer: _Timer, error: Exception, attempt: int) -> StageRecord:
    known = error if isinstance(error, QuantflowError) else refused_by_machine(error)
    known = known or StageError(f"{type(error).__name__}: {error}")
    return replace(
        entry,
        state="failed",
        attempt=attempt,
        ended=now(),
        seconds=timer.seconds,
        max_rss_mb=peak_rss_mb(),
        error={
            "type": type(error).__name__,
            "message": known.message,
            "hint": known.hint,
            "exit_code": known.exit_code,
            "context": known.context,
            "traceback": "".join(traceback.format_exception(error)),
        },
    )
