"""Parts of the sweep flow: what is handed out, what is refused, and what is said of trials that were lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from quantflow.errors import ConfigError, InfrastructureError, StageError
from quantflow.flows import sweep as ours
from quantflow.flows.entry import SWEEP, refuse_contradictions
from quantflow.runs.kinds import Sweep
from quantflow.runs.research.trial import SweepTrial
from recorded import created
from swept import done, fails, sweep


@pytest.fixture
def run(tmp_path: Path) -> Sweep:
    """A sweep of four trials, none of which was played."""
    return sweep(tmp_path)


def playing(mocker: MockerFixture, plays: Callable[[SweepTrial], None], said: str = "its worker process died") -> Any:
    """Let trials be played by a function, in this process."""

    def scattered(trials: Sequence[SweepTrial], submit: Any, is_over: Any, in_flight: int) -> Any:
        for trial in trials:
            trial.forget()
            plays(trial)
        return [(trial, None) for trial in trials]

    mocker.patch.object(ours, "said_of", return_value=said)
    return mocker.patch.object(ours, "scattered", side_effect=scattered)


def test_those_that_are_due_are_played_and_no_others(run: Sweep, mocker: MockerFixture) -> None:
    """What ended stays; what was lost is played again."""
    done(run, run.trials[0])
    fails(run.trials[1])
    fails(run.trials[2], InfrastructureError("gone"))
    played = playing(mocker, lambda trial: done(run, trial) and None)
    ours._play(run, run.due())
    assert [trial.number for trial in played.call_args.args[0]] == [3, 4]
    assert [trial.result and trial.result.state for trial in run.trials] == [
        "completed",
        "failed",
        "completed",
        "completed",
    ]
    ours.refuse_lost(run)


def test_one_that_left_no_record_was_lost(run: Sweep, mocker: MockerFixture) -> None:
    """With what is known of its worker; the sweep names the first, the reason, and the command that goes on."""
    playing(mocker, lambda trial: done(run, trial) and None if trial.number != 3 else None)
    ours._play(run, run.due())
    result = run.trials[2].result
    assert result is not None
    assert (result.state, (result.error or {})["message"]) == ("lost", "its worker process died")
    with pytest.raises(
        InfrastructureError, match=r"1 of 4 trials were lost, the first of them \(3\): its wor"
    ) as raised:
        ours.refuse_lost(run)
    assert "quantflow resume s" in str(raised.value.hint)


def test_a_trial_of_another_version_is_refused_and_played_again(run: Sweep, mocker: MockerFixture) -> None:
    """A worker of a cluster may have another quantflow; what it made is not kept, all others are."""

    def plays(trial: SweepTrial) -> None:
        result = done(run, trial)
        if trial.number in (2, 4):
            trial.write(replace(result, made_by="0.0.1+abc"))

    playing(mocker, plays)
    with pytest.raises(InfrastructureError, match=r"Trial 2 was played by quantflow 0\.0\.1\+abc, which is not"):
        ours._play(run, run.due())
    assert [trial.number for trial in run.due()] == [2, 4]


def test_trials_of_an_earlier_version_stay(run: Sweep, mocker: MockerFixture) -> None:
    """A sweep that is continued after an upgrade keeps what it has: keys hold the code."""
    first = run.trials[0]
    first.write(replace(done(run, first), made_by="0.0.1+abc"))
    playing(mocker, lambda trial: done(run, trial) and None)
    ours._play(run, run.due())
    assert run.due() == []


def test_in_flight_are_enough_for_all_workers(tmp_path: Path, mocker: MockerFixture) -> None:
    """And no more than that: thousands of task runs at once would choke the server."""
    run = sweep(tmp_path, {"policy.top_n": list(range(1, 6))}, "execution.workers=200")
    played = playing(mocker, lambda trial: done(run, trial) and None)
    ours._play(run, run.due())
    assert played.call_args.args[3] == 400


def test_none_succeeded_is_an_error_with_the_reason_that_most_have(run: Sweep) -> None:
    """There is nothing to compare."""
    for trial, message in zip(run.trials, ("one", "two", "two", "three"), strict=True):
        fails(trial, StageError(message))
    ours.refuse_lost(run)
    with pytest.raises(StageError, match="None of 4 trials succeeded; 2 of them: two") as raised:
        ours.refuse_nothing_done(run)
    assert "quantflow select --profile demo" in str(raised.value.hint)
    done(run, run.trials[0])
    ours.refuse_nothing_done(run)


def test_arguments_that_contradict_the_run_are_refused(tmp_path: Path) -> None:
    """A flow may name the sweep or its profile; another kind or profile is another run's."""
    (tmp_path / "quantflow.toml").write_text("[profiles.demo]\n")
    run = sweep(tmp_path)
    refuse_contradictions(run, SWEEP, "demo")
    with pytest.raises(ConfigError, match="of profile 'demo', not of 'other'"):
        refuse_contradictions(run, SWEEP, "other")
    with pytest.raises(ConfigError, match="is a selection run, not a sweep run"):
        refuse_contradictions(created(tmp_path, "plain"), SWEEP, "demo")
