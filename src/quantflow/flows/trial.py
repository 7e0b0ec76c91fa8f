"""One trial of a sweep, in a worker: its stages one after the other in this process, as one task of Prefect's."""

from __future__ import annotations

import time
from dataclasses import replace

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.context import TaskRunContext
from prefect.tasks import exponential_backoff

from quantflow.data.cache import StageCache, refs
from quantflow.errors import DataUnavailableError, QuantflowError, StageError, refused_by_machine, said
from quantflow.execution.processes import end_with_parent, interruptible
from quantflow.flows.adapter import BACKOFF_SECONDS, JITTER, RETRIES, may_succeed_later
from quantflow.flows.worker import logged
from quantflow.pipeline.arrange import pipeline_of, up_to
from quantflow.pipeline.code_version import package_version
from quantflow.pipeline.keys import fingerprint
from quantflow.pipeline.play import in_the_background
from quantflow.pipeline.sharing import Shelf, one_at_a_time, sharing
from quantflow.pipeline.stage import PROFILE, Kind, SelectionContext, Stage
from quantflow.review.facts import facts_of
from quantflow.runs.kinds import open_run
from quantflow.runs.recall import recall
from quantflow.runs.record import now
from quantflow.runs.research.counted import ratio_of, settings_hash
from quantflow.runs.research.trial import PROVEN, SweepTrial, TrialResult, failed, this_process
from quantflow.runs.run import Run
from quantflow.server.prefect_internals import flush, limit_last_events

LAST_EVENTS_SECONDS = 5.0


@task(
    name="trial",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=RETRIES,
    retry_delay_seconds=exponential_backoff(BACKOFF_SECONDS),
    retry_jitter_factor=JITTER,
    retry_condition_fn=may_succeed_later,
)
def run_trial_task(trial: SweepTrial) -> None:
    """Play a trial and record what became of it; one that may go better the next time is tried again."""
    if end_with_parent():
        limit_last_events(LAST_EVENTS_SECONDS)
    run = open_run(trial.workspace, trial.run_id)
    recall(run)
    began = time.monotonic()
    with logged(run):
        try:
            with interruptible():
                trial.write(replace(played(run, trial), seconds=_since(began)))
        except KeyboardInterrupt:  # must not go back: it would end the pool there; the trial stays due
            raise StageError("The trial was interrupted.") from None
        except Exception as error:  # noqa: BLE001  # whatever a stage raises: it must not cost the other trials
            known = _known(error)
            if not (known.retryable and _attempts_left()):
                trial.write(failed(trial, known, _since(began)))
            raise known from None
        finally:
            flush()


def played(run: Run, trial: SweepTrial) -> TrialResult:
    """Play the stages of a trial up to its walk-forward; what has been computed anywhere, for anything, is reused.

    Args:
        run: The sweep's run.
        trial: The trial.

    Raises:
        QuantflowError: What a stage raises.
    """
    settings = {**trial.settings, "as_of": run.as_of.isoformat(), PROFILE: run.profile}
    context = SelectionContext(run.id, run.profile, run.as_of, settings, run.layout.store)
    keys: dict[str, str] = {}
    computed: list[str] = []
    with in_the_background():
        for stage in up_to(pipeline_of(settings), PROVEN):
            if "run" in stage.needs:
                context = replace(context, facts=facts_of(run))
            context, keys[stage.id], made = _advanced(stage, context, run)
            computed += [stage.id] if made else []
    hashed, ratio = settings_hash(settings), ratio_of(context.load("metrics"))
    done = TrialResult(trial.number, "completed", context.artifacts, keys, tuple(computed), hashed, ratio)
    return replace(done, ended=now(), made_by=package_version(), worker=this_process())


def _advanced(stage: Stage, context: SelectionContext, run: Run) -> tuple[SelectionContext, str, bool]:
    """Return the context with what a stage makes, its key, and whether it was computed here.

    The keys, the cache and the locks are those of every run's stages: whichever comes first computes. In a sweep that
    is to compute again, its own trials alone share.
    """
    layout, settings = run.layout, context.settings
    own = f"{run.id}." if run.header.fresh and stage.kind is Kind.COMPUTE else ""
    key = own + fingerprint(stage, run.scope, settings, context.artifacts).key
    if stage.kind is Kind.CONTROL:
        return stage.execute(context), key, True
    cache = StageCache(layout.cache, context.store())
    with one_at_a_time(layout.locks, key):
        if found := cache.lookup(key):
            return replace(context, artifacts={**context.artifacts, **refs(found)}), key, False
        given = {name: ref.sha256 for name, ref in context.artifacts.items()}
        with sharing(Shelf(cache, layout.locks, given, own)):
            after = stage.execute(context)
        outputs = {name: after.artifacts[name].json() for name in stage.makes}
        cache.write(key, {"outputs": outputs, "summary": dict(vars(after.summaries[stage.id]))})
    return after, key, True


def _known(error: Exception) -> QuantflowError:
    if known := error if isinstance(error, QuantflowError) else refused_by_machine(error):
        return known
    what = f"{type(error).__name__}: {said(error)}"
    broken = isinstance(error, ConnectionError | TimeoutError)
    return DataUnavailableError(what) if broken else StageError(what)


def _attempts_left() -> bool:
    context = TaskRunContext.get()
    return context is not None and context.task_run.run_count <= RETRIES


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)
