"""A sweep on a terminal and in a notebook: what fits, what is turned, what is escaped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from quantflow.config.profile import Profile
from quantflow.config.sweeps.sweep import load_sweep
from quantflow.errors import ConfigError, StageError
from quantflow.review.facts import facts_of
from quantflow.review.sweep_plan import plan_sweep
from quantflow.runs.kinds import Sweep
from quantflow.runs.record import StageRecord
from quantflow.stages.sweep.table import TableStage
from quantflow.ui.notebook.sweeps import SweepResult
from quantflow.ui.sweeps.plan import print_sweep_plan
from quantflow.ui.sweeps.tables import heat_map, print_sweep, print_trials_left, surface_of
from recorded import AS_OF
from swept import done, fails, stream, sweep

OVER = {"policy.top_n": [1, 2, 3], "allocation.method": ["hrp", "equal_weight"]}


def compared(run: Sweep, failed: tuple[int, ...] = ()) -> Sweep:
    """A sweep whose trials were played, and compared."""
    for trial in run.trials:
        if trial.number in failed:
            fails(trial, StageError("No <b>winners</b> [bold]."))
        else:
            done(run, trial, stream(trial.number, mean=0.0003 * trial.number))
    stage, facts = TableStage(), facts_of(run)
    config: Any = stage.configured({**Profile(name="demo").settings(), **run.header.settings})
    streams = {
        trial.number: run.store.get(r.outputs["oos_returns"])
        for trial in run.trials
        if (r := trial.result) and r.state == "completed"
    }
    made = stage.run({"run": facts, "oos_returns": streams}, config)
    refs = {name: run.store.put(name, made[name]) for name in stage.makes}
    run.write_stage(StageRecord(stage.id, "done", outputs=refs))
    for name in ("report.html", "brief.txt", "trials.csv"):
        run.write_file(name, "nothing")
    again = run.again()
    assert isinstance(again, Sweep)
    return again


@pytest.fixture
def run(tmp_path: Path) -> Sweep:
    """A complete sweep of six trials, one of which failed."""
    return compared(sweep(tmp_path, OVER), failed=(2,))


def test_it_is_told_in_what_fits_a_terminal(
    run: Sweep, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best trials, the map, what matters, the sentence, the files and the next command."""
    print_sweep(run)
    text = capsys.readouterr().out
    found = run.load("sweep")
    assert "Best of 6 trials" in text
    assert "1 trial failed: see the report" in text
    assert found["sentence"] in " ".join(text.split())
    assert f"quantflow promote s/{found['best']['trial']} --to PROFILE" in text
    for name in ("report.html", "brief.txt", "trials.csv"):
        assert str(run.folder / name) in text
    tables = text.split("\nThe best, trial")[0]
    assert max(len(line) for line in tables.splitlines()) <= 110


@pytest.mark.parametrize("width", [60, 80])
def test_on_a_narrow_terminal_no_table_is_wider(
    width: int, run: Sweep, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables fold; text that people copy is not broken."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")
    print_sweep(run)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    tables, _, _ = plain.partition("\nreport.html")
    assert max(len(line) for line in tables.splitlines()) <= width
    assert "Best of 6 trials" in plain
    assert f"quantflow promote s/{run.load('sweep')['best']['trial']} --to PROFILE" in plain


def test_the_map_can_be_turned_round(run: Sweep) -> None:
    """Each cell goes to its place; a pair that there is none of is refused with those that there are."""
    found = run.load("sweep")
    one = surface_of(found, "policy.top_n", "allocation.method")
    two = surface_of(found, "allocation.method", "policy.top_n")
    assert one is not None
    assert two is not None
    for i, row in enumerate(one["row_values"]):
        for j, column in enumerate(one["column_values"]):
            a, b = two["row_values"].index(column), two["column_values"].index(row)
            for name in ("mean", "count", "around", "spread", "lonely"):
                assert one[name][i][j] == two[name][a][b], name
    assert surface_of(found, None, None) == found["surfaces"][0]
    with pytest.raises(ConfigError, match=r"policy\.top_n,policy\.top_m"):
        surface_of(found, "policy.top_n", "policy.top_m")


def test_the_map_is_printed_as_asked(run: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows down, columns across."""
    print_sweep(run, "allocation.method", "policy.top_n")
    assert "sharpe: allocation.method down, policy.top_n across" in capsys.readouterr().out


def test_a_lonely_peak_is_marked_and_a_hole_is_empty() -> None:
    """With what the mark means."""
    cells = {"mean": [[1.0, None], [0.2, 0.1]], "lonely": [[True, False], [False, False]]}
    table = heat_map({"row_values": ["[red]1", "2"], "column_values": ["x", "y"], **cells})
    assert "1.00!" in next(iter(table.columns[1].cells))
    assert next(iter(table.columns[2].cells)) == ""
    assert "likely luck" in str(table.caption)


def test_a_sweep_that_is_not_complete_tells_how_far_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Done and failed of all."""
    run = sweep(tmp_path)
    done(run, run.trials[0])
    fails(run.trials[1])
    print_trials_left(run)
    assert capsys.readouterr().out == "trials  1 of 4 completed, 1 failed\n"


def test_a_result_in_a_notebook_is_escaped(tmp_path: Path) -> None:
    """It shows the sentence and the best trials, and no markup of a setting's value."""
    shown = SweepResult(compared(sweep(tmp_path, OVER)))
    shown.table["allocation.method"] = "<script>alert(1)</script>"
    html = shown._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert html.startswith("<p><b>The best, trial 6, has a Sharpe ratio")
    assert "<sweep s: The best" in repr(shown)


def test_a_result_gives_what_it_found(run: Sweep) -> None:
    """Table, returns, the best values, and each trial as a run."""
    shown = SweepResult(run)
    assert shown.best == run.trials[shown.found["best"]["trial"] - 1].variant
    assert list(shown.returns.columns) == ["1", "3", "4", "5", "6"]
    assert shown.table.loc[2, "state"] == "failed"
    assert shown.trial(1).weights["weight"].to_dict() == {"KO": 1.0}
    with pytest.raises(ConfigError, match="Trial 2 of s has no result"):
        shown.trial(2)


def test_a_heat_map_is_a_figure(run: Sweep) -> None:
    """Its cells are those of the record; of one setting too."""
    shown = SweepResult(run)
    figure = shown.heatmap("policy.top_n", "allocation.method")
    one = surface_of(shown.found, "policy.top_n", "allocation.method")
    assert one is not None
    assert [list(line) for line in figure.data[0].z] == one["mean"]
    assert (list(figure.data[0].x), list(figure.data[0].y)) == (one["column_values"], one["row_values"])
    assert figure.layout.xaxis.title.text == "allocation.method"
    with pytest.raises(ConfigError, match="pair of settings"):
        shown.heatmap("a.b")


def test_a_plan_says_what_is_shared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each stage with how often it runs; invalid combinations; nothing is written."""
    over = {"features.momentum_skip": [21, 200], "features.momentum_long": [126, 252]}
    plan = plan_sweep(load_sweep(None, workspace=tmp_path, given={"profile": "demo", "over": over}), tmp_path, AS_OF)
    counts = {stage.stage: (stage.computed, stage.reused) for stage in plan.stages}
    assert (plan.trials, plan.invalid, plan.seconds) == (4, 1, None)
    assert (counts["ingestion"], counts["features"], counts["clustering"]) == ((1, 2), (3, 0), (1, 2))
    print_sweep_plan(plan)
    out = capsys.readouterr().out
    assert "4 trials, 1 of them not valid" in out
    assert "no run of the profile yet to tell the time" in out
    assert list(tmp_path.iterdir()) == []
