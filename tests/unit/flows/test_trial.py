"""A trial in this process: what a run by itself gives, what is computed once, and what becomes of one that fails."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from processes import SMALL
from quantflow.data.artifacts import encode
from quantflow.errors import DataUnavailableError, InfrastructureError, IntegrityError, QuantflowError, StageError
from quantflow.flows import trial as ours
from quantflow.flows.trial import played, run_trial_task
from quantflow.runs.kinds import Sweep, open_trial
from quantflow.runs.research.trial import PROVEN, SweepTrial
from quantflow.sdk import QuantSDK
from quantflow.stages.policy import PolicyStage
from recorded import AS_OF
from swept import sweep

OVER = {"policy.top_n": [1, 2], "allocation.method": ["equal_weight", "inverse_volatility"]}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """A sweep of four small trials, all of which were played in this process."""
    run = sweep(tmp_path_factory.mktemp("trials"), OVER, *SMALL)
    for trial in run.trials:
        trial.write(played(run, trial))
    return run


@pytest.fixture
def fresh(tmp_path: Path) -> Sweep:
    """A sweep of four small trials, none of which was played."""
    return sweep(tmp_path, OVER, *SMALL)


def lines(trial: SweepTrial) -> list[str]:
    """A trial's values as ``--set`` writes them."""
    return [f"{name}={value}" for name, value in trial.variant.items()]


@pytest.mark.parametrize("number", [1, 4])
def test_a_trial_is_to_the_byte_what_a_run_is(number: int, swept: Sweep, tmp_path: Path) -> None:
    """In a workspace of its own, with the same settings, without sharing anything."""
    trial = swept.trials[number - 1]
    context = QuantSDK.context("demo", as_of=AS_OF, workspace=tmp_path, overrides=[*SMALL, *lines(trial)])
    stages = ["ingestion", "features", "inference", "clustering", "policy", "synthesis", "allocation", "validation"]
    alone = QuantSDK.run_pipeline(context, stages)
    found = open_trial(swept, str(number))
    assert {name: ref.sha256 for name, ref in found.outputs.items()} == {
        name: alone.artifacts[name].sha256 for name in found.outputs
    }
    assert set(PROVEN) <= set(found.outputs)
    assert encode(found.load("oos_returns"))[0] == encode(alone.load("oos_returns"))[0]


def test_nothing_is_computed_twice(swept: Sweep) -> None:
    """By the trials' own records: each key by one trial, and what no setting changes by the first alone."""
    results = [trial.result for trial in swept.trials]
    made = [result.keys[stage] for result in results if result for stage in result.computed]
    assert len(made) == len(set(made))
    first, *others = [result.computed for result in results if result]
    assert set(first) >= {"ingestion", "features", "inference", "clustering", "policy"}
    assert all(not {"ingestion", "features", "inference", "clustering"} & set(computed) for computed in others)
    assert sum("policy" in computed for computed in [first, *others]) == 2


def test_a_trial_that_was_played_is_reused_whole(swept: Sweep) -> None:
    """By another sweep of the same workspace: only what is fetched is fetched for each run."""
    other = sweep(swept.workspace, OVER, *SMALL, run_id="again")
    result = played(other, other.trials[2])
    assert set(result.computed) <= {"ingestion", "synthesis"}
    before = swept.trials[2].result
    assert before is not None
    assert {name: ref.sha256 for name, ref in result.outputs.items()} == {
        name: ref.sha256 for name, ref in before.outputs.items()
    }
    assert (result.settings, result.ratio) == (before.settings, before.ratio)


def raising(monkeypatch: pytest.MonkeyPatch, error: Exception, top_n: int = 1) -> None:
    """Let the policy fail for one value."""
    run = PolicyStage.run

    def fails(self: PolicyStage, inputs: Any, config: Any) -> Any:
        if config.policy.top_n == top_n:
            raise error
        return run(self, inputs, config)

    monkeypatch.setattr(PolicyStage, "run", fails)


def test_a_stage_that_raises_costs_its_trial_alone(fresh: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it raised is recorded; the others go on, and it is not due again."""
    raising(monkeypatch, StageError("No winners.", hint="Lower it."))
    first, second, *_ = fresh.trials
    with pytest.raises(StageError, match=r"No winners\."):
        run_trial_task.fn(first)
    run_trial_task.fn(second)
    failed, done = first.result, second.result
    assert failed is not None
    assert done is not None
    assert (failed.state, failed.error) == (
        "failed",
        {"type": "StageError", "message": "No winners.", "hint": "Lower it.", "exit_code": 20},
    )
    assert (done.state, done.seconds > 0, failed.seconds > 0) == ("completed", True, True)
    assert [trial.number for trial in fresh.due()] == [3, 4]


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (ZeroDivisionError("division by zero"), "failed", "ZeroDivisionError: division by zero"),
        (InfrastructureError("no disk"), "lost", "no disk"),
        (IntegrityError("Artifact 'prices' is damaged"), "lost", "is damaged"),
        (DataUnavailableError("HTTP 503"), "lost", "HTTP 503"),
        (ConnectionResetError("by peer"), "lost", "ConnectionResetError: by peer"),
        (TimeoutError("slow"), "lost", "TimeoutError: slow"),
        (OSError(errno.ENOSPC, "No space left on device"), "lost", "No space left on device"),
        (MemoryError(), "lost", "memory"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_became_of_it_depends_on_whose_fault_it_was(
    error: Exception, state: str, words: str, fresh: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage's own is final; the machine's, or the network's, may be over the next time."""

    def fails(run: object, trial: object) -> None:
        raise error

    monkeypatch.setattr(ours, "played", fails)
    trial = fresh.trials[0]
    with pytest.raises(QuantflowError):
        run_trial_task.fn(trial)
    result = trial.result
    assert result is not None
    assert result.state == state
    assert words in str((result.error or {})["message"])
    assert trial.is_due == (state == "lost")


def test_a_combination_that_is_not_valid_is_a_trial_that_failed(tmp_path: Path) -> None:
    """Without a stage having run."""
    over = {"features.momentum_skip": [21, 200], "features.momentum_long": [126, 252]}
    run = sweep(tmp_path, over, *SMALL)
    (wrong,) = [trial for trial in run.trials if set(trial.variant.values()) == {200, 126}]
    with pytest.raises(QuantflowError):
        run_trial_task.fn(wrong)
    result = wrong.result
    assert result is not None
    assert result.state == "failed"
    assert "momentum_skip (200) must be below momentum_long (126)" in str(result.error)
    assert not wrong.is_due


def test_another_attempt_that_is_left_is_taken(fresh: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a later try may fix is not recorded before the last one."""

    def fails(run: object, trial: object) -> None:
        raise DataUnavailableError("HTTP 503")

    monkeypatch.setattr(ours, "played", fails)
    monkeypatch.setattr(ours, "_attempts_left", lambda: True)
    with pytest.raises(DataUnavailableError):
        run_trial_task.fn(fresh.trials[0])
    assert fresh.trials[0].result is None


def test_a_sweep_that_is_to_compute_again_shares_among_its_own_trials(swept: Sweep) -> None:
    """``--force``: nothing of other runs is taken, and still nothing is computed twice; the bytes are the same."""
    again = sweep(swept.workspace, OVER, *SMALL, run_id="forced", fresh=True)
    results = []
    for trial in again.trials[:2]:
        results.append(played(again, trial))
        trial.write(results[-1])
    made = [result.keys[stage] for result in results for stage in result.computed]
    assert len(made) == len(set(made))
    assert {"features", "inference", "clustering", "validation"} <= set(results[0].computed)
    assert not {"features", "inference", "clustering"} & set(results[1].computed)
    before = open_trial(swept, "2").outputs
    assert {name: ref.sha256 for name, ref in results[1].outputs.items()} == {n: r.sha256 for n, r in before.items()}
