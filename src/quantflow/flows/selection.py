"""The selection flow: from prices to weights and their walk-forward proof, one task per stage."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, cast

from prefect import State, Task, flow
from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect.transactions import CommitMode, transaction
from prefect.utilities.annotations import quote

from quantflow.data.cache import refs
from quantflow.data.store import ArtifactRef
from quantflow.errors import QuantflowError, StageError, refused_by_machine, said
from quantflow.execution.background import Imports
from quantflow.flows.adapter import StageCall, attempts, stage_task, use_cache
from quantflow.flows.artifacts import show_in_prefect
from quantflow.flows.entry import SELECTION, at_flow
from quantflow.flows.worker import api_lost
from quantflow.pipeline.code_version import package_version
from quantflow.pipeline.keys import fingerprint
from quantflow.pipeline.stage import BasePipelineStage, SelectionContext, Summary
from quantflow.review.facts import facts_of
from quantflow.runs import stopping
from quantflow.runs.exports import export
from quantflow.runs.plan import Planner, Reason
from quantflow.runs.record import StageRecord, now, peak_rss_mb
from quantflow.runs.run import Run
from quantflow.server.prefect_internals import take_parameters_as_they_are


def flow_run_name() -> str:
    """Return the name of the flow run in Prefect: the run id, or the profile where the id is still to be generated."""
    given = flow_run.parameters
    return str(given.get("run_id") or given.get("profile") or given.get("meta_profile"))


@take_parameters_as_they_are
@flow(name="Selection Flow", flow_run_name=flow_run_name, validate_parameters=False, persist_result=False)
def selection_flow(
    profile: str, run_id: str | None = None, workspace: str | None = None, forced: Sequence[str] = ()
) -> str:
    """Run the stages of a run, in order; what is complete is reused.

    Called by itself (or served, or deployed), it creates the run if it is missing.

    Args:
        profile: The profile's name; it must be that of the run, if the run exists.
        run_id: The run; None for a new one with a generated id.
        workspace: The folder of ``quantflow.toml``; None to look for it from here upwards.
        forced: Stages to run even if they are complete.

    Returns:
        The run id.

    Raises:
        ConfigError: If the run exists and is of another profile.
        QuantflowError: What a stage raises.
    """
    stopping.reclaim()
    with at_flow(SELECTION, profile, run_id, workspace) as record:
        run_stages(record, forced)
    return record.id


_ahead: ContextVar[Imports | None] = ContextVar("ahead", default=None)


@contextmanager
def importing(modules: Sequence[str]) -> Iterator[None]:
    """Import *modules* beside the block until the first stage of a run in it begins."""
    ahead = Imports(modules)
    token = _ahead.set(ahead)
    ahead.start()
    try:
        yield
    finally:
        ahead.finish()
        _ahead.reset(token)


def run_stages(record: Run, forced: Sequence[str]) -> None:
    """Run the stages of an owned run as tasks of the flow run that this is called in."""
    if (ahead := _ahead.get()) is not None:
        ahead.finish()
    if run := FlowRunContext.get():
        record.add_flow_run(str(run.flow_run.id))  # type: ignore[union-attr]
    use_cache(record.layout)
    context = record.context()
    planner = record.planner(forced)
    for stage in record.pipeline():
        context = advance(stage, context, record, planner)
    show_in_prefect(record)


@dataclass
class _Timer:
    started: str
    zero: float

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.zero, 3)


def advance(
    stage: BasePipelineStage[Any], context: SelectionContext, record: Run, planner: Planner
) -> SelectionContext:
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
    job = stage_task(stage, record.layout, refresh=planned.reason is Reason.FORCED)
    state = _attempted(job, StageCall(stage, mark.key, context, record.workspace))
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


def _attempted(job: Task[..., dict[str, Any]], call: StageCall) -> State[dict[str, Any]]:
    """Run the task and return its state; what the stage raises is in there, what is raised here is Prefect's."""
    try:
        # In a sleeve this task is inside another, which would keep its result and its lock until it ends itself.
        with transaction(commit_mode=CommitMode.EAGER):
            state: Any = job(quote(call), return_state=True)  # nothing in the call is for Prefect to resolve
    except Exception as error:  # of Prefect's own, whatever it is
        raise api_lost(error, call.folder) from error
    if state.is_crashed() and stopping.received() is None:
        raise api_lost(state.message or "the task crashed", call.folder)
    return cast("State[dict[str, Any]]", state)


def _failed(entry: StageRecord, timer: _Timer, error: Exception, attempt: int) -> StageRecord:
    known = error if isinstance(error, QuantflowError) else refused_by_machine(error)
    known = known or StageError(f"{type(error).__name__}: {said(error)}")
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
