"""The report stage: the page and the brief of a small, known run."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.config.data import DataConfig
from quantflow.config.operation import ReportConfig
from quantflow.data.artifacts import decode, encode
from quantflow.data.panel import Panel
from quantflow.quant.returns.periods import compounded
from quantflow.stages.report.facts import max_drawdown, t_value
from quantflow.stages.report.render import shorten
from quantflow.stages.report.stage import ReportStage, ReportStageConfig

SYMBOLS = ("AAA", "BBB", "CCC", "DDD")


def stages() -> list[dict[str, Any]]:
    """Return the records of the stages before the report."""
    counts = [("ingestion", 5, 4), ("policy", 4, 2), ("allocation", 2, 2), ("validation", 4, 4)]
    return [
        {
            "id": name,
            "state": "done",
            "seconds": 1.25,
            "attempt": 1,
            "entered": n,
            "left": m,
            "note": "",
            "cached": False,
            "made": {f"{name}_made": "5ca1ab1e"},
        }
        for name, n, m in counts
    ]


def stream(n: int) -> pd.DataFrame:
    """Return n sessions out of sample: a rise, one fall of 20 %, a rise."""
    net = np.full(n, 0.001)
    net[n // 2] = -0.2
    columns = {
        "net": net,
        "gross": net + 0.0001,
        "cost": np.full(n, 0.0001),
        "turnover": np.where(np.isin(np.arange(n), [0, n // 2]), n * 0.01, 0.0),
        "equal_weight": np.linspace(-0.001, 0.002, n),
    }
    return pd.DataFrame(columns, index=pd.DatetimeIndex(np.datetime64("2020-01-01") + np.arange(n), name="date"))


def block(sharpe: float | None) -> dict[str, Any]:
    """Return one block of metrics."""
    names = ("total_return", "cagr", "volatility", "sortino", "max_drawdown", "calmar", "cvar_95", "hit_rate")
    figures: dict[str, Any] = dict.fromkeys(names, 0.125)
    if sharpe is not None:
        figures |= {"sharpe_low": sharpe - 0.5, "sharpe_high": sharpe + 0.5, "probabilistic_sharpe": 0.875}
        figures |= {"min_track_record": 420.25}
    return figures | {"sharpe": sharpe, "sessions": 300, "start": "2020-01-01", "end": "2020-10-26"}


def by_symbol(columns: dict[str, Any], symbols: tuple[str, ...] = SYMBOLS) -> pd.DataFrame:
    """Return a frame indexed by symbol."""
    return pd.DataFrame(columns, index=pd.Index(symbols, name="symbol"))


def exposures(dates: pd.DatetimeIndex) -> pd.DataFrame:
    """Return what two targets were exposed to."""
    rows = [
        (dates[0], "beta", "equal_weight", 0.25, np.nan),
        (dates[0], "sector", "Tech", 0.6, 0.6),
        (dates[0], "sector", "Energy", -0.4, 0.4),
        (dates[0], "feature", "momentum", -0.75, np.nan),
        (dates[1], "beta", "equal_weight", 0.5, np.nan),
        (dates[1], "sector", "Tech", 1.0, 1.0),
        (dates[1], "feature", "momentum", 0.25, np.nan),
    ]
    table = pd.DataFrame(rows, columns=["date", "kind", "name", "net", "gross"])
    return table.assign(decided=table["date"])


def made(n: int = 300) -> dict[str, Any]:
    """Return every artifact that the report needs: four symbols, two winners, n sessions."""
    steps = np.random.default_rng(1).normal(0.0, 0.01, size=(4, n))
    close = np.ascontiguousarray(100 * np.exp(np.cumsum(steps, axis=1)))
    winners = by_symbol(
        {
            "direction": ["LONG", "SHORT"],
            "cluster": [1, 2],
            "sector": ["Tech", "Energy"],
            "alpha_score": [0.9, 0.8],
            "rank": [1, 2],
            "level": [1, 2],
        },
        ("BBB", "AAA"),
    )
    weights = winners.drop(columns=["rank", "level"])
    weights.insert(0, "weight", [0.6, -0.4])
    weights.insert(1, "atom_id", ["BBB_trend_LONG", "AAA_trend_SHORT"])
    scores = {"direction": ["SHORT", "LONG", "LONG"], "score": [-0.4, -0.2, -0.9], "alpha_score": [0.8, 0.9, 0.6]}
    parts = {"rank": [2, 1, 3], "c_momentum": [-0.3, -0.1, -0.5], "c_hurst": [-0.1, -0.1, -0.4]}
    decisions = {
        "outcome": ["selected", "selected", "vetoed", "unscored"],
        "rule": ["top_n", "top_n", "max_volatility", "scores"],
        "value": [2.0, 1.0, 0.65, np.nan],
        "limit": [2.0, 2.0, 0.6, np.nan],
        "margin": [0.0, 1.0, -0.05, np.nan],
        "level": [2, 1, 2, 2],
    }
    dates = pd.DatetimeIndex(np.datetime64("2020-01-01") + np.arange(n))
    days = dates.to_numpy().astype("datetime64[D]")
    held = {
        "date": dates[[0, 0, n // 2]],
        "decided": dates[[0, 0, n // 2]] - pd.Timedelta(days=1),
        "symbol": ["AAA", "BBB", "BBB"],
        "weight": [-0.4, 0.6, 1.0],
    }
    failed = {"symbol": "EEE", "check": "stale", "severity": "error", "observed": 9.0, "limit": 5.0}
    return {
        "prices": Panel(SYMBOLS, days, {"close": close}),
        "past": Panel((), days[:0], {"close": np.empty((0, 0))}),
        "roster": pd.DataFrame({"symbol": list(SYMBOLS)}),
        "instruments": by_symbol(
            {"name": ["A plc", "B plc", "C plc", "D plc"], "sector": "Tech", "currency": "USD", "exchange": "X"}
        ),
        "quality": pd.DataFrame([{**failed, "outcome": "quarantined", "reason": "no new price"}]),
        "features": by_symbol({"momentum": [0.1, 0.2, 0.3, np.nan]}),
        "scores": by_symbol(scores | parts, SYMBOLS[:3]),
        "clusters": by_symbol({"cluster": [2, 1, 1, 2], "order": [2, 0, 1, 3]}),
        "winners": winners,
        "decisions": by_symbol(decisions),
        "atoms": weights.reset_index().set_index("atom_id"),
        "weights": weights,
        "allocation": {
            "method": "hrp",
            "used": "equal_weight",
            "chain": [
                {"method": "hrp", "outcome": "failed", "reason": "singular"},
                {"method": "equal_weight", "outcome": "used", "reason": None},
            ],
            "binding": ["max_weight of BBB"],
            "infeasible_because": "singular",
        },
        "oos_returns": stream(n),
        "oos_weights": pd.DataFrame(held),
        "exposures": exposures(dates[[0, n // 2]]),
        "betas": by_symbol({"equal_weight": [1.5, 0.5, np.nan, 1.0]}),
        "metrics": {
            "annualisation": 252,
            "strategy": block(0.9),
            "equal_weight": block(0.7),
            "costs": {"commission_bps": 1.0, "cagr_drag": 0.0123},
            "universe": {"names": 5, "ended": 1, "share": 0.2, "members": False},
            "rebalances": {
                "scheduled": 4,
                "traded": 3,
                "held": [{"date": "2020-03-01", "reason": "too few names"}],
                "methods": {"hrp": 2, "equal_weight": 1},
                "levels": {"1": 2, "4": 1},
                "fallbacks": [{"date": "2020-04-01", "method": "equal_weight", "reason": "singular & sad"}],
            },
        },
        "run": {
            "run_id": "r1",
            "profile": "us_core",
            "as_of": "2020-10-26",
            "created": "2020-10-27T06:00:00Z",
            "parent": None,
            "degraded": True,
            "notes": ["policy: level 2"],
            "versions": {"numpy": "2.0"},
            "stages": stages(),
            "cpu": "Z80",
            "former": {"run_id": "r0", "as_of": "2020-10-23", "weights": {"BBB": 0.5, "CCC": 0.7}},
            "config": {"policy": {"top_n": 2}},
        },
    }


def page(inputs: dict[str, Any], **options: Any) -> str:
    """Return the report's HTML."""
    config = ReportStageConfig(report=ReportConfig(**options), data=DataConfig())
    return str(ReportStage().run(inputs, config)["report"])


def brief(inputs: dict[str, Any]) -> list[str]:
    """Return the brief's lines."""
    config = ReportStageConfig(report=ReportConfig(), data=DataConfig())
    return str(ReportStage().run(inputs, config)["brief"]).splitlines()


class Reader(HTMLParser):
    """Collects the tags, links and the text of each section of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.text: dict[str, str] = {"": ""}
        self._section = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag, where it leads, and which section begins."""
        self.tags.append(tag)
        given = dict(attrs)
        self.loaded += [value for name in ("src", "href") if (value := given.get(name))]
        if tag == "section":
            self._section = given["id"] or ""
            self.text[self._section] = ""

    def handle_data(self, data: str) -> None:
        """Keep the text under its section."""
        self.text[self._section] += data + "|"


@pytest.fixture(scope="module")
def inputs() -> dict[str, Any]:
    """The artifacts of the small run."""
    return made()


@pytest.fixture(scope="module")
def reader(inputs: dict[str, Any]) -> Reader:
    """The page of the small run, read."""
    return Reader(page(inputs))


def test_page_loads_nothing_and_runs_nothing(reader: Reader) -> None:
    """The page has no script, image or outside link, but its own data: it reads the same offline in ten years."""
    assert not {"script", "img", "link", "iframe", "object", "form"} & set(reader.tags)
    assert all(link.startswith(("#", "data:text/csv;base64,")) for link in reader.loaded)


def test_sections_come_in_reading_order(reader: Reader) -> None:
    """The page says first how it did, then what is held and what changed, then why, then what it rests on."""
    proof = ["", "equity", "monthly", "drawdown", "rolling", "distribution", "benchmark", "figures"]
    held = ["weights", "changes", "track", "history", "attribution", "exposures", "rebalances", "costs"]
    why = ["funnel", "winners", "contributions", "decisions", "correlation", "allocation"]
    assert list(reader.text) == [*proof, *held, *why, "quality", "timings", "provenance"]


def test_links_lead_somewhere(reader: Reader) -> None:
    """Every entry of the navigation is a section of the page."""
    assert {link[1:] for link in reader.loaded if link.startswith("#")} == set(reader.text) - {""}


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("", "After costs ahead of equal weight: Sharpe 0.90 against 0.70"),
        ("", "policy: level 2"),
        ("funnel", "5 → 4"),
        ("winners", "momentum +0.20"),
        ("weights", "60.0% long, 40.0% short"),
        ("weights", "B plc"),
        ("changes", "Turnover 120.0% since the book of 2020-10-23: 1 name new, 1 gone."),
        ("changes", "AAA|–|−40.00%|−40.00%|"),
        ("changes", "BBB|50.00%|60.00%|+10.00%|"),
        ("equity", "Each rebalance saw prices up to its own date only."),
        ("equity", "From 2020-01-01 to 2020-10-26"),
        ("drawdown", "Max drawdown of the strategy −20.0%, from 2020-05-29 to 2020-05-30"),
        ("history", "1 rebalance had no feasible portfolio"),
        ("monthly", "2020"),
        ("costs", "Turnover, both sides: 504% of capital per year, at a cost of 2.52% per year."),
        ("", "Selection run r1 of profile us_core · As of 2020-10-26, written 2020-10-27 (1 day later)"),
        ("", "Book: 2 names, 60% long, 40% short, largest BBB 60.0%. Out of sample: 2020-01-01 to 2020-10-26"),
        ("rebalances", "2020-01-01|2019-12-31|2|300.0%|0.010%|hrp|1|"),
        ("rebalances", "–|2020-03-01|–|–|–|kept|–|No feasible portfolio: too few names|"),
        ("costs", "Annual cost drag|1.23%"),
        ("exposures", "Beta to equal weight|−0.30|0.38|0.25|0.50"),
        ("exposures", "Net weight|20.0%|60.0%|20.0%|100.0%"),
        ("exposures", "Largest sector|60.0%|80.0%|60.0%|100.0%"),
        ("exposures", "Energy|−40.0%|−20.0%|−40.0%|0.0%"),
        ("exposures", "momentum|0.49|−0.25|−0.75|0.25"),
        ("correlation", "Mean correlation"),
        ("contributions", "−0.50"),
        ("decisions", "max_volatility|0.65|0.6|−0.05"),
        ("quality", "no new price"),
        ("allocation", "equal_weight, since hrp failed: singular"),
        ("allocation", "max_weight of BBB"),
        ("timings", "5.0 s"),
        ("provenance", "policy.top_n|2"),
        ("provenance", "CPU|Z80"),
        ("provenance", "allocation_made|5ca1ab1e"),
    ],
)
def test_each_section_says_its_fact(reader: Reader, where: str, said: str) -> None:
    """Each section carries the figures of its artifact."""
    assert said in reader.text[where]


def test_funnel_ends_before_the_walk_forward(reader: Reader) -> None:
    """Validation starts again with every symbol, so it is not a step of the funnel."""
    assert "validation" not in reader.text["funnel"]


def test_every_symbol_has_a_decision(reader: Reader) -> None:
    """Selected first, every symbol has a row in the table of decisions."""
    assert [word for word in reader.text["decisions"].split("|") if word in SYMBOLS] == ["AAA", "BBB", "CCC", "DDD"]


def test_without_an_earlier_book_nothing_changed(inputs: dict[str, Any]) -> None:
    """The first run of a profile, and one that changes nothing, say so; neither invents a change."""
    held = dict(inputs["weights"]["weight"])
    first = {**inputs, "run": {**inputs["run"], "former": None}}
    same = {**inputs, "run": {**inputs["run"], "former": {"run_id": "r0", "as_of": "2020-10-23", "weights": held}}}
    assert "There is no earlier book" in Reader(page(first)).text["changes"]
    assert "Changed: no earlier book to compare with" in brief(first)
    assert "No weight changed." in Reader(page(same)).text["changes"]
    assert "Changed: turnover 0.0% since the book of 2020-10-23: 0 names new, 0 gone" in brief(same)


def test_changes_too_small_to_list_are_no_contradiction(inputs: dict[str, Any]) -> None:
    """Beside a turnover that is not 0 it is said from which change on there is none."""
    held = {name: weight + 4e-5 for name, weight in inputs["weights"]["weight"].items()}
    same = {**inputs, "run": {**inputs["run"], "former": {"run_id": "r0", "as_of": "2020-10-23", "weights": held}}}
    assert "No weight changed by 0.005% or more." in Reader(page(same)).text["changes"]


@pytest.mark.parametrize("weight", [0.1, 0.123456, 100.0])
@pytest.mark.parametrize("name", ["A", "ABCDEFGHIJKLMN"])
def test_the_changes_are_whole_on_their_line(name: str, weight: float, inputs: dict[str, Any]) -> None:
    """No number is cut in its middle: what does not fit is counted, or left out."""
    former = {"run_id": "r0", "as_of": "2020-10-23", "weights": {name: weight, f"{name}2": weight, "KO": 1e-4}}
    lines = brief({**inputs, "run": {**inputs["run"], "former": former}})
    (told,) = [line for line in lines if line.startswith("Changed: ")]
    assert len(told) <= 100
    assert re.fullmatch(r"Changed: .* gone(; \S+ [+-][0-9.,]+%(, \S+ [+-][0-9.,]+%)?(, \d+ more)?)?", told)


def test_monthly_returns_compound_to_the_year(inputs: dict[str, Any]) -> None:
    """Months compound to the year, and agree with pandas."""
    net = inputs["oos_returns"]["net"]
    ours = compounded(net.index.month.to_numpy(), net.to_numpy())
    assert list(ours.values()) == pytest.approx(((1 + net).groupby(net.index.month).prod() - 1).tolist())
    assert np.prod([1 + month for month in ours.values()]) == pytest.approx((1 + net).prod())


def test_max_drawdown_counts_from_the_start() -> None:
    """A fall on the very first session counts, since wealth starts at 1."""
    dates = np.datetime64("2020-01-01") + np.arange(3)
    fall = max_drawdown(dates, np.array([-0.1, -0.1, 0.05]))
    assert (round(fall.depth, 12), fall.bottom, round(fall.now, 12)) == (0.19, "2020-01-02", 0.1495)
    still = max_drawdown(dates, np.zeros(3))
    assert (still.depth, still.peak, still.now) == (0.0, "2020-01-01", 0.0)


def test_odds_agree_with_scipy() -> None:
    """The t value of the verdict is the one-sample t statistic; too few sessions have none."""
    from scipy.stats import ttest_1samp

    differences = np.random.default_rng(3).normal(0.001, 0.01, 250)
    assert t_value(differences) == pytest.approx(ttest_1samp(differences, 0.0).statistic)
    assert t_value(differences[:29]) is None
    assert t_value(np.zeros(100)) is None


def test_brief_is_short_and_complete(inputs: dict[str, Any]) -> None:
    """The brief fits a mail: at most 15 lines of 100 columns, ASCII here, with what one must know."""
    lines = brief(inputs)
    assert len(lines) <= 15
    assert max(map(len, lines)) <= 100
    assert "".join(lines).isascii()
    starts = ("us_core as of 2020-10-26", "DEGRADED", "Verdict", "Weights: 2 names (long 60%, short 40%): BBB 60.0%")
    rest = (
        "Changed: turnover 120.0% since the book of 2020-10-23: 1 name new, 1 gone; CCC -70.0%, 2 more",
        "Turnover: 504% per year, both sides, cost 2.52% per year, out of sample",
        "4 rebalances: 2 hrp, 1 equal_weight; 2 at level 1, 1 at level 4; 1 not feasible",
        "Out of sample",
        "Set aside: 1 by the data gate (EEE)",
        "The Sharpe ratio is above 0 with probability 87.5%; 95% needs 421 sessions, and there are 300",
        "Winners: level 2 of 4 (spectral), 1 winner above level 1. Allocation: equal_weight instead of hrp",
        "Risk",
    )
    assert all(any(line.startswith(start) for line in lines) for start in starts + rest)


def test_whose_universe_it_was_is_said_once(inputs: dict[str, Any]) -> None:
    """Page and brief have a line on it: today's names, or the members of each date, and how many have ended."""
    assert any(line.endswith("today's names, 20.0% ended") for line in brief(inputs))
    assert "Universe: today&#39;s names (no universe.members); 1 of 5 names (20.0%) ended" in page(inputs)
    members = {"universe": {"names": 5, "ended": 1, "share": 0.2, "members": True}}
    given = {**inputs, "metrics": {**inputs["metrics"], **members}}
    assert any(line.endswith("members by date, 20.0% ended") for line in brief(given))
    assert "The universe and the settings are today" in page(inputs)
    assert "Universe: the members of each date; 1 of 5 names (20.0%) ended" in page(given)
    assert "The universe and the settings are today" not in page(given)
    unknown = {name: value for name, value in inputs["metrics"].items() if name != "universe"}
    assert not any("ended" in line for line in brief({**inputs, "metrics": unknown}))


def test_text_is_cut_at_a_word(inputs: dict[str, Any]) -> None:
    """A cut line ends with a whole word and an ellipsis; only a word that is itself too long is cut."""
    wordy = copy.deepcopy(inputs)
    wordy["run"]["notes"] = ["supercalifragilistic " * 40]
    wordy["allocation"]["infeasible_because"] = "incontrovertible " * 40
    lines = [line for line in brief(wordy) if "supercali" in line or "incontrovertible" in line]
    assert lines
    for line in lines:
        assert set(re.findall(r"\b[a-z]{7,}", line)) & {"supercalifragilistic", "incontrovertible"}
        assert not re.search(r"\b(super(?!califragilistic)|incon(?!trovertible))", line)
    assert sum("..." in line for line in brief(wordy)) == 1
    assert shorten("International Business Machines", 16) == "International…"
    assert shorten("a" * 30, 10) == "a" * 9 + "…"


def test_long_names_do_not_widen_the_brief(inputs: dict[str, Any]) -> None:
    """Long notes, reasons and ids are cut, and never break a line."""
    wordy = copy.deepcopy(inputs)
    wordy["run"]["notes"] = ["x\ny " * 200]
    wordy["run"]["run_id"] = "r" * 300
    wordy["allocation"]["infeasible_because"] = "because " * 100
    assert max(map(len, brief(wordy))) <= 100
    assert len(brief(wordy)) == len(brief(inputs))


def test_stored_artifacts_give_the_same_bytes(inputs: dict[str, Any]) -> None:
    """What comes back from the artifact store, in another process or order, makes the same page and brief."""
    stored = {}
    for name in reversed(list(inputs)):
        data, suffix, _, _ = encode(inputs[name])
        stored[name] = decode(data, suffix)
    assert page(stored) == page(inputs)
    assert brief(stored) == brief(inputs)


def test_inputs_are_left_alone(inputs: dict[str, Any]) -> None:
    """The stage changes none of its inputs."""
    before = {name: encode(value)[0] for name, value in inputs.items()}
    page(inputs)
    assert {name: encode(value)[0] for name, value in inputs.items()} == before


FLIPS: dict[str, tuple[dict[str, Any], str]] = {
    "title": ({"title": "Core & more"}, "<h1>Core &amp; more</h1>"),
    "top": ({"top": 1}, "1 more"),
}


def test_flips_cover_every_option() -> None:
    """A new option cannot arrive without a test that it matters."""
    assert FLIPS.keys() == ReportConfig.model_fields.keys()


@pytest.mark.parametrize("option", FLIPS)
def test_option_changes_the_page(inputs: dict[str, Any], option: str) -> None:
    """Each option has the effect that its description promises."""
    options, expected = FLIPS[option]
    assert expected in page(inputs, **options)
    assert expected not in page(inputs)


@pytest.mark.parametrize(
    "empty",
    ["quality", "winners", "weights", "scores", "decisions", "clusters", "oos_weights", "oos_returns", "exposures"],
)
def test_an_empty_table_leaves_a_page(inputs: dict[str, Any], empty: str) -> None:
    """A table without rows costs its own section its content, and nothing else."""
    some = {**inputs, empty: inputs[empty].iloc[:0]}
    assert len(Reader(page(some)).text) == 25
    assert len(brief(some)) <= 15


def test_the_rolling_window_is_what_the_history_allows() -> None:
    """A year where there are two of them, half of one where there is a year, and a sentence in a shorter history."""
    assert "Each point is of the 252 sessions" in page(made(504))
    assert "Each point is of the 126 sessions" in page(made(503))
    assert "Fewer than 252 sessions" in page(made(251))


def test_undefined_metrics_give_no_verdict(inputs: dict[str, Any]) -> None:
    """A null Sharpe ratio is a dash, and the verdict is that there is none."""
    metrics = {**inputs["metrics"], "strategy": block(None)}
    text = page({**inputs, "metrics": metrics})
    assert "No verdict" in text
    assert re.search(r"\bnan\b", text) is None


def test_many_symbols_stay_small() -> None:
    """33 years, 400 rebalances of 30 names and two benchmarks stay below 1.5 MB, and 500 symbols below 0.6 MB."""
    big, rng = made(8300), np.random.default_rng(2)
    big["oos_returns"] = big["oos_returns"].assign(net=rng.normal(0.0004, 0.01, 8300), equal_weight=0.0003)
    big["oos_returns"]["benchmark"] = rng.normal(0.0004, 0.01, 8300)
    names = [f"S{i:02d}" for i in range(30)]
    dates = big["oos_returns"].index[::21]
    grid = pd.DataFrame(rng.dirichlet(np.ones(30), len(dates)), pd.Index(dates, name="date"), names)
    held = grid.rename_axis(columns="symbol").stack().rename("weight").reset_index()
    big["oos_weights"] = held.assign(decided=held["date"] - pd.Timedelta(days=1))
    html = page(big)
    assert len(html.encode()) < 1_500_000
    assert "other, 10 names" in html
    symbols = tuple(f"S{i:03d}" for i in range(500))
    decisions = by_symbol(
        {"outcome": "cut", "rule": "top_n", "value": 9.0, "limit": 5.0, "margin": -4.0, "level": 1}, symbols
    )
    assert len(page({**made(), "decisions": decisions}).encode()) < 600_000


def test_summary_is_the_verdict(inputs: dict[str, Any]) -> None:
    """People who only watch the progress see the verdict."""
    assert ReportStage().summary(inputs, {}).note.startswith("After costs ahead of equal weight")


def test_a_sharpe_ratio_is_shown_with_its_interval(inputs: dict[str, Any], reader: Reader) -> None:
    """Page and brief give the 95 % interval of each Sharpe ratio, and how long a record would show it."""
    assert "0.90 (95%: 0.40 to 1.40)" in " ".join(reader.text.values())
    assert "The Sharpe ratio is above 0 with probability 87.5%; 95% needs 421 sessions, and there are 300." in " ".join(
        reader.text.values()
    )
    row = next(line for line in brief(inputs) if line.startswith("  strategy"))
    assert "0.90 (95%: 0.40 to 1.40)" in row


def test_the_trials_are_counted_with_the_run_itself(inputs: dict[str, Any]) -> None:
    """The deflated Sharpe is said with the number that it used, the lower one's; without a count nothing is said."""
    counts: list[Any] = [
        {"ratios": [0.02, -0.01, 0.05], "clusters": [0.03]},
        {"ratios": [], "clusters": [0.01]},
        {"ratios": [0.02, -0.01, 0.05], "clusters": [0.2, -0.1]},
    ]
    tried, alone, clusters = ({**inputs, "run": {**inputs["run"], "trials": each}} for each in counts)
    found = [
        next(line for line in brief(each) if line.startswith("The Sharpe ratio is above 0"))
        for each in (tried, alone, inputs, clusters)
    ]
    assert "% deflated for 4 trials; " in found[0]
    assert "% deflated for 1 trial; " in found[1]
    assert "deflated" not in found[2]
    assert "% deflated for 2 clusters of 4 trials; " in found[3]


def test_a_record_that_shows_nothing_says_so(inputs: dict[str, Any]) -> None:
    """A strategy that lost has no length of record that would show a gain."""
    lost = copy.deepcopy(inputs)
    lost["metrics"]["strategy"] |= {"probabilistic_sharpe": 0.2, "min_track_record": None}
    assert "The Sharpe ratio is above 0 with probability 20.0%; no number of sessions would make it 95%" in brief(lost)
    lost["metrics"]["strategy"]["probabilistic_sharpe"] = None
    assert "Whether the Sharpe ratio is above 0 is undefined" in brief(lost)


def test_how_rebalances_were_decided_is_on_the_page(inputs: dict[str, Any], reader: Reader) -> None:
    """The page counts methods and levels, and lists each fallback with its reason."""
    text = " ".join(reader.text.values())
    assert "Out of sample: 4 rebalances: 2 hrp, 1 equal_weight; 2 at level 1, 1 at level 4; 1 not feasible." in text
    assert "1 rebalance needed a fallback" in text
    assert "singular & sad" in text


def test_a_benchmark_of_choice_stands_beside_equal_weight(inputs: dict[str, Any]) -> None:
    """Page and brief have a row for it, and the page what the strategy is beside it."""
    chosen = copy.deepcopy(inputs)
    chosen["oos_returns"]["benchmark"] = 0.001
    names = ("beta", "alpha", "tracking_error", "information_ratio", "up_capture", "down_capture")
    chosen["metrics"]["benchmark"] = {**block(0.4), "symbol": "SPY", **dict.fromkeys(names, 0.25)}
    text = " ".join(Reader(page(chosen)).text.values())
    assert "Against SPY: beta 0.25, alpha 25.0% per year, tracking error 25.0%, information ratio 0.25" in text
    assert ", capture 25% up, 25% down." in text
    assert page(chosen).count("tbenchmark") > page(inputs).count("tbenchmark")
    assert '<th scope="row" class="l">SPY</th>' in page(chosen)
    assert ">SPY</text>" in page(chosen)
    assert any(line.startswith("  benchmark    0.40") for line in brief(chosen))


def test_other_lags_stand_beside_the_strategys_own(inputs: dict[str, Any]) -> None:
    """Page and brief show each lag that is asked for, with its own figures; the verdict is of the strategy's lag."""
    metrics = {**inputs["metrics"], "strategy": {**block(0.5), "lag": 1}}
    metrics["lags"] = {"0": {**block(1.25), "lag": 0}, "10": {**block(0.25), "lag": 10}}
    shown = {**inputs, "metrics": metrics}
    labels = ["at lag 1", "at lag 0", "at lag 10", "equal weight"]
    text = Reader(page(shown)).text["equity"].partition("Win rate")[2]
    places = [text.index(label) for label in labels]
    assert places == sorted(places)
    assert "1.25 (95%: 0.75 to 1.75)" in text
    lines = [line for line in brief(shown) if line.startswith(("  at lag", "  equal"))]
    assert [line[2:15].strip() for line in lines] == labels
    assert not any("at lag" in line for line in brief(inputs))
