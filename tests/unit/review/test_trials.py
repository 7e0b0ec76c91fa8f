"""The trials of a workspace: which runs count, each settings once, and what their number leaves of a Sharpe ratio."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.config.load import load_profile
from quantflow.data.store import ArtifactRef
from quantflow.errors import ConfigError
from quantflow.quant.significance import deflated_sharpe, estimate
from quantflow.review.facts import facts_of
from quantflow.review.trials import trials_of
from quantflow.runs.create import create_run
from quantflow.runs.exports import EXPORTS
from quantflow.runs.header import Parent
from quantflow.runs.record import StageRecord
from quantflow.runs.research.counted import clustered
from quantflow.runs.run import Run

AS_OF = date(2022, 12, 28)
NAMES = ("AAPL", "KO", "XOM", "JPM")


def finished(
    home: Path,
    *overrides: str,
    mean: float = 0.0005,
    as_of: date = AS_OF,
    names: tuple[str, ...] = NAMES,
    seed: int = 3,
    profile: str = "demo",
    **how: Any,
) -> Run:
    """Return a run that is complete, with a stream of some mean and seed, and features of some names."""
    run = create_run(load_profile(profile, workspace=home, overrides=overrides), home, as_of, **how)
    return completed(run, mean, names, seed)


def completed(run: Run, mean: float, names: tuple[str, ...] = NAMES, seed: int = 3) -> Run:
    """Record what the stages of a run would have made."""
    net = np.random.default_rng(seed).normal(0.0, 0.01, 500)
    net += mean - net.mean()
    year = 252
    ratio = float(net.mean() / net.std(ddof=1) * year**0.5)
    made: dict[str, dict[str, Any]] = {
        "features": {"features": pd.DataFrame({"momentum": 0.1}, index=pd.Index(names, name="symbol"))},
        "validation": {
            "metrics": {"annualisation": year, "strategy": {"sharpe": ratio}},
            "oos_returns": pd.DataFrame({"net": net}, index=pd.bdate_range(end=run.as_of, periods=500, name="date")),
        },
    }
    for stage in run.header.stages:
        outputs: dict[str, ArtifactRef] = {n: run.store.put(n, v) for n, v in made.get(stage, {}).items()}
        if stage == "allocation":
            outputs["weights"] = run.store.put("weights", pd.DataFrame({"weight": [1.0]}, index=["KO"]))
        run.write_stage(StageRecord(stage, "done", outputs=outputs))
    for file in EXPORTS.values():
        run.write_file(file, "nothing")
    assert run.again().state == "completed"
    return run.again()


def others(run: Run) -> list[str]:
    """Return the runs that were trials when a run was created."""
    return sorted(trial.run_id for trial in run.header.trials)


def test_each_settings_counts_once_on_any_session(tmp_path: Path) -> None:
    """The same settings on a later session are one trial, by their newest run; other weights' settings are another."""
    finished(tmp_path, as_of=date(2022, 12, 27))
    newest = finished(tmp_path)
    other = finished(tmp_path, "policy.top_n=1")
    last = finished(tmp_path, "policy.top_n=3")
    assert others(last) == sorted([newest.id, other.id])
    assert others(finished(tmp_path)) == sorted([other.id, last.id])


@pytest.mark.parametrize(
    "line", ["validation.commission_bps=2", "report.top=3", "publish.enabled=false", "signals.horizons=[5]"]
)
def test_settings_that_change_no_weight_are_no_trial(tmp_path: Path, line: str) -> None:
    """Costs, the report and the book do not make a trial of their own."""
    finished(tmp_path, line)
    assert others(finished(tmp_path)) == []


@pytest.mark.parametrize(
    "line", ["policy.top_n=1", "universe.exclude=['KO']", "data.start=2015-01-02", "clusters.max_clusters=9"]
)
def test_settings_that_change_weights_are_a_trial(tmp_path: Path, line: str) -> None:
    """Policy, universe, history and clusters make a trial each."""
    tried = finished(tmp_path, line)
    assert others(finished(tmp_path)) == [tried.id]


def test_runs_without_overlap_do_not_count(tmp_path: Path) -> None:
    """Another span, another source and a run that is not complete are no trials."""
    finished(tmp_path, "policy.top_n=1", as_of=date(2015, 12, 30))
    create_run(load_profile("demo", workspace=tmp_path, overrides=["policy.top_n=4"]), tmp_path, AS_OF)
    prices = tmp_path / "prices.csv"
    prices.write_text("date,symbol,close\n2022-12-28,AAA,1\n")
    finished(tmp_path, "data.provider=files", f"data.path={prices}", "policy.top_n=5")
    assert others(finished(tmp_path, "data.start=2016-01-04")) == []


def test_sleeves_count(tmp_path: Path) -> None:
    """What a sleeve has tried was tried."""
    sleeve = finished(tmp_path, "policy.top_n=1", run_id="m.demo")
    sleeve.update(parent=vars(Parent("m", "demo", "m")))
    assert others(finished(tmp_path)) == [sleeve.id]


def test_the_count_is_of_when_the_run_was_created(tmp_path: Path) -> None:
    """Runs that end later change nothing of what a run's report says when it is made, or made again."""
    first = finished(tmp_path, "policy.top_n=1", mean=0.001)
    run = create_run(load_profile("demo", workspace=tmp_path), tmp_path, AS_OF)
    finished(tmp_path, "policy.top_n=3")
    run = completed(run, 0.0005)
    assert others(run) == [first.id]
    assert facts_of(run)["trials"]["ratios"] == [pytest.approx(0.1, rel=0.1)]


def test_other_names_are_another_matter(tmp_path: Path) -> None:
    """A trial counts when half of the names of the smaller run are the other's too, and when that can't be known."""
    half = finished(tmp_path, "policy.top_n=1", names=("AAPL", "KO", "A", "B"))
    finished(tmp_path, "policy.top_n=3", names=("AAPL", "X", "Y", "Z"))
    run = finished(tmp_path)
    assert len(run.header.trials) == 2
    ratio = next(trial.ratio for trial in run.header.trials if trial.run_id == half.id)
    assert facts_of(run)["trials"]["ratios"] == [ratio]
    (half.folder / "run.json").unlink()
    assert facts_of(run.again())["trials"]["ratios"] == [ratio]
    assert len(facts_of(run.again())["trials"]["clusters"]) == 2


def test_a_lost_artifact_keeps_no_run_from_starting(tmp_path: Path) -> None:
    """A trial whose figures are gone is left out; the new run is created."""
    broken = finished(tmp_path, "policy.top_n=1")
    (Path(broken.layout.store) / broken.outputs["metrics"].uri).unlink()
    assert others(finished(tmp_path)) == []


def test_the_table_deflates_by_what_was_tried(tmp_path: Path) -> None:
    """The newest run of a profile is judged among all trials, best first, with the deflated Sharpe of their ratios."""
    better = finished(tmp_path, "policy.top_n=1", mean=0.001)
    worse = finished(tmp_path, "policy.top_n=3", mean=-0.0005)
    run = finished(tmp_path)
    found = trials_of(tmp_path, "demo")
    assert [row.run_id for row in found.trials] == [better.id, run.id, worse.id]
    assert [row.judged for row in found.trials] == [False, True, False]
    own = estimate(run.load("oos_returns")["net"].to_numpy())
    assert own is not None
    ratios = [row.sharpe / 252**0.5 for row in found.trials]
    assert found.deflated.by_count == pytest.approx(deflated_sharpe(own, ratios), rel=1e-12)
    assert found.deflated.probability < found.probabilistic_sharpe  # type: ignore[operator]
    assert (found.json()["number"], found.json()["deflated_for"]) == (3, "3 trials")
    assert trials_of(tmp_path).run_id == run.id


def test_variants_are_one_cluster_and_others_are_their_own(tmp_path: Path) -> None:
    """Trials with one stream are a cluster; an independent one is another; the lower ratio is the headline."""
    finished(tmp_path, "policy.top_n=1", mean=0.001)
    finished(tmp_path, "policy.top_n=4", mean=-0.001, seed=7)
    run = finished(tmp_path)
    found = trials_of(tmp_path)
    assert [row.cluster for row in found.trials] == [1, 1, 2]
    assert found.json()["clusters"] == found.deflated.clusters == 2
    left = found.deflated
    assert left.probability == min(left.by_count or 1.0, left.by_clusters or 1.0) == found.json()["deflated_sharpe"]
    assert facts_of(run)["trials"]["clusters"] == clustered(run, run.header.trials).ratios.tolist()


def test_a_lost_stream_is_a_cluster_of_its_own(tmp_path: Path) -> None:
    """What can no longer be compared, or is on too few common sessions, counts as if it resembled nothing."""
    lost = finished(tmp_path, "policy.top_n=1", mean=0.001)
    early = finished(tmp_path, "policy.top_n=4", as_of=date(2021, 6, 30))
    run = finished(tmp_path)
    (Path(lost.layout.store) / lost.outputs["oos_returns"].uri).unlink()
    assert len(set(clustered(run, run.header.trials).labels.tolist())) == 3
    rows = {row.run_id: row for row in trials_of(tmp_path).trials}
    assert (rows[lost.id].first, rows[early.id].as_of) == ("", "2021-06-30")


def test_trials_are_listed_by_family_and_span(tmp_path: Path) -> None:
    """Profiles that extend one base are a family, with the dates that their walk-forwards span."""
    (tmp_path / "quantflow.toml").write_text(
        '[profiles.base]\nextends = "demo"\n[profiles.wide]\nextends = "base"\npolicy.top_n = 4\n'
        "[profiles.gone]\npolicy.top_n = 1\n[profiles.own]\npolicy.top_n = 6\n"
    )
    finished(tmp_path, profile="wide", as_of=date(2022, 6, 30), seed=4)
    finished(tmp_path, profile="base")
    finished(tmp_path, profile="gone", seed=5)
    finished(tmp_path, profile="own", seed=6)
    (tmp_path / "quantflow.toml").write_text(
        '[profiles.base]\nextends = "demo"\n[profiles.wide]\nextends = "base"\n[profiles.own]\n'
    )
    found = trials_of(tmp_path, "base")
    first, late = (str(pd.bdate_range(end=end, periods=500)[0].date()) for end in (date(2022, 6, 30), AS_OF))
    families = [(family.name, family.trials, family.clusters, family.first, family.last) for family in found.families]
    end = AS_OF.isoformat()
    assert families == [("demo", 2, 2, first, end), ("gone", 1, 1, late, end), ("own", 1, 1, late, end)]
    assert {row.profile: row.family for row in found.trials} == {
        "wide": "demo",
        "base": "demo",
        "gone": "gone",
        "own": "own",
    }


def test_a_session_without_a_decision_does_not_hide_its_settings(tmp_path: Path) -> None:
    """Between rebalances the newest run of a profile has no walk-forward: its settings count by the one before."""
    tried = finished(tmp_path, "policy.top_n=1", as_of=date(2022, 12, 27))
    held = finished(tmp_path, "policy.top_n=1")
    held.update(decision={"kind": "hold", "next": "2023-01-31", "due": ""})
    assert others(finished(tmp_path)) == [tried.id]


def test_what_is_on_other_data_is_mentioned(tmp_path: Path) -> None:
    """Trials on other names or dates do not deflate, and are counted as being elsewhere."""
    finished(tmp_path, "policy.top_n=1", names=("A", "B"))
    finished(tmp_path, "policy.top_n=3", as_of=date(2015, 12, 30))
    finished(tmp_path, "data.start=2016-01-04")
    found = trials_of(tmp_path)
    assert (len(found.trials), found.elsewhere) == (1, 2)


def test_without_a_run_the_way_to_one_is_shown(tmp_path: Path) -> None:
    """A profile without a complete run, and an empty workspace, give an error with the command."""
    with pytest.raises(ConfigError, match="no complete run of demo"):
        trials_of(tmp_path, "demo")
    with pytest.raises(ConfigError, match="no complete selection run"):
        trials_of(tmp_path)


def test_a_header_keeps_its_trials(tmp_path: Path) -> None:
    """What was recorded is read back as it was, and a record without trials has none."""
    finished(tmp_path, "policy.top_n=1")
    run = finished(tmp_path)
    header = type(run.header).from_json(run.header.json())
    assert header.trials == run.header.trials != ()
    old = {name: value for name, value in run.header.json().items() if name != "trials"}
    assert type(run.header).from_json(old) == replace(run.header, trials=())
