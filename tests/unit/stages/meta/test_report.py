"""The report of a meta run: what is missing comes first, and every sleeve has a line."""

from __future__ import annotations

import copy
import re
from datetime import date
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.config.meta import MetaAllocation, MetaValidation
from quantflow.data.quality.costs import costs_frame
from quantflow.pipeline.stage import StageConfig
from quantflow.stages.meta.flattening import FlatteningStage
from quantflow.stages.meta.optimisation import OptimisationStage
from quantflow.stages.meta.report import MetaReportStage
from quantflow.stages.meta.validation import MetaValidationStage

NAMES = ("core", "trend", "calm")
HOSTILE = '<script>alert("x")</script>'


def made(names: tuple[str, ...] = NAMES, **allocation: Any) -> dict[str, Any]:
    """Return every artifact that the report needs, from the stages before it on made-up sleeves."""
    rng = np.random.default_rng(8)
    common = rng.normal(0.0004, 0.006, (700, 1))
    values = common + rng.normal(0.0003, 0.006, (700, len(names)))
    dates = pd.DatetimeIndex(pd.bdate_range("2020-01-01", periods=700).to_numpy().astype("datetime64[D]"), name="date")
    streams = pd.DataFrame(values, dates, list(names))
    inputs: dict[str, Any] = {
        "streams": streams,
        "benchmarks": streams,
        "sleeve_trades": pd.DataFrame({"sleeve": names, "date": dates[0], "symbol": names, "weight": 1.0}),
        "asset_returns": streams[sorted(names)],
        "asset_tradable": streams[sorted(names)].notna(),
        "asset_costs": costs_frame({}),
    }
    rows = [
        (name, f"S{i}{j:02d}" if j else "BOTH", (-1.0 if i == 2 and j == 0 else 1.0) / 4, "Tech")
        for i, name in enumerate(names)
        for j in range(4)
    ]
    inputs["sleeve_books"] = pd.DataFrame(rows, columns=["sleeve", "symbol", "weight", "sector"])
    settings = {
        "allocation": MetaAllocation(**({"method": "risk_parity"} | allocation)).model_dump(),
        "budget": 1.0,
        "sleeves": [{"id": name} for name in names],
        "rebalance": {"every": "quarterly"},
        "validation": MetaValidation().model_dump(),
        "calendar": {"name": "XNYS"},
    }
    for stage in (OptimisationStage(), FlatteningStage(), MetaValidationStage()):
        inputs |= stage.run(inputs, stage.configured(settings))  # type: ignore[arg-type]
    entries = [
        {
            "id": name,
            "profile": f"{name}_profile",
            "run_id": f"20220909-{name}-ab12",
            "as_of": str(dates[-1].date()),
            "config_hash": f"{i}f3a9c7be0123456",
            "reused": i == 1,
            "degraded": False,
            "metrics": {"sharpe": 1.0},
        }
        for i, name in enumerate(names)
    ]
    return inputs | {
        "sleeves": {"sleeves": entries, "failed": [], "partial": False},
        "run": {
            "run_id": "r1",
            "profile": "all_weather",
            "as_of": str(dates[-1].date()),
            "created": "2022-09-10T06:00:00Z",
            "parent": None,
            "degraded": False,
            "notes": [],
            "versions": {"numpy": "2.0"},
            "stages": [{"id": "meta.aggregation", "state": "done", "seconds": 0.5, "attempt": 1, "cached": False}],
            "config": settings,
        },
    }


@pytest.fixture(scope="module")
def artifacts() -> dict[str, Any]:
    """Three sleeves, all there."""
    return made()


def partial(inputs: dict[str, Any], *failures: dict[str, Any]) -> dict[str, Any]:
    """Return the same run with some sleeves that failed."""
    given = failures or ({"id": "coin", "stage": "ingestion", "message": "The exchange did not answer."},)
    return inputs | {"sleeves": {**inputs["sleeves"], "failed": list(given), "partial": True}}


def report(inputs: dict[str, Any], **options: Any) -> dict[str, str]:
    """Return page and brief."""
    stage = MetaReportStage()
    return dict(stage.run(inputs, stage.configured({"report": options})))  # type: ignore[arg-type]


class Text(HTMLParser):
    """Collects headings, text and table rows; fails on tags that do not close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a tag, and a row with ``tr``."""
        if tag == "meta":
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep text, and cells by row."""
        if "style" in self.open or not data.strip():
            return
        self.text.append(data)
        if self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)

    def row(self, first: str, width: int) -> list[str]:
        """Return the first row that starts with a text and has some width."""
        return next(row for row in self.rows if row[0] == first and len(row) == width)


def test_a_sleeve_is_told_by_its_figures_and_where_it_comes_from(artifacts: dict[str, Any]) -> None:
    """Each sleeve has a row of figures and a row of profile, run, session, age, whether reused, and config hash."""
    page = Text(report(artifacts)["report"])
    session = artifacts["run"]["as_of"]
    assert page.row("trend", 7)[1:] == ["trend_profile", "20220909-trend-ab12", session, "0 days", "yes", "1f3a9c7b"]
    assert page.row("core", 7)[5] == "no"
    figures = page.row("trend", 8)
    weight = artifacts["sleeve_weights"].loc["trend", "weight"]
    assert figures[1] == f"{100 * weight:.1f}%"
    assert figures[2] == "33.3%"
    own = artifacts["metrics"]["sleeves"]["trend"]
    low, high = (f"{own[name]:.2f}".replace("-", "−") for name in ("sharpe_low", "sharpe_high"))
    assert figures[4] == f"{own['sharpe']:.2f} (95%: {low} to {high})"


def test_the_part_of_return_is_weight_times_mean(artifacts: dict[str, Any]) -> None:
    """A sleeve's part of return is its weight times the mean of its returns since capital was put in, a year."""
    shown = artifacts["streams"].loc[artifacts["oos_returns"].index[1] :, "calm"].mean() * 252
    expected = 100 * shown * artifacts["sleeve_weights"].loc["calm", "weight"]
    assert Text(report(artifacts)["report"]).row("calm", 8)[3] == f"{expected:.1f}%".replace("-", "−")


def test_contributions_show_both_sides_of_what_was_netted(artifacts: dict[str, Any]) -> None:
    """The asset with the most on either side comes first, a cell per sleeve, then net; the last row sums all."""
    page = Text(report(artifacts)["report"])
    w = artifacts["sleeve_weights"]["weight"]
    both = [0.25 * w["core"], 0.25 * w["trend"], -0.25 * w["calm"]]
    expected = [f"{100 * value:.2f}%".replace("-", "−") for value in (*both, sum(both))]
    assert page.row("BOTH", 5)[1:] == expected
    total = artifacts["weights"]["weight"].sum()
    assert page.row("All", 5)[-1] == f"{100 * total:.2f}%"
    assert any(text.endswith(" after.") and "gross 100.0% before netting" in text for text in page.text)


def test_tables_are_cut_to_top(artifacts: dict[str, Any]) -> None:
    """The option top bounds the bars of weights and the rows of contributions; the rest is summed."""
    page = Text(report(artifacts, top=3)["report"])
    parts = artifacts["contributions"].query("symbol != 'BOTH'").set_index("symbol")["weight"]
    held = parts.sort_values(ascending=False, kind="stable").index[:2]
    start = page.rows.index(["Symbol", *NAMES, "Net"])
    assert [row[0] for row in page.rows[start + 1 : start + 6]] == ["BOTH", *held, "7 more", "All"]


def test_the_title_names_the_page(artifacts: dict[str, Any]) -> None:
    """The option title replaces the profile's name as heading."""
    html = report(artifacts, title="All weather")["report"]
    assert "<h1>All weather</h1>" in html
    assert "Meta run r1 of meta profile all_weather, 3 sleeves" in html


def test_sleeves_and_netting_add_up_to_the_total_return(artifacts: dict[str, Any]) -> None:
    """Each sleeve's capital times its return, session by session, and what netting left, are the whole growth."""
    page, frame = Text(report(artifacts)["report"]), artifacts["oos_returns"]
    rows = [*(page.row(name, 4) for name in NAMES), page.row("Netting, less moving capital", 2)]
    parts = [float(row[1].replace("−", "-").rstrip("%")) for row in rows]
    assert sum(parts) == pytest.approx(100 * (np.prod(1 + frame["net"]) - 1), abs=0.03)
    capital = artifacts["oos_capital"].pivot_table(index="date", columns="symbol", values="weight")["trend"]
    wealth, money, gain = (1 + frame["net"]).cumprod(), 0.0, 0.0
    for day, move in artifacts["streams"].loc[frame.index, "trend"].items():
        gain += money * move
        money *= 1 + move
        if day in capital.index:
            money = capital[day] * wealth[day]
    assert page.row("trend", 4)[1] == f"{100 * gain:+.2f}%".replace("-", "−")


def test_growth_shows_every_sleeve(artifacts: dict[str, Any]) -> None:
    """Each sleeve has a line and a name beside the strategy and equal weight."""
    html = report(artifacts)["report"]
    chart = html[html.index('id="equity"') : html.index('id="monthly"')]
    assert chart.count("<polyline") == 6
    assert all(f">{name}</text>" in chart for name in (*NAMES, "strategy", "equal weight"))


def test_sections_are_linked(artifacts: dict[str, Any]) -> None:
    """Every link of the head leads to a section, and ids are unique."""
    html = report(artifacts)["report"]
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(ids)


def test_what_is_missing_comes_first(artifacts: dict[str, Any]) -> None:
    """With sleeves missing, page and brief begin with which, why, and what became of their capital."""
    found = report(partial(artifacts))
    first, second = [text for text in Text(found["report"]).text if "·" not in text][:2]
    told = "Partial: 1 of 4 sleeves missing: coin (failed at ingestion: The exchange did not answer)."
    assert first == told
    assert second == "Capital was renormalised: all 100% is divided among the 3 left, as risk_parity weighs them."
    assert found["brief"].startswith(f"{told}\n{second}\n")
    assert Text(found["report"]).row("coin", 7)[2] == "failed at ingestion"


def test_parts_of_a_nested_sleeve_are_counted_as_such(artifacts: dict[str, Any]) -> None:
    """Several parts of one missing sleeve are one sleeve; parts of a sleeve that is there are told apart."""
    parts = [{"id": f"coin/{part}", "stage": "features", "message": "too short"} for part in ("btc", "eth")]
    brief = report(partial(artifacts, *parts))["brief"]
    assert brief.startswith("Partial: 1 of 4 sleeves missing: coin/btc (failed at features: too short); coin/eth")
    within = report(partial(artifacts, {"id": "trend/btc", "stage": "", "message": ""}))["brief"]
    assert within.startswith("Partial: parts of a sleeve are missing: trend/btc (failed at start: no reason recorded).")


def test_nothing_is_said_of_missing_sleeves_when_all_are_there(artifacts: dict[str, Any]) -> None:
    """A whole portfolio begins with the run."""
    found = report(artifacts)
    assert "Partial" not in found["report"]
    assert found["brief"].startswith("all_weather as of ")


def test_a_sleeve_older_than_the_run_is_told(artifacts: dict[str, Any]) -> None:
    """A stale sleeve in a fresh portfolio is named with its session, on the page and in the brief."""
    inputs = copy.deepcopy({"sleeves": artifacts["sleeves"]})
    inputs["sleeves"]["sleeves"][1] |= {"as_of": "2022-06-30", "degraded": True}
    found = report(artifacts | inputs)
    session = artifacts["run"]["as_of"]
    told = f"Sleeve trend is of 2022-06-30, before this run's session {session}."
    old = (date.fromisoformat(session) - date(2022, 6, 30)).days
    assert Text(found["report"]).row("trend", 7)[4] == f"{old} days"
    assert told in Text(found["report"]).text
    assert "Sleeve trend completed with fallbacks." in Text(found["report"]).text
    assert f"Note: {told}" in found["brief"]


def test_fallbacks_over_time_are_listed(artifacts: dict[str, Any]) -> None:
    """Rebalances that needed a fallback are folded under the allocation, with date, method and reason."""
    inputs = copy.deepcopy({"metrics": artifacts["metrics"]})
    inputs["metrics"]["rebalances"]["fallbacks"] = [{"date": "2021-03-31", "method": "hrp", "reason": "no optimum"}]
    page = Text(report(artifacts | inputs)["report"])
    assert "1 rebalance needed a fallback" in page.text
    assert page.row("2021-03-31", 3) == ["2021-03-31", "hrp", "no optimum"]


def test_the_brief_is_short(artifacts: dict[str, Any]) -> None:
    """The brief has at most 15 lines of at most 100 characters, also when much is to be told."""
    failures = [{"id": f"sleeve{i}", "stage": "ingestion", "message": "no answer " * 30} for i in range(5)]
    busy = partial(artifacts, *failures)
    busy["run"] = {**busy["run"], "degraded": True, "notes": ["meta.optimisation: hrp"]}
    for inputs in (artifacts, busy):
        lines = report(inputs)["brief"].splitlines()
        assert len(lines) <= 15
        assert max(map(len, lines)) <= 100
    assert "DEGRADED: meta.optimisation: hrp" in report(busy)["brief"]
    assert "Netting: " in report(artifacts)["brief"]


def test_everything_from_outside_is_text(artifacts: dict[str, Any]) -> None:
    """Names, reasons and ids that look like markup are shown as they are, on a page that runs nothing."""
    inputs = copy.deepcopy(partial(artifacts, {"id": HOSTILE, "stage": HOSTILE, "message": HOSTILE}))
    inputs["sleeves"]["sleeves"][0] |= dict.fromkeys(("profile", "run_id", "as_of", "config_hash"), HOSTILE)
    inputs["weights"] = inputs["weights"].rename(index={"BOTH": HOSTILE}).assign(sector=HOSTILE)
    inputs["contributions"] = inputs["contributions"].replace("BOTH", HOSTILE)
    inputs["run"] |= {"profile": HOSTILE, "run_id": HOSTILE, "notes": [HOSTILE]}
    found = report(inputs, title=HOSTILE)
    assert "<script" not in found["report"]
    assert "&lt;script&gt;" in found["report"]
    Text(found["report"])


def test_same_inputs_same_bytes_and_untouched(artifacts: dict[str, Any]) -> None:
    """Page and brief depend on the artifacts alone, which stay as they are."""
    before = copy.deepcopy(artifacts)
    assert report(artifacts) == report(copy.deepcopy(artifacts))
    for name, value in before.items():
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(artifacts[name], value)
        else:
            assert artifacts[name] == value


def test_one_sleeve_has_no_correlation() -> None:
    """A portfolio of one sleeve has a whole report."""
    page = Text(report(made(("only",)))["report"])
    assert "There is one sleeve." in page.text


def test_many_sleeves_are_drawn_the_largest_first() -> None:
    """Of twelve sleeves the eight largest have a line; tables show all of them."""
    names = tuple(f"s{i:02d}" for i in range(12))
    html = report(made(names, method="equal_weight"))["report"]
    chart = html[html.index('id="equity"') : html.index('id="monthly"')]
    assert chart.count("<polyline") == 11
    assert Text(html).row("s11", 8)


def test_a_portfolio_that_cancels_is_told(artifacts: dict[str, Any]) -> None:
    """When all longs and shorts cancel the page says that nothing is held."""
    inputs = artifacts | {"weights": artifacts["weights"].iloc[:0]}
    found = report(inputs)
    assert "All positions cancel: the portfolio holds nothing." in Text(found["report"]).text
    assert "Weights: 0 names" in found["brief"]


def test_the_summary_is_the_verdict(artifacts: dict[str, Any]) -> None:
    """The stage's line is the verdict, degraded when a sleeve is missing."""
    stage = MetaReportStage()
    whole, missing = stage.summary(artifacts, {}), stage.summary(partial(artifacts), {})
    assert whole.note.startswith("After costs ")
    assert (whole.degraded, missing.degraded) == (False, True)


def test_config_is_the_report_section() -> None:
    """The stage reads the report section and nothing else."""
    assert set(MetaReportStage().configured({"report": {}, "budget": 1.0}).model_dump()) == {"report"}
    assert StageConfig.model_fields == {}
