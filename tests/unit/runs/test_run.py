"""A run as one object: what its folder says, and what a selection and a meta run do differently."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from quantflow.config.load import load_meta, load_profile
from quantflow.config.source import FLAG
from quantflow.errors import ConfigError, IntegrityError, StageError
from quantflow.pipeline.names import META, SELECTION
from quantflow.pipeline.registry import StageRegistry
from quantflow.pipeline.stage import check_wiring
from quantflow.runs.create import create_run
from quantflow.runs.find import find_run, list_runs
from quantflow.runs.kinds import Meta, Selection, Unreadable, open_run
from quantflow.runs.lock import owned
from quantflow.runs.record import RunRecord, StageRecord
from quantflow.runs.run import Run
from recorded import AS_OF, Name, created, recorded, recorded_meta

TWO = {"one": {"KO": Name([1.0])}, "two": {"KR": Name([2.0])}}
NESTED = """
[meta.inner]
sleeves = [{ profile = "demo", id = "a" }, { profile = "demo", id = "b" }]
[meta.outer]
sleeves = [{ meta = "inner", id = "in" }, { profile = "demo", id = "c" }]
"""


@pytest.fixture
def meta(tmp_path: Path) -> Run:
    """A meta run that has just been created."""
    loaded = load_meta("demo_meta", workspace=tmp_path, overrides=['meta.execution.ray_address="head:6379"'])
    return create_run(loaded, tmp_path, date(2022, 12, 28), "m")


@pytest.fixture
def nested(tmp_path: Path) -> Run:
    """A meta run with a meta profile among its sleeves, none of which has run."""
    (tmp_path / "quantflow.toml").write_text(NESTED)
    return create_run(load_meta("outer", workspace=tmp_path), tmp_path, AS_OF, "out")


def test_the_header_says_which_kind_it_is(tmp_path: Path) -> None:
    """A run of a profile is a ``Selection``, of a meta profile a ``Meta``; where nothing can be read, neither."""
    assert isinstance(created(tmp_path, "one"), Selection)
    assert isinstance(created(tmp_path, "two", kind="meta"), Meta)
    assert isinstance(open_run(tmp_path, "none"), Unreadable)


def test_what_is_read_is_one_picture(tmp_path: Path) -> None:
    """A run does not change while it is looked at; ``again`` gives what others have written since."""
    run = created(tmp_path)
    assert run.state == "interrupted"
    RunRecord(tmp_path, "one").write_stage(StageRecord("ingestion", "done"))
    assert (run.state, run.done) == ("interrupted", ())
    assert (run.again().state, run.again().done) == ("completed", ("ingestion",))


def test_what_it_writes_itself_is_seen_at_once(tmp_path: Path) -> None:
    """Stages, header and events that this object writes are in its next answer."""
    run = created(tmp_path)
    assert run.state == "interrupted"
    run.write_stage(StageRecord("ingestion", "failed", error={"message": "no"}))
    assert run.state == "failed"
    run.update(scope="portfolio")
    assert run.scope == "portfolio"
    run.write_stage(StageRecord("ingestion", "done"))
    assert run.state == "completed"


def test_one_that_ends_while_it_is_looked_at_is_not_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner is looked up before its stages: one that ends in between was running, not left by its owner."""
    run = created(tmp_path)
    owning = ExitStack()
    owning.enter_context(owned(run.folder))

    def stage_at_the_end(self: Run, stage_id: str) -> None:
        owning.close()

    monkeypatch.setattr(Run, "stage", stage_at_the_end)
    assert run.state == "running"


def test_the_owner_is_named_while_it_works(tmp_path: Path) -> None:
    """A run is running from its lock until the event of its end; then nobody is named, though the lock is held."""
    run = created(tmp_path)
    with owned(run.folder):
        assert (run.state, run.owner is None) == ("running", False)
        run.write_stage(StageRecord("ingestion", "done"))
        run.event("run.completed")
        assert (run.state, run.owner) == ("completed", None)


def test_artifacts_and_weights_are_loaded_by_name(tmp_path: Path) -> None:
    """``load`` gives an artifact in memory, ``weights`` the portfolio; what the run has not made is refused."""
    run = recorded(tmp_path, {"KO": Name([1.0])}, {"KO": 0.4, "KR": -0.1})
    assert run.weights == {"KO": 0.4, "KR": -0.1}
    assert isinstance(run.load("weights"), pd.DataFrame)
    with pytest.raises(StageError, match="has no artifact 'scores'"):
        run.load("scores")
    assert created(tmp_path, "empty").weights == {}


def test_settings_and_hash_follow_from_header_and_session(tmp_path: Path) -> None:
    """Two runs of the same settings and session have one hash; another session has another."""
    profile = load_profile("demo", workspace=tmp_path)
    one, two = (create_run(profile, tmp_path, AS_OF, name) for name in ("one", "two"))
    other = create_run(profile, tmp_path, date(2022, 12, 27), "other")
    assert one.settings == {**profile.settings(), "as_of": "2022-12-28", "profile": "demo"}
    assert one.config_hash == two.config_hash != other.config_hash
    assert (one.profile, one.as_of, one.scope) == ("demo", AS_OF, "one")


def test_a_selection_has_the_stages_of_its_settings(tmp_path: Path) -> None:
    """Its pipeline is that of the profile; one that was created with other stages is refused."""
    run = create_run(load_profile("demo", workspace=tmp_path), tmp_path, AS_OF, "one")
    assert tuple(stage.id for stage in run.pipeline()) == run.header.stages == SELECTION
    assert (run.sleeves, run.leaves(), run.due(), run.parts()) == ((), [], [], [run])
    run.update(stages=[*SELECTION, "gone"])
    with pytest.raises(ConfigError, match="made of other stages than there are now: gone"):
        run.pipeline()


def test_a_meta_run_has_the_stages_of_a_portfolio(meta: Run) -> None:
    """They are the same for all, and each finds what it needs."""
    stages = meta.pipeline()
    assert tuple(stage.id for stage in stages) == META
    check_wiring([StageRegistry.get(name) for name in META])


def test_leaves_are_named_by_their_path(nested: Run) -> None:
    """Sleeves that are profiles, at any depth; each knows its run and the portfolio that the data are fetched for."""
    assert [sleeve.name for sleeve in nested.sleeves] == ["in", "c"]
    assert [leaf.name for leaf in nested.leaves()] == ["in/a", "in/b", "c"]
    assert [leaf.run.id for leaf in nested.leaves()] == ["out.in.a", "out.in.b", "out.c"]
    assert {leaf.run.scope for leaf in nested.leaves()} == {"out"}
    assert [part.id for part in nested.parts()] == ["out.in.a", "out.in.b", "out.in", "out.c", "out"]
    assert nested.due() == nested.leaves()


def test_a_sleeve_hands_on_what_its_complete_run_made(tmp_path: Path) -> None:
    """Result, hash and session of the sleeve's own run; nothing, and a reason, while that is not complete."""
    run = recorded_meta(tmp_path, TWO, {"KO": 1.0})
    one, two = run.sleeves
    assert one.result is not None
    assert (one.result.sleeve, one.result.run_id, one.result.as_of) == ("one", one.run.id, "2022-12-28")
    assert one.result.config_hash == one.link.config_hash
    assert {"oos_returns", "oos_weights", "weights", "metrics", "prices", "roster"} < set(one.result.outputs)
    assert run.due() == []
    two.run.write_stage(StageRecord("policy", "failed", error={"message": "no winners"}))
    assert two.result is None
    assert [leaf.name for leaf in run.due()] == ["two"]
    failure = two.failure("its worker died")
    assert (failure.sleeve, failure.stage, failure.message) == ("two", "policy", "no winners")
    assert one.failure("its worker died").message == "its worker died"


def test_an_unreadable_run_refuses_and_hides_no_other(tmp_path: Path) -> None:
    """It is listed, shown and left alone; what needs its header ends in words."""
    created(tmp_path, "sound")
    broken = created(tmp_path, "broken")
    for file in ("run.json", "events.jsonl"):
        (broken.folder / file).write_text("{}")
    assert [(run.id, run.state) for run in list_runs(tmp_path)] == [("broken", "unreadable"), ("sound", "interrupted")]
    found = find_run(tmp_path, "broken")
    shown = json.loads(json.dumps(found.json()))
    assert (shown["state"], shown["profile"], shown["stages"]) == ("unreadable", None, [])
    assert (found.sleeves, found.outputs, found.weights, found.degraded) == ((), {}, {}, False)
    for ask in (found.pipeline, lambda: found.settings, lambda: found.with_settings(["policy.top_n=1"], write=False)):
        with pytest.raises(IntegrityError):
            ask()


def test_changed_settings_are_written_only_when_asked(tmp_path: Path) -> None:
    """A dry run plans with a copy; the record stays as it is."""
    run = create_run(load_profile("demo", workspace=tmp_path), tmp_path, AS_OF, "one")
    copy = run.with_settings(["policy.top_n=1"], write=False)
    assert copy.settings["policy"]["top_n"] == 1
    assert copy.header == replace(run.header, settings=copy.header.settings, sources=copy.header.sources)
    assert run.again().header == run.header
    assert run.with_settings(["policy.top_n=1"], write=True).header == copy.header == run.again().header


def test_where_a_meta_run_is_run_may_be_changed(meta: Run) -> None:
    """A cluster that is gone for good does not keep the run from being resumed; nothing else of it changes."""
    before = dict(meta.header.settings)
    after = meta.with_settings(["execution.runner=local"], write=True)
    assert after.header.settings["execution"] == {**before["execution"], "runner": "local"}
    assert open_run(meta.workspace, "m").header.settings == {**before, "execution": after.settings["execution"]}
    assert after.header.sources["execution.runner"] == FLAG


def test_what_its_portfolio_is_may_not(meta: Run) -> None:
    """Sleeves have the settings of their creation; a mistaken runner is refused with the known ones."""
    with pytest.raises(ConfigError, match="frozen, all but execution"):
        meta.with_settings(["execution.runner=local", "policy.top_n=1"], write=True)
    with pytest.raises(ConfigError, match="runner"):
        meta.with_settings(["execution.runner=dask"], write=True)
    assert open_run(meta.workspace, "m").header.settings["execution"]["runner"] == "auto"


def test_a_run_that_was_not_there_yet_is_read_again(tmp_path: Path) -> None:
    """As what it has become: whoever waits for a run may ask for it before it is created."""
    early = open_run(tmp_path, "one")
    assert (early.state, early.exists) == ("unreadable", False)
    created(tmp_path, "one")
    assert (early.again().state, early.again().profile) == ("interrupted", "demo")
