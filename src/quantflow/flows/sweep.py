"""The sweep flow: the trials of a sweep in parallel, then their comparison."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, cast

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner

from quantflow.errors import InfrastructureError, StageError, last_line
from quantflow.flows.entry import SWEEP, at_flow
from quantflow.flows.handshake import HINT
from quantflow.flows.runners import stop_workers, task_name
from quantflow.flows.scatter import said_of, scattered
from quantflow.flows.selection import flow_run_name, run_stages
from quantflow.flows.trial import run_trial_task
from quantflow.pipeline.code_version import package_version
from quantflow.runs import stopping
from quantflow.runs.kinds import Sweep
from quantflow.runs.research.trial import SweepTrial, failed

IN_FLIGHT = 64
"""Trials that wait for a worker or are at work, at least; more where there are more workers."""


@flow(
    name="Sweep Flow",
    flow_run_name=flow_run_name,
    task_runner=cast(TaskRunner[Any], ProcessPoolTaskRunner()),
    validate_parameters=False,
    persist_result=False,
)
def sweep_flow(
    profile: str, run_id: str | None = None, workspace: str | None = None, forced: Sequence[str] = ()
) -> str:
    """Play the trials of a sweep that have not ended, then the stages that compare all of them.

    Called by itself (or served, or deployed), it creates the run of the sweep ``[sweep.NAME]`` if it is missing, and
    plays trials in processes unless it is given a ``RayTaskRunner`` by ``sweep_flow.with_options``.

    Args:
        profile: The profile, for a run that exists; the name of a sweep of the workspace's file, for a new one.
        run_id: The run; None for a new one with a generated id.
        workspace: The folder of ``quantflow.toml``; None to look for it from here upwards.
        forced: Stages to run even if they are complete.

    Returns:
        The run id.

    Raises:
        ConfigError: If the run exists and is of another profile.
        StageError: If no trial succeeded.
        QuantflowError: What a stage raises.
    """
    stopping.reclaim()
    with at_flow(SWEEP, profile, run_id, workspace) as record:
        assert isinstance(record, Sweep)
        try:
            _play(record, record.due())
        finally:
            stop_workers()
        refuse_lost(record)
        refuse_nothing_done(record)
        run_stages(record, forced)
    return record.id


def _play(record: Sweep, trials: Sequence[SweepTrial]) -> None:
    def submit(trial: SweepTrial) -> PrefectFuture[Any]:
        trial.forget()
        return run_trial_task.with_options(task_run_name=task_name(record, trial)).submit(trial)

    def is_over(trial: SweepTrial) -> bool:
        return trial.result is not None

    workers = record.header.settings["execution"]["workers"] or os.cpu_count() or 1
    for trial, future in scattered(trials, submit, is_over, max(IN_FLIGHT, 2 * workers)):
        if trial.result is None:
            trial.write(failed(trial, InfrastructureError(last_line(said_of(future))), 0.0))
    refuse_foreign(trials)


def refuse_foreign(trials: Sequence[SweepTrial]) -> None:
    """Refuse trials that were just played by another quantflow than this process's, and forget what became of them.

    Raises:
        InfrastructureError: Naming the first, and both versions.
    """
    results = [(trial, trial.result) for trial in trials]
    foreign = [(trial, found.made_by) for trial, found in results if found and found.made_by != package_version()]
    for trial, _ in foreign:
        trial.forget()
    if foreign:
        (first, version), *_ = foreign
        raise InfrastructureError(
            f"Trial {first.number} was played by quantflow {version}, which is not this process's {package_version()}.",
            hint=HINT,
        )


def refuse_lost(record: Sweep) -> None:
    """Refuse to compare trials while some are missing that may well succeed.

    Raises:
        InfrastructureError: With the reason of the first.
    """
    if lost := record.due():
        first = lost[0].result
        why = (first.error or {}).get("message", "") if first else "it did not end"
        raise InfrastructureError(
            f"{len(lost)} of {len(record.trials)} trials were lost, the first of them ({lost[0].number}): {why}",
            hint=f"Fix the cause, then: quantflow resume {record.id} (all others are kept).",
        )


def refuse_nothing_done(record: Sweep) -> None:
    """Refuse to compare trials of which none succeeded.

    Raises:
        StageError: With the reason that most of them have.
    """
    results = [result for trial in record.trials if (result := trial.result) is not None]
    if any(result.state == "completed" for result in results):
        return
    reasons = [str((result.error or {}).get("message", "")) for result in results]
    most = max(reasons, key=reasons.count)
    raise StageError(
        f"None of {len(results)} trials succeeded; {reasons.count(most)} of them: {most}",
        hint=f"Try one variant by itself: quantflow select --profile {record.profile}",
    )
