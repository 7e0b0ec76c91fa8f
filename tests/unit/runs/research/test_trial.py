"""Trials on disk and as runs: what is due, what is counted, what may be asked of one, and what ``gc`` keeps."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantflow.config.load import load_profile
from quantflow.data.store import ArtifactRef
from quantflow.errors import (
    ConfigError,
    DataError,
    DataUnavailableError,
    InfeasibleError,
    InfrastructureError,
    QuantflowError,
    StageError,
)
from quantflow.ops.garbage import find_garbage, remove
from quantflow.review.facts import facts_of
from quantflow.runs.create import create_run
from quantflow.runs.find import find_portfolio, find_run
from quantflow.runs.kinds import Sweep, Trial, open_trial
from quantflow.runs.research.counted import settings_hash, streams_of, tried
from quantflow.runs.research.trial import SweepTrial, TrialResult
from recorded import AS_OF, created
from swept import done, fails, stream, sweep


@pytest.fixture
def swept(tmp_path: Path) -> Sweep:
    """A sweep of four trials: the first succeeded, the second failed, the third was lost, the fourth has not ended."""
    run = sweep(tmp_path)
    done(run, run.trials[0])
    fails(run.trials[1])
    fails(run.trials[2], InfrastructureError("its worker process died"))
    return run


texts = st.text(max_size=20)
refs = st.builds(ArtifactRef, texts, texts, texts, st.one_of(st.none(), st.integers(0, 10**9)), st.just({"a": "b"}))
results = st.builds(
    TrialResult,
    number=st.integers(1, 10_000),
    state=st.sampled_from(["completed", "failed", "lost"]),
    outputs=st.dictionaries(texts, refs, max_size=3),
    keys=st.dictionaries(texts, texts, max_size=3),
    computed=st.lists(texts, max_size=3).map(tuple),
    settings=texts,
    ratio=st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    seconds=st.floats(0, 1e6),
    error=st.one_of(st.none(), st.just({"type": "StageError", "message": "no", "hint": None, "exit_code": 21})),
)


@given(result=results)
def test_a_result_is_read_as_it_was_written(result: TrialResult, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Also the order of its stages, which sorted JSON objects lose."""
    trial = SweepTrial(result.number, {"policy.top_n": 1}, "s", "demo", {}, tmp_path_factory.mktemp("trial"))
    trial.write(result)
    assert trial.result == result
    assert list((trial.result or result).keys) == list(result.keys)


def test_a_file_per_trial_sorts_by_number(swept: Sweep) -> None:
    """As a listing of the folder does."""
    assert sorted(path.name for path in (swept.folder / "trials").iterdir()) == [
        "00001.json",
        "00002.json",
        "00003.json",
    ]


def test_what_has_not_ended_or_was_lost_is_due(swept: Sweep) -> None:
    """What failed would fail again: it is not."""
    assert [trial.number for trial in swept.due()] == [3, 4]
    assert [trial.result and trial.result.state for trial in swept.trials] == ["completed", "failed", "lost", None]
    assert swept.json()["trials"] == {"number": 4, "completed": 1, "failed": 1}
    swept.trials[0].forget()
    swept.trials[3].forget()
    assert [trial.number for trial in swept.due()] == [1, 3, 4]


@pytest.mark.parametrize(
    "error", [DataUnavailableError("503"), InfrastructureError("no disk")], ids=lambda error: type(error).__name__
)
def test_what_has_nothing_to_do_with_its_settings_is_lost(error: QuantflowError, swept: Sweep) -> None:
    """It may succeed the next time."""
    fails(swept.trials[3], error)
    assert (swept.trials[3].result or TrialResult(0, "")).state == "lost"
    assert swept.trials[3].is_due


@pytest.mark.parametrize(
    "error", [StageError("a"), DataError("b"), ConfigError("c"), InfeasibleError("d")], ids=lambda e: type(e).__name__
)
def test_what_its_settings_or_data_cause_has_failed(error: QuantflowError, swept: Sweep) -> None:
    """With what a person needs to know."""
    fails(swept.trials[3], error)
    result = swept.trials[3].result
    assert result is not None
    assert (result.state, swept.trials[3].is_due) == ("failed", False)
    assert (result.error or {})["message"] == error.message


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: b"null",
        lambda data: b"[1]",
        lambda data: b"\xff\xfe",
        lambda data: data.replace(b'"number": 1', b'"number": 2'),
        lambda data: data.replace(b'"state": "completed"', b'"state": "best"'),
        lambda data: json.dumps({**json.loads(data), "schema_version": 0}).encode(),
        lambda data: b"[" * 100_000,
    ],
)
def test_a_file_that_is_torn_or_was_changed_is_due_again(damage: Any, swept: Sweep) -> None:
    """It is not believed, and no error either."""
    file = swept.trials[0].file
    file.write_bytes(damage(file.read_bytes()))
    assert swept.trials[0].result is None
    assert swept.trials[0].is_due


def test_secrets_do_not_reach_the_record(swept: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error's message may hold an address with a password that this process knows."""
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "me:geheimnis")
    fails(swept.trials[3], StageError("cannot read s3://me:geheimnis@host/x"))
    assert b"geheim" not in swept.trials[3].file.read_bytes()
    assert swept.trials[3].result is not None


def test_its_settings_are_those_of_a_run_with_these_values(swept: Sweep) -> None:
    """As ``--set`` would have it: so that what one made the other finds in the cache."""
    lines = ["allocation.method=equal_weight", "policy.top_n=1"]
    wanted = load_profile("demo", workspace=swept.workspace, overrides=lines).settings()
    assert swept.trials[0].variant == {"allocation.method": "hrp", "policy.top_n": 1}
    assert swept.trials[2].settings == wanted


def test_a_trial_is_a_run(swept: Sweep) -> None:
    """Its weights, its artifacts, its settings and its stages, by ``find_run("s/1")``."""
    run = find_run(swept.workspace, "s/1")
    assert isinstance(run, Trial)
    assert (run.id, run.state, run.profile, run.as_of) == ("s/1", "completed", "demo", AS_OF)
    assert run.weights == {"KO": 1.0}
    assert run.load("oos_returns").equals(stream(1))
    assert run.settings["policy"]["top_n"] == 1
    assert "sweep" not in run.settings
    assert [stage.id for stage in run.pipeline()][-1] == "validation"
    assert [record.key for record in run.stages.values() if record] == ["ingestion-1", "validation-1"]
    assert run.again() is run
    assert facts_of(run)["kind"] == "selection"
    with pytest.raises(StageError, match="has no artifact 'scores'"):
        run.load("scores")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("s/0", "s has no trial '0'"),
        ("s/5", "s has no trial '5'"),
        ("s/-1", "s has no trial '-1'"),
        ("s/one", "s has no trial 'one'"),
        ("s/", "s has no trial ''"),
        ("s/1/2", "s has no trial '1/2'"),
        ("s/²", "s has no trial '²'"),
        ("s/2", r"Trial 2 of s has no result: No winners\."),
        ("s/3", "Trial 3 of s has no result: its worker process died"),
        ("s/4", "Trial 4 of s has no result: it has not ended"),
        ("plain/1", "Run plain is no sweep: it has no trials"),
        ("gone/1", "No run named 'gone'"),
    ],
)
def test_what_is_no_trial_is_refused_in_words(name: str, words: str, swept: Sweep) -> None:
    """The reason that its record has, or what there is."""
    created(swept.workspace, "plain")
    with pytest.raises(ConfigError, match=words) as raised:
        find_run(swept.workspace, name)
    assert raised.value.hint


def test_a_sweep_is_no_portfolio_and_a_trial_is(swept: Sweep) -> None:
    """Commands that need weights say so; the newest portfolio is never a sweep."""
    with pytest.raises(ConfigError, match="s is a sweep: it has many portfolios"):
        find_portfolio(swept.workspace, "s")
    assert find_portfolio(swept.workspace, "s/1").weights == {"KO": 1.0}
    with pytest.raises(ConfigError, match="There are no runs"):
        find_portfolio(swept.workspace, "latest")
    create_run(load_profile("demo", workspace=swept.workspace), swept.workspace, AS_OF, "before")
    sweep(swept.workspace, run_id="after")
    assert find_portfolio(swept.workspace, "latest").id == "before"


def test_frozen_settings_are_not_changed_by_resuming(swept: Sweep) -> None:
    """Where trials run may change, and nothing that they depend on."""
    changed = swept.with_settings(["execution.workers=3"], write=False)
    assert changed.header.settings["execution"]["workers"] == 3
    with pytest.raises(ConfigError, match="s is a sweep: the settings of its trials are frozen"):
        swept.with_settings(["policy.top_n=9"], write=False)


def test_gc_keeps_what_trials_refer_to_and_removes_a_sweep_whole(swept: Sweep) -> None:
    """Artifacts of trials stay while the sweep does, and go with its folder."""
    result = swept.trials[0].result
    assert result is not None
    files = [Path(swept.store.path(ref)) for ref in result.outputs.values()]
    stray = Path(swept.store.path(swept.store.put("metrics", {"nobody": "has it"})))
    remove(swept.workspace, find_garbage(swept.workspace, keep=1, older_than=None))
    assert all(file.exists() for file in files)
    assert not stray.exists()
    assert find_run(swept.workspace, "s/1").weights == {"KO": 1.0}
    remove(swept.workspace, find_garbage(swept.workspace, keep=0, older_than=None))
    assert not swept.folder.exists()
    assert not any(file.exists() for file in files)


def test_trials_count_as_tried_whether_the_sweep_is_complete_or_not(swept: Sweep) -> None:
    """Each settings once, over sweeps and runs; what failed was no trial, and none counts against itself."""
    profile = load_profile("demo", workspace=swept.workspace)
    found = tried(profile.settings(), AS_OF, swept.workspace)
    assert [trial.run_id for trial in found] == ["s/1"]
    result = swept.trials[0].result
    assert result is not None
    assert (found[0].settings, found[0].ratio) == (result.settings, result.ratio)
    again = sweep(swept.workspace, run_id="t")
    done(again, again.trials[0], stream(9))
    done(again, again.trials[3], stream(8))
    assert len(tried(profile.settings(), AS_OF, swept.workspace)) == 2
    assert len(tried(swept.trials[0].settings, AS_OF, swept.workspace)) == 1


def test_what_a_sweep_has_tried_is_in_the_next_run_s_header(swept: Sweep) -> None:
    """And its stream is read by which its clusters are told."""
    run = create_run(load_profile("demo", workspace=swept.workspace), swept.workspace, AS_OF, "r")
    assert [trial.run_id for trial in run.header.trials] == ["s/1"]
    (read,) = streams_of(swept.workspace, run.header.trials)
    assert read is not None
    assert read.equals(stream(1)["net"])
    swept.trials[0].forget()
    assert streams_of(swept.workspace, run.header.trials) == [None]


def test_trials_on_other_data_do_not_count(tmp_path: Path) -> None:
    """A sweep over the begin of the history counts by those trials whose span overlaps."""
    run = sweep(tmp_path, {"data.start": ["2015-01-02", "2020-01-02"]})
    for number, trial in enumerate(run.trials):
        done(run, trial, stream(number))
    settings = load_profile("demo", workspace=tmp_path).settings()
    assert len(tried(settings, AS_OF, tmp_path)) == 2
    early = {**settings, "data": {**settings["data"], "start": "2010-01-04"}}
    assert len(tried(early, AS_OF.replace(year=2018), tmp_path)) == 1


def test_the_hash_of_a_trial_is_that_of_a_run(swept: Sweep) -> None:
    """A trial and a run with the same settings are one and the same thing that was tried."""
    profile = load_profile("demo", workspace=swept.workspace, overrides=["policy.top_n=1", "allocation.method=hrp"])
    result = swept.trials[0].result
    assert result is not None
    assert settings_hash({**profile.settings(), "as_of": "2022-12-28"}) == result.settings
    assert open_trial(swept, "1").config_hash == open_trial(swept, "01").config_hash


def test_a_process_that_has_loaded_no_profile_finds_the_workspace_s_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of a resumed sweep: a stage that lies beside ``quantflow.toml`` is imported from there."""
    (tmp_path / "plug_of_trials.py").write_text(
        "from quantflow.stages.synthesis import SynthesisStage\n\nclass Feed(SynthesisStage):\n    pass\n"
    )
    (tmp_path / "quantflow.toml").write_text('[profiles.demo]\nstages = ["plug_of_trials:Feed"]\n')
    trial = sweep(tmp_path).trials[0]
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(tmp_path)])
    monkeypatch.delitem(sys.modules, "plug_of_trials")
    assert trial.settings["pipeline"]["stages"] == ["plug_of_trials:Feed"]
