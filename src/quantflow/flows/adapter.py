"""The stage adapter: one stage becomes one Prefect task, and its kind alone decides how it is retried and cached."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger
from prefect.tasks import exponential_backoff
from prefect.transactions import IsolationLevel

from quantflow.config.credentials import scrubbed
from quantflow.data.store import is_local
from quantflow.errors import DataUnavailableError, QuantflowError, StageError, said
from quantflow.flows.cache import CacheStorage, KernelLocks
from quantflow.pipeline.stage import Kind, SelectionContext, Stage, Step, Summary, note_sink, step_runner
from quantflow.runs.layout import Layout
from quantflow.runs.record import RunRecord
from quantflow.sdk import QuantSDK
from quantflow.server.prefect_internals import use_result_storage

RETRIES = 3
BACKOFF_SECONDS = 2
JITTER = 0.5
LONGEST_WAIT_SECONDS = 120.0
"""A provider that asks for more is tried again earlier, and most likely refuses again."""

NOTE_SECONDS = 1.0
"""A stage's note is written to disk no more often than this."""


@dataclass(frozen=True)
class StageCall:
    """The argument of a stage's task: small, and everything that its result depends on is in ``key``.

    Attributes:
        stage: The stage.
        key: Its cache key.
        context: Refs and settings.
        folder: The workspace of the run record.
    """

    stage: Stage
    key: str
    context: SelectionContext
    folder: Path


def stage_task(stage: Stage, layout: Layout, *, refresh: bool = False) -> Task[..., dict[str, Any]]:
    """Return the Prefect task of *stage*, which takes its ``StageCall``.

    Args:
        stage: The stage.
        layout: Where cached results and artifacts lie.
        refresh: Whether a cached result is made again.
    """
    options = task_options(stage.kind, layout)
    return task(name=stage.id, task_run_name=stage.id, refresh_cache=refresh, **options)(_run)


def task_options(kind: Kind, layout: Layout) -> dict[str, Any]:
    """Return the task options of a kind of stage.

    Network stages are tried again, up to three times with exponential backoff and jitter, when the error says
    that it can help; compute stages never are, since the same inputs give the same error. Both are cached under
    the call's key, which is scoped to the run for network stages. Control stages always run.
    """
    retry = {
        "retries": RETRIES,
        "retry_delay_seconds": exponential_backoff(BACKOFF_SECONDS),
        "retry_jitter_factor": JITTER,
        "retry_condition_fn": may_succeed_later,
    }
    cached = {"cache_policy": _policy(layout), "persist_result": True, "result_serializer": "json"}
    match kind:
        case Kind.NETWORK:
            return retry | cached
        case Kind.COMPUTE:
            return {"retries": 0} | cached
        case Kind.CONTROL:
            return {"retries": 0, "cache_policy": NO_CACHE, "persist_result": False}


def use_cache(layout: Layout) -> None:
    """Make the workspace's cache the result storage of the flow run that this is called in."""
    use_result_storage(CacheStorage(cache_uri=layout.cache, store_uri=layout.store))


def may_succeed_later(task: Any, task_run: Any, state: Any) -> bool:
    """Whether a failed attempt may go better the next time: the error says so, or the connection broke."""
    error = state.result(raise_on_failure=False)
    if isinstance(error, QuantflowError):
        return error.retryable
    return isinstance(error, (ConnectionError, TimeoutError))


def _policy(layout: Layout) -> CachePolicy:
    policy = CachePolicy.from_cache_key_fn(lambda context, parameters: parameters["call"].key)
    if not is_local(layout.cache):
        return policy  # no kernel lock reaches another machine; a race computes the same bytes twice
    return policy.configure(isolation_level=IsolationLevel.SERIALIZABLE, lock_manager=KernelLocks(layout.locks))


def _run(call: StageCall) -> dict[str, Any]:
    """Run one stage and return its refs and summary; in the run record, note each attempt."""
    run = TaskRunContext.get()
    attempt = run.task_run.run_count if run else 1
    record = RunRecord(call.folder, call.context.run_id)
    record.event("stage.attempt", stage=call.stage.id, attempt=attempt)
    steps, notes = step_runner.set(_as_task), note_sink.set(_throttled(record, call.stage.id))
    try:
        after = QuantSDK.run_stage(call.stage, call.context)
    except DataUnavailableError as error:
        time.sleep(min(error.retry_after or 0.0, LONGEST_WAIT_SECONDS))  # then Prefect's own delay follows
        raise
    except Exception as error:  # a provider of another package may raise anything, and print the address it asked
        if scrubbed(said(error)) != said(error):
            raise _without_credentials(error) from None
        raise
    finally:
        step_runner.reset(steps)
        note_sink.reset(notes)
    if run:
        get_run_logger(run).info("%s", in_words(after.summaries[call.stage.id]))
    outputs = {name: after.artifacts[name].json() for name in call.stage.makes}
    return {"outputs": outputs, "summary": dict(vars(after.summaries[call.stage.id]))}


def in_words(summary: Summary) -> str:
    """Return what a stage found, in one line: symbols in and out, and its note."""
    parts = [f"{summary.entered} symbols in" if summary.entered is not None else ""]
    parts += [f"{summary.left} out" if summary.left is not None else "", summary.note]
    return ", ".join(part for part in parts if part) + (" (degraded)" if summary.degraded else "")


def _without_credentials(error: Exception) -> QuantflowError:
    heals = isinstance(error, (ConnectionError, TimeoutError)) or getattr(error, "retryable", False)
    kind = DataUnavailableError if heals else StageError
    return kind(
        scrubbed(f"{type(error).__name__}: {said(error)}"), hint=scrubbed(getattr(error, "hint", None) or "") or None
    )


def _throttled(record: RunRecord, stage_id: str) -> Callable[[str], None]:
    """Return what puts a stage's notes into the record, at most one a second."""
    due = time.monotonic() + NOTE_SECONDS

    def put(text: str) -> None:
        nonlocal due
        if time.monotonic() >= due:
            record.note(stage_id, text)
            due = time.monotonic() + NOTE_SECONDS

    return put


def _as_task(name: str, fn: Step, args: tuple[Any, ...]) -> Any:
    """Run a part of a stage as a task run of its own, so that it is seen; its stage caches and retries for it."""
    return task(name=name, task_run_name=name, cache_policy=NO_CACHE, persist_result=False)(_call)(fn, args)


def _call(fn: Step, args: tuple[Any, ...]) -> Any:
    return fn(*args)


def attempts(events: Sequence[Mapping[str, Any]], stage_id: str) -> int:
    """Return the last attempt's number that the events tell of for a stage, since it was last started."""
    number = 1
    for event in events:
        if event.get("stage") == stage_id:
            if event.get("event") == "stage.running":
                number = 1
            elif event.get("event") == "stage.attempt":
                number = int(event["attempt"])
    return number
