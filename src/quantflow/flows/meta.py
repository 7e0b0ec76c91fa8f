"""The meta flow: sleeves in parallel, then one portfolio of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from prefect import flow, tags, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner

from quantflow.errors import QuantflowError, StageError, last_line, said
from quantflow.execution.processes import end_with_parent, interruptible
from quantflow.flows.entry import META, at_flow
from quantflow.flows.handshake import refuse_foreign_results
from quantflow.flows.runners import stop_workers, task_name
from quantflow.flows.scatter import said_of, scattered
from quantflow.flows.selection import flow_run_name, run_stages, selection_flow
from quantflow.flows.worker import tags_of, working_on
from quantflow.runs import stopping
from quantflow.runs.header import SleeveFailure
from quantflow.runs.kinds import Meta, Sleeve
from quantflow.runs.record import FAILED, INTERRUPTED, RunRecord, now
from quantflow.runs.run import Run
from quantflow.server.prefect_internals import limit_last_events

COMPLETED = "run.completed"
LEFT = "it did not complete"
LAST_EVENTS_SECONDS = 5.0


@flow(
    name="Meta Flow",
    flow_run_name=flow_run_name,
    task_runner=cast(TaskRunner[Any], ProcessPoolTaskRunner()),
    validate_parameters=False,
    persist_result=False,
)
def meta_flow(
    meta_profile: str,
    run_id: str | None = None,
    workspace: str | None = None,
    forced: Sequence[str] = (),
    run_sleeves: bool = True,
) -> str:
    """Run the sleeves of a meta run that are not complete, then the stages that make one portfolio of them.

    Called by itself (or served, or deployed), it creates the run if it is missing, and runs sleeves in processes
    unless it is given a ``RayTaskRunner`` by ``meta_flow.with_options``.

    Args:
        meta_profile: The meta profile's name; it must be that of the run, if the run exists.
        run_id: The run; None for a new one with a generated id.
        workspace: The folder of ``quantflow.toml``; None to look for it from here upwards.
        forced: Stages to run even if they are complete.
        run_sleeves: Whether the sleeves are still to be run; those of a nested meta profile have run by then.

    Returns:
        The run id.

    Raises:
        ConfigError: If the run exists and is of another meta profile.
        SleevesFailedError: If sleeves failed, after all have ended, unless the meta profile allows partial results.
        QuantflowError: What a stage raises.
    """
    stopping.reclaim()
    with at_flow(META, meta_profile, run_id, workspace) as record:
        sleeves = [leaf for leaf in record.leaves() if leaf.run.state != "completed"]
        failures = _scattered(record, sleeves) if run_sleeves else [leaf.failure(LEFT) for leaf in sleeves]
        failures = [failure for failure in failures if "/" not in failure.sleeve] + _nested(record)
        refuse_partial(record, failures)
        record.update(failed=[vars(failure) for failure in failures])
        run_stages(record, forced)
    return record.id


def _scattered(record: Run, sleeves: Sequence[Sleeve]) -> list[SleeveFailure]:
    try:
        failures = scatter(record, sleeves)
    finally:
        stop_workers()
    refuse_foreign_results(sleeves)
    return failures


def scatter(record: Run, sleeves: Sequence[Sleeve]) -> list[SleeveFailure]:
    """Run sleeves, as many at a time as there are workers; return those that failed."""
    began = now()

    def submit(leaf: Sleeve) -> PrefectFuture[Any]:
        return run_sleeve_task.with_options(task_run_name=task_name(record, leaf)).submit(leaf)

    futures = scattered(sleeves, submit, lambda leaf: _is_over(leaf, began))
    return [failure for leaf, future in futures if (failure := _failure(leaf, future))]


@task(name="sleeve", cache_policy=NO_CACHE, persist_result=False)
def run_sleeve_task(leaf: Sleeve) -> str:
    """Run one sleeve, in a worker: a whole selection flow, with a record of its own; return its run id."""
    if end_with_parent():
        limit_last_events(LAST_EVENTS_SECONDS)
    record = leaf.run
    try:
        with interruptible(), working_on(record), tags(f"sleeve:{leaf.name}", *tags_of(record)):
            selection_flow(leaf.link.profile, record.id, str(record.workspace))
    except QuantflowError:
        raise
    except BaseException as error:  # noqa: BLE001  # any other may not survive the way back, or end the pool there
        raise StageError(f"{type(error).__name__}: {said(error)}") from None
    return record.id


def _is_over(leaf: Sleeve, began: str) -> bool:
    """Whether a sleeve's record tells of an end since then."""
    events = RunRecord(leaf.workspace, leaf.link.run_id).events()
    return any(event["event"] in (COMPLETED, FAILED, INTERRUPTED) and event["at"] >= began for event in events)


def _failure(leaf: Sleeve, future: PrefectFuture[Any]) -> SleeveFailure | None:
    """Return why the sleeve has no result; what counts is its record, not what the worker said last."""
    if leaf.run.state == "completed":
        return None
    return leaf.failure(last_line(said_of(future)))


def _nested(record: Run) -> list[SleeveFailure]:
    """Finish the nested meta profiles, whose own sleeves have run by now."""
    failures: list[SleeveFailure] = []
    for sleeve in record.sleeves:
        inner = sleeve.run
        if not isinstance(inner, Meta) or inner.state == "completed":
            continue
        try:
            with working_on(inner), tags(f"sleeve:{sleeve.name}", *tags_of(inner)):
                meta_flow(inner.profile, inner.id, str(record.workspace), run_sleeves=False)
        except QuantflowError as error:
            failures.append(sleeve.failure(error.message))
    return failures


class SleevesFailedError(StageError):
    """Sleeves failed, and the meta profile does not allow to go on without them."""


def refuse_partial(record: Run, failures: Sequence[SleeveFailure]) -> None:
    """Refuse to make a portfolio of fewer sleeves than the meta profile allows.

    Raises:
        SleevesFailedError: Listing every failure.
    """
    if not failures:
        return
    settings = record.header.settings
    top = {failure.sleeve.partition("/")[0] for failure in failures}
    left = len(record.header.sleeves) - len(top)
    if settings["allow_partial"] and left >= settings["min_sleeves"]:
        return
    listed = "".join(f"\n  {f.sleeve}: {f.stage or 'worker'}: {f.message} (log: {f.log})" for f in failures)
    rule = f"; min_sleeves is {settings['min_sleeves']}" if settings["allow_partial"] else ""
    raise SleevesFailedError(
        f"{len(failures)} of {len(record.header.sleeves)} sleeves failed{rule}:{listed}",
        hint=f"Fix the cause, then: quantflow resume {record.id} (finished sleeves are kept).",
        failures=[vars(failure) for failure in failures],
    )
