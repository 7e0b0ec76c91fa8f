"""The table of trials and what it says: figures on common sessions, what is left of the best one, ties and failures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.config.calendar import CalendarConfig
from quantflow.config.profile import Profile
from quantflow.config.sweeps.sweep import SweepConfig
from quantflow.data.artifacts import encode
from quantflow.errors import ConfigError, DataError
from quantflow.quant import metrics
from quantflow.quant.research.deflated import deflated
from quantflow.quant.research.effective import effective
from quantflow.quant.significance import deflated_sharpe, estimate, expected_best, interval, probabilistic_sharpe
from quantflow.stages.sweep.nested import COMMON, refuse_unlike
from quantflow.stages.sweep.table import TableStage
from quantflow.stages.sweep.trials import FIGURES, Trials
from quantflow.stages.sweep.verdict import findings
from swept import stream

YEAR = CalendarConfig().annualisation
OVER = {"allocation.method": ["hrp", "equal_weight"], "policy.top_n": [1, 2, 3]}
SIX = [
    {"allocation.method": method, "policy.top_n": n}
    for method in OVER["allocation.method"]
    for n in OVER["policy.top_n"]
]


def variants(values: Sequence[Mapping[str, Any]] = SIX, failed: Sequence[int] = ()) -> list[dict[str, Any]]:
    """Trials as the facts of a run have them."""
    return [
        {
            "number": number,
            "variant": dict(value),
            "state": "failed" if number in failed else "completed",
            "message": "No winners." if number in failed else "",
            "settings": "" if number in failed else f"hash{number}",
            "outputs": {},
        }
        for number, value in enumerate(values, start=1)
    ]


def streams(count: int = 6, failed: Sequence[int] = ()) -> dict[int, pd.DataFrame]:
    """Walk-forwards that differ in their means, and begin on other sessions."""
    return {n: stream(n, mean=0.0002 * n, sessions=400 + 10 * n) for n in range(1, count + 1) if n not in failed}


def six(failed: Sequence[int] = (), others: Sequence[float] = ()) -> Trials:
    """Six trials, some of which failed."""
    return Trials(variants(failed=failed), streams(failed=failed), others, YEAR)


def test_figures_are_of_the_sessions_that_all_have() -> None:
    """From the begin of the shortest on; each as the metrics of a walk-forward say."""
    trials = six()
    assert len(trials.sessions) == 410
    row, cut = trials.table().loc[3], streams()[3].iloc[-410:]
    net = cut["net"].to_numpy()
    whole = metrics.summarise(net, YEAR)
    for name in ("sharpe", "sortino", "calmar", "cagr", "volatility", "max_drawdown"):
        assert row[name] == pytest.approx(whole[name], rel=1e-12)
    found = estimate(net)
    assert found is not None
    assert [row["sharpe_low"], row["sharpe_high"]] == pytest.approx([x * YEAR**0.5 for x in interval(found)])
    assert row["turnover_annual"] == pytest.approx(cut["turnover"].mean() * YEAR)
    assert row["cost"] == pytest.approx(metrics.cost_drag(cut["gross"].to_numpy(), net, YEAR))
    assert row["over_equal_weight"] == pytest.approx(
        row["sharpe"] - metrics.sharpe(cut["equal_weight"].to_numpy(), YEAR)
    )


def test_the_table_has_a_row_per_trial_and_the_returns_a_column() -> None:
    """By number; values as they were given; what failed has no figure, and its reason."""
    trials = six(failed=[2])
    table, returns = trials.table(), trials.returns()
    assert list(table.columns) == [*OVER, "state", *FIGURES, "message"]
    assert (list(table.index), table.index.name) == ([1, 2, 3, 4, 5, 6], "trial")
    assert list(table["policy.top_n"]) == [1, 2, 3, 1, 2, 3]
    assert table.loc[2, list(FIGURES)].isna().all()
    assert (table.loc[2, "state"], table.loc[2, "message"]) == ("failed", "No winners.")
    assert list(returns.columns) == ["1", "3", "4", "5", "6"]
    pd.testing.assert_series_equal(returns["5"], streams()[5]["net"].iloc[-410:], check_names=False, check_freq=False)


@pytest.mark.parametrize(
    ("values", "text"),
    [([True, False], ["true", "false"]), ([[1, 5], [21]], ["[1, 5]", "[21]"]), ([None, 1], ["null", "1"])],
)
def test_values_that_are_no_numbers_are_text(values: list[Any], text: list[str]) -> None:
    """Flags, lists and nothing as JSON has them: the table can be written to a file."""
    trials = Trials(variants([{"a.b": value} for value in values]), streams(2), (), YEAR)
    assert list(trials.table()["a.b"]) == text
    assert encode(trials.table())[0]


def test_the_sharpe_ratio_is_deflated_by_all_that_was_tried() -> None:
    """By count and by clusters, those of this sweep and what was tried before; the lower one is claimed."""
    others = [0.01, 0.02, -0.03]
    trials = six(others=others)
    nets = [frame["net"].to_numpy()[-410:] for frame in streams().values()]
    ratios = [net.mean() / net.std(ddof=1) for net in nets] + others
    clusters = [*effective(np.stack(nets).T).ratios, *others]
    for number, net in enumerate(nets, start=1):
        found = estimate(net)
        assert found is not None
        both = [deflated_sharpe(found, ratios), deflated_sharpe(found, clusters)]
        assert trials.table().loc[number, "deflated_sharpe"] == pytest.approx(min(x for x in both if x is not None))
        assert deflated(found, ratios, clusters).probability == pytest.approx(min(x for x in both if x is not None))
    more = six(others=[*others, 0.2, -0.2])
    assert (more.table()["deflated_sharpe"] < trials.table()["deflated_sharpe"]).all()


def test_the_best_is_that_of_the_metric() -> None:
    """Named by its number, its values and its figures; the sentence says what luck would give."""
    trials = six()
    table = trials.table()
    for metric in ("sharpe", "sortino", "calmar", "cagr"):
        found = findings(trials, metric, held=21)
        assert found["best"]["trial"] == table[metric].idxmax()
        assert found["best"]["variant"] == SIX[int(table[metric].idxmax()) - 1]
    found = findings(trials, "sharpe", held=21)
    assert (found["trials"], found["completed"], found["failed"], found["before"]) == (6, 6, 0, 0)
    assert (found["start"], found["end"], found["sessions"]) == (str(trials.sessions[0].date()), "2022-12-28", 410)
    best = found["best"]
    assert f"The best, trial {best['trial']}, has a Sharpe ratio of {best['sharpe']:.2f}" in found["sentence"]
    assert f"{found['luck']['deflated_sharpe']:.1%}" in found["sentence"]
    assert found["luck"]["deflated_sharpe"] == pytest.approx(best["deflated_sharpe"])
    json.dumps(found, allow_nan=False)


def test_more_than_luck_is_said_where_it_is() -> None:
    """And that it may be luck, where the best of as many without skill would show as much."""
    noise = {n: stream(n, mean=0.0002, sessions=400) for n in range(1, 7)}
    skill = {**noise, 1: stream(1, mean=0.004, sessions=400)}
    said = [findings(Trials(variants(), each, (), YEAR), "sharpe", held=21)["sentence"] for each in (noise, skill)]
    assert "may be luck" in said[0]
    assert "The best, trial 1," in said[1]
    assert "is more than luck" in said[1]


def market(alpha: float = 0.0) -> Trials:
    """Six variants that hold the market with a Sharpe ratio of 1.6, each with errors of its own; one has skill."""
    rng = np.random.default_rng(5)
    index = pd.bdate_range(end="2022-12-28", periods=2000, name="date")
    equal = rng.normal(0.001, 0.01, 2000)
    streams = {}
    for number in range(1, 7):
        net = 0.8 * equal + rng.normal(alpha if number == 1 else 0.0, 0.003, 2000)
        columns = {"net": net, "gross": net, "cost": 0.0 * net, "turnover": 0.0 * net, "equal_weight": equal}
        streams[number] = pd.DataFrame(columns, index=index)
    return Trials(variants(), streams, (), YEAR)


def test_what_the_market_gave_is_not_called_skill() -> None:
    """Variants without any skill that hold what rose have high Sharpe ratios, surely above 0, and nothing beyond."""
    found = findings(market(), "sharpe", held=21)
    assert found["luck"]["deflated_sharpe"] > 0.99
    assert found["best"]["beta"] == pytest.approx(0.8, abs=0.02)
    assert "may be luck" in found["sentence"]
    assert "is more than luck" in findings(market(alpha=0.0006), "sharpe", held=21)["sentence"]


def test_much_skill_is_not_taken_for_much_luck() -> None:
    """Where one variant is far ahead, the differences between trials are skill: luck alone is never as large."""
    ahead = market(alpha=0.002)
    found = findings(ahead, "sharpe", held=21)
    assert found["best"]["trial"] == 1
    assert "is more than luck" in found["sentence"]
    assert ahead.expected_beyond < 2.0 / 2000**0.5


def test_beyond_the_market_is_the_residual_of_a_regression() -> None:
    """With an intercept, and the deflated ratio is that against the best of as many without skill."""
    trials = market(alpha=0.0003)
    table, year = trials.table(), YEAR**0.5
    ratios = []
    for number, stream_ in trials.streams.items():
        slope, alpha = np.polyfit(stream_["equal_weight"], stream_["net"], 1)
        rest = stream_["net"] - slope * stream_["equal_weight"]
        ratios.append(rest.mean() / rest.std(ddof=1))
        assert alpha == pytest.approx(rest.mean(), abs=1e-12)
        assert table.loc[number, "beyond"] == pytest.approx(ratios[-1] * year, rel=1e-10)
    counted = expected_best(6, min(float(np.var(ratios, ddof=1)), 1 / 2000))
    assert trials.expected_beyond >= counted - 1e-15
    found = trials.beyond_estimates[1]
    assert found is not None
    assert table.loc[1, "beyond_deflated"] == pytest.approx(probabilistic_sharpe(found, trials.expected_beyond))


def test_of_equal_trials_the_first_is_the_best() -> None:
    """The order of the grid decides, so that equal sweeps say the same."""
    same = dict.fromkeys(range(1, 7), stream(1))
    found = findings(Trials(variants(), same, (), YEAR), "sharpe", held=21)
    assert found["best"]["trial"] == 1
    assert all(each["share"] is None for each in found["importance"])
    json.dumps(found, allow_nan=False)


def test_failed_trials_are_counted_and_left_out() -> None:
    """Also if it is the first; cells without a trial are empty."""
    found = findings(six(failed=[1, 5]), "sharpe", held=21)
    assert (found["completed"], found["failed"]) == (4, 2)
    surface = found["surfaces"][0]
    (one, five) = (0, 0), (1, 1)
    values = dict(zip(surface["row_values"], surface["mean"], strict=True))
    cells = [(rows, columns) for rows in values for columns in range(len(surface["column_values"]))]
    assert sum(values[row][column] is None for row, column in cells) == len({one, five})
    json.dumps(found, allow_nan=False)


def test_trials_without_risk_have_no_ratio() -> None:
    """They are ranked by what they have; if none has it, that is said with a way out."""
    flat = stream(1).assign(net=0.0, gross=0.0, cost=0.0, turnover=0.0)
    some = {**streams(), 6: flat}
    found = findings(Trials(variants(), some, (), YEAR), "sharpe", held=21)
    assert found["best"]["trial"] != 6
    none = Trials(variants(), dict.fromkeys(range(1, 7), flat), (), YEAR)
    with pytest.raises(DataError, match="No trial has a sharpe: none took any risk") as raised:
        findings(none, "sharpe", held=21)
    assert "--metric cagr" in str(raised.value.hint)
    by_return = findings(none, "cagr", held=21)
    assert "nothing can be said of luck" in by_return["sentence"]
    json.dumps(by_return, allow_nan=False)


def test_one_setting_has_a_map_of_one_column() -> None:
    """A row per value, in order."""
    trials = Trials(variants([{"policy.top_n": n} for n in (3, 1, 2)]), streams(3), (), YEAR)
    (surface,) = findings(trials, "sharpe", held=21)["surfaces"]
    assert (surface["rows"], surface["columns"], surface["row_values"]) == ("policy.top_n", "", ["1", "2", "3"])
    assert [line[0] for line in surface["mean"]] == pytest.approx(list(trials.table()["sharpe"].loc[[2, 3, 1]]))


def test_a_setting_of_one_value_has_no_map() -> None:
    """It does not vary."""
    values = [{"allocation.method": "hrp", "policy.top_n": n} for n in (1, 2, 3)]
    (surface,) = findings(Trials(variants(values), streams(3), (), YEAR), "sharpe", held=21)["surfaces"]
    assert (surface["rows"], surface["columns"]) == ("policy.top_n", "")


def test_maps_are_of_the_settings_that_matter() -> None:
    """At most six; those first that explain most."""
    values = [{f"s.k{k}": (n >> k) & 1 for k in range(5)} for n in range(32)]
    made = {n + 1: stream(n, mean=0.004 * ((n >> 3) & 1) + 0.002 * ((n >> 1) & 1)) for n in range(32)}
    found = findings(Trials(variants(values), made, (), YEAR), "sharpe", held=21)
    assert len(found["surfaces"]) == 6
    assert {found["surfaces"][0]["rows"], found["surfaces"][0]["columns"]} == {"s.k1", "s.k3"}


def test_too_few_common_sessions_are_refused() -> None:
    """Figures of other spans cannot be compared."""
    short = {**streams(), 4: stream(4, sessions=30)}
    with pytest.raises(DataError, match="The trials have only 30 sessions in common") as raised:
        Trials(variants(), short, (), YEAR).table()
    assert "data.start" in str(raised.value.hint)


def settings_of(**sweep: Any) -> Any:
    """The stage's config."""
    config = SweepConfig(profile="demo", over={name: tuple(each) for name, each in OVER.items()}, **sweep)
    sections = Profile(name="demo").settings()
    return TableStage().configured({**sections, "sweep": config.model_dump(mode="json")})


def test_the_stage_does_not_count_its_own_trials_twice() -> None:
    """What was tried before under the same settings is one of its trials; the summary names the best."""
    facts = {"variants": variants(failed=[2]), "others": [["hash1", 0.5], ["other", 0.02]]}
    inputs = {"run": facts, "oos_returns": streams(failed=[2])}
    stage = TableStage()
    outputs = stage.run(inputs, settings_of())
    assert outputs["sweep"]["before"] == 1
    assert len(outputs["nested_returns"]) == 0
    summary = stage.summary(inputs, outputs)
    assert summary.degraded
    assert summary.note.startswith(f"5 of 6 trials, best {outputs['sweep']['best']['trial']}: Sharpe ")
    again = stage.run(inputs, settings_of())
    assert all(encode(outputs[name])[0] == encode(again[name])[0] for name in stage.makes)


def test_a_nested_walk_forward_needs_the_same_data() -> None:
    """Trials whose names or prices differ cannot be traded by one another."""
    alike = [{**each, "outputs": {name: {"sha256": "x"} for name in COMMON}} for each in variants()]
    refuse_unlike(alike)
    alike[3]["outputs"]["prices"] = {"sha256": "y"}
    with pytest.raises(ConfigError, match="trials on the same data; their prices differ") as raised:
        refuse_unlike(alike)
    assert "leave out --nested" in str(raised.value.hint)
    alike[3]["state"] = "failed"
    refuse_unlike(alike)
