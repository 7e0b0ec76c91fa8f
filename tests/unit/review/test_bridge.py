"""The turnover bridge between runs that really ran, one thing planted at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from quantflow.data.store import ArtifactStore
from quantflow.review.bridge import Bridge, bridge_of
from quantflow.review.compare import compare
from quantflow.runs.run import Run
from ran import AS_OF, ran_meta
from ran import ran as ran_until

EARLIER = date(2022, 11, 30)


def ran(home: Path, *overrides: str, as_of: date = AS_OF) -> Run:
    """The demo up to its weights."""
    return ran_until(home, *overrides, as_of=as_of, until="allocation")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of all runs."""
    return tmp_path_factory.mktemp("bridge")


@pytest.fixture(scope="module")
def base(home: Path) -> Run:
    """The demo."""
    return ran(home)


def bridge(before: Run, after: Run) -> Bridge:
    found = bridge_of(before, after, lambda line: None)
    assert found.unknown == ""
    assert sum(found.terms.values()) == pytest.approx(compare(before, after).turnover, abs=1e-12)
    assert set(json.loads(json.dumps(found.json()))["terms"]) == set(found.terms)
    return found


def moved(found: Bridge) -> dict[str, float]:
    """What each term moved, those that moved nothing left out."""
    terms = {term: sum(step.moved for step in found.steps if step.term == term) for term in found.terms}
    return {term: size for term, size in terms.items() if size}


@pytest.mark.parametrize(
    ("override", "term"),
    [
        ("features.momentum_long=126", "scores"),
        ("scores.weights.momentum=3", "scores"),
        ("clusters.max_clusters=3", "clusters"),
        ("policy.top_n=1", "constraints"),
        ("allocation.method=equal_weight", "allocation"),
    ],
)
def test_one_changed_setting_is_all_of_the_bridge(home: Path, base: Run, override: str, term: str) -> None:
    """A setting of the scores, the clusters, the policy or the allocation: its own term, to the bit, and no other."""
    found = bridge(base, ran(home, override))
    assert set(moved(found)) == {term}
    assert set(found.mostly.values()) == {term}


def test_another_session_is_all_data(home: Path, base: Run) -> None:
    """Last month against now, same settings and names: all is data, told by the stages that it went through."""
    before = ran(home, as_of=EARLIER)
    found = bridge(before, base)
    assert set(moved(found)) == {"data"}
    through = {step.through: step.part for step in found.steps if step.term == "data"}
    assert through["scores"] != 0.0
    assert through["allocation"] != 0.0
    assert through["constraints"] == 0.0  # the built-in policy reads no prices of its own
    assert sum(through.values()) == pytest.approx(found.terms["data"], abs=1e-15)


def test_names_that_go_and_come_are_the_universe(home: Path, base: Run) -> None:
    """Without three held names, and back again: all is the universe, by what went and what came."""
    held = sorted(base.load("weights").index)[:3]
    fewer = ran(home, f"universe.exclude={json.dumps(held)}")
    out, back = bridge(base, fewer), bridge(fewer, base)
    assert set(moved(out)) == set(moved(back)) == {"universe"}
    assert {step.through for step in out.steps if step.moved} == {"names that went"}
    assert {step.through for step in back.steps if step.moved} == {"names that came"}
    assert out.mostly[held[0]] == "universe"


def test_several_changes_have_a_term_each(home: Path, base: Run) -> None:
    """Another session, other names, another cut and another method at once: four terms that add up."""
    held = sorted(base.load("weights").index)[:1]
    before = ran(home, f"universe.exclude={json.dumps(held)}", as_of=EARLIER)
    found = bridge(before, ran(home, "policy.top_n=1", "allocation.method=equal_weight"))
    assert set(moved(found)) == {"data", "universe", "constraints", "allocation"}


def test_nothing_is_written(home: Path, base: Run) -> None:
    """No file of the workspace is made, changed or removed."""
    after = ran(home, "policy.top_n=1")
    before = tree(home)
    assert moved(bridge(base, after))
    assert tree(home) == before


def test_what_is_cached_is_taken(home: Path, base: Run) -> None:
    """Other features, planted in the cache under the key of one run, are what that run is replayed with."""
    other = ran(home, "features.momentum_long=126")
    planted = base.planner().cache
    key = base.stages["features"].key  # type: ignore[union-attr]
    planted.write(key, {"outputs": {"features": other.outputs["features"].json()}, "summary": {}})
    found = moved(bridge(base, other))
    Path(planted.path(key)).unlink()
    assert "code" in found


def tree(home: Path) -> Mapping[Path, tuple[int, int]]:
    files = [path for path in home.rglob("*") if path.is_file()]
    return {path: ((stat := path.stat()).st_mtime_ns, stat.st_size) for path in files}


def test_weights_that_a_replay_does_not_give_are_called_code(home: Path, base: Run) -> None:
    """A run whose recorded weights today's code does not give: the rest is there, and the term is code."""
    after = ran(home, "policy.top_n=3")
    other = after.load("weights")
    other["weight"] = np.roll(other["weight"].to_numpy(), 1)
    stage = after.stage("allocation")
    assert stage is not None
    stage.outputs["weights"] = ArtifactStore(after.layout.store).put("weights", other)  # type: ignore[index]
    after.write_stage(stage)
    assert set(moved(bridge(base, after))) == {"constraints", "code"}


def test_what_is_gone_is_said(home: Path, base: Run) -> None:
    """Where the prices of a run are no longer stored, there is no guess but the reason."""
    after = ran(home, "data.start=2018-01-01", "policy.top_n=1")
    Path(after.store.path(after.outputs["prices"])).unlink()
    found = bridge_of(base, after, lambda line: None)
    assert found.unknown == f"the stored prices of run {after.id} is missing or damaged"
    assert (found.steps, found.terms) == ((), {})


def test_a_step_that_is_infeasible_is_said(home: Path, base: Run) -> None:
    """Where no portfolio lies between the runs, the step and the stage's own words are told."""
    after = ran(home, "policy.top_n=1", "policy.min_winners=1", "policy.max_winners=2", "allocation.max_weight=0.6")
    before = ran(home, "allocation.max_weight=0.3")
    found = bridge_of(before, after, lambda line: None)
    assert found.unknown.startswith(f"a stage fails on the way, with constraints of {after.id}: ")


META = """
[profiles.steady]
extends = "demo"
[profiles.steady.data]
start = 2019-01-01
[profiles.steady.validation]
min_history = 504
[profiles.steady.rebalance]
every = "quarterly"
[profiles.few]
extends = "steady"
[profiles.few.allocation]
method = "INNER"
[meta.both]
sleeves = [{ profile = "steady" }, { profile = "few" }]
allocation = { method = "METHOD" }
"""


def test_portfolios_of_sleeves_have_a_bridge_of_their_own(tmp_path: Path) -> None:
    """One sleeve weighs its names otherwise, and capital is divided otherwise: a part of its own for each."""
    made = []
    for inner, method in (("equal_weight", "risk_parity"), ("inverse_volatility", "equal_weight")):
        (tmp_path / "quantflow.toml").write_text(META.replace("INNER", inner).replace("METHOD", method))
        made.append(ran_meta(tmp_path, "both"))
    found = bridge(*made)
    told = {(step.term, step.through): step.moved for step in found.steps}
    assert told["sleeves", "steady"] == 0.0
    assert told["sleeves", "few"] > 0.01
    assert told["code", ""] < 1e-12
    capital = [run.load("sleeve_weights")["weight"] for run in made]
    books = made[1].load("sleeve_books").pivot_table(index="symbol", columns="sleeve", values="weight").fillna(0)
    between = (books * (capital[1] - capital[0])).sum(axis=1).abs().sum()
    assert between > 0.0
    assert told["between sleeves", ""] == pytest.approx(between, abs=1e-12)
