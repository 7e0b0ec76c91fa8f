"""Ingestion: what the provider has, up to the as-of, on the calendar's grid, held to the contract."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.config.data import OPTIONS, DataConfig
from quantflow.config.sections import Section
from quantflow.data import providers
from quantflow.data.artifacts import encode
from quantflow.data.calendars import sessions
from quantflow.errors import ConfigError, DataError
from quantflow.pipeline.registry import StageRegistry
from quantflow.pipeline.stage import Kind, note_sink
from quantflow.stages.ingestion import IngestionStage

STAGE = IngestionStage()
AS_OF = "2022-12-28"
DAYS = pd.date_range("2021-01-01", "2022-12-28")


class TableProvider:
    """A provider of the bars that a test puts into ``table``; it ignores the dates asked for."""

    name = "table"
    table: pd.DataFrame

    def __init__(self, config: DataConfig) -> None:
        self.config = config

    def instruments(self, universe: Any) -> pd.DataFrame:
        """Return every symbol of the table, and EMPTY, which has no bars."""
        index = pd.Index(sorted({*self.table["symbol"], "EMPTY"}), name="symbol")
        return pd.DataFrame({"name": "n", "sector": "s", "currency": "USD", "exchange": "X"}, index=index)

    def bars(self, symbols: Any, start: date | None, end: date) -> pd.DataFrame:
        """Return the table whatever was asked for."""
        return self.table

    def facts(self, symbols: Any) -> pd.DataFrame:
        """Return nothing: ingestion asks for no facts."""
        return pd.DataFrame()

    def last_date(self) -> date | None:
        """Return None: a live source."""
        return None


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Register TableProvider with 5 symbols of daily bars; the test may change ``table.table``."""
    monkeypatch.setitem(providers._BUILT_IN, "table", f"{__name__}:TableProvider")
    monkeypatch.setitem(OPTIONS, "table", Section)  # type: ignore[arg-type]
    rng = np.random.default_rng(5)
    closes = 20 * np.exp(np.cumsum(rng.normal(0, 0.01, (5, len(DAYS))), axis=1))
    frames = [pd.DataFrame({"symbol": s, "date": DAYS, "close": c}) for s, c in zip("ABCDE", closes, strict=True)]
    monkeypatch.setattr(TableProvider, "table", pd.concat(frames, ignore_index=True), raising=False)
    return TableProvider


def run(as_of: str = AS_OF, **sections: Any) -> dict[str, Any]:
    """Run the stage."""
    given = {"data": {}, "universe": {}, "calendar": {}, "validation": {}, "as_of": as_of, **sections}
    return dict(STAGE.run({}, STAGE.configured(given)))  # type: ignore[arg-type]


def table_run(as_of: str = AS_OF, calendar: str = "24/7", **data: Any) -> dict[str, Any]:
    """Run the stage on TableProvider, which lacks the symbol EMPTY."""
    return run(as_of, data={"provider": "table", **data}, calendar={"name": calendar})


def test_it_is_the_pipelines_first_stage() -> None:
    """Ingestion is a network stage that needs nothing and makes what is known of the data."""
    stage = StageRegistry.get("ingestion")
    assert (stage.id, stage.kind, stage.needs) == ("ingestion", Kind.NETWORK, ())
    assert stage.makes == ("prices", "instruments", "past", "roster", "quality", "checks", "former")


def test_sample_end_to_end() -> None:
    """The sample from 2012 passes whole: 20 stocks, every session of New York, no finding."""
    out = run(data={"start": "2012-01-03"})
    assert len(out["prices"].symbols) == len(out["instruments"]) == 20
    assert out["prices"].last_session == np.datetime64(AS_OF)
    assert not np.isnan(out["prices"].close).any()
    assert out["quality"].empty
    summary = STAGE.summary({}, out)
    assert (summary.entered, summary.left, summary.note, summary.degraded) == (20, 20, "", False)


def test_the_samples_real_fault_is_found() -> None:
    """One stock of the sample was back-filled with one price in 1990: it is set aside with the reason."""
    out = run()
    assert out["quality"]["symbol"].tolist() == ["RRC", "RRC"]
    assert out["quality"]["check"].tolist() == ["jump", "stale"]
    assert "RRC" not in out["prices"].symbols
    assert out["past"].symbols == ("RRC",)
    summary = STAGE.summary({}, out)
    assert (summary.entered, summary.left, summary.note, summary.degraded) == (20, 19, "1 set aside", True)


def test_same_inputs_same_bytes() -> None:
    """Two runs give artifacts with the same bytes."""
    first, second = run("2000-01-03"), run("2000-01-03")
    assert [encode(first[name])[0] for name in STAGE.makes] == [encode(second[name])[0] for name in STAGE.makes]


def test_an_earlier_as_of_is_a_prefix() -> None:
    """What a run saw at an earlier as-of is what a later run sees up to then."""
    data = {"start": "2012-01-03"}
    early, late = run("2015-06-30", data=data)["prices"], run(data=data)["prices"]
    cut = late.up_to(np.datetime64("2015-06-30"))
    np.testing.assert_array_equal(cut.close, early.close)
    np.testing.assert_array_equal(cut.sessions, early.sessions)


def test_bars_after_the_as_of_are_cut_and_noted(table: Any) -> None:
    """A provider that answers with later bars changes nothing but a note."""
    out = table_run("2022-06-30")
    assert out["prices"].last_session == np.datetime64("2022-06-30")
    cut = out["quality"][out["quality"]["check"] == "after_as_of"]
    assert cut["observed"].tolist() == [181.0] * 5
    note = STAGE.summary({}, out).note
    assert "905 bars after the as-of cut" in note
    before = table.table
    table.table = before[before["date"] <= "2022-06-30"]
    honest = table_run("2022-06-30")
    assert encode(honest["prices"])[0] == encode(out["prices"])[0]


def test_bars_before_the_start_are_cut(table: Any) -> None:
    """data.start bounds the panel also when the provider ignores it."""
    out = table_run(start="2021-06-01")
    assert out["prices"].sessions[0] == np.datetime64("2021-06-01")


def test_holidays_are_holes_not_zeros(table: Any) -> None:
    """Days that the calendar has and the provider has not stay NaN; days that it has not are no rows."""
    table.table = table.table[table.table["date"] != "2022-03-02"]
    daily = table_run()["prices"]
    hole = int(np.searchsorted(daily.sessions, np.datetime64("2022-03-02")))
    assert np.isnan(daily.close[:, hole]).all()
    assert not (daily.close == 0).any()
    weekdays = table_run(calendar="XNYS")
    assert np.is_busday(weekdays["prices"].sessions).all()
    assert "off_session" in set(weekdays["quality"]["check"])


def test_failing_symbols_are_set_aside_within_the_budget(table: Any) -> None:
    """A symbol without bars is set aside, the rest goes on; without a budget the run stops and says why."""
    out = table_run()
    assert out["prices"].symbols == tuple("ABCDE") == tuple(out["instruments"].index)
    assert out["quality"].set_index("symbol").loc["EMPTY", "outcome"] == "quarantined"
    with pytest.raises(DataError) as caught:
        table_run(quarantine_budget=0.0)
    assert "1 of 6 symbols fail the data contract, the budget is 0%: EMPTY (history: no price at all)" in str(
        caught.value
    )
    assert caught.value.exit_code == 21
    assert not caught.value.retryable
    assert caught.value.hint


def test_one_dead_symbol_never_stops_the_book(table: Any) -> None:
    """One may be set aside whatever fraction of the universe it is; two of six are above a tenth."""
    assert len(table_run(quarantine_budget=0.1)["prices"].symbols) == 5
    table.table = table.table[(table.table["symbol"] != "A") | (table.table["date"] > "2022-11-01")]
    with pytest.raises(DataError, match="2 of 6 symbols fail the data contract, the budget is 10%"):
        table_run(quarantine_budget=0.1)


def test_a_check_that_blocks_stops_the_run_within_the_budget(table: Any) -> None:
    """One symbol is enough, whatever the budget; the error carries the table of checks."""
    with pytest.raises(DataError, match=r"1 symbol fails a check that blocks: EMPTY \(history") as caught:
        table_run(on_history="block")
    assert caught.value.exit_code == 21
    assert "data.on_history" in str(caught.value.hint)
    assert checks({"checks": caught.value.context["checks"]})["history"]["outcome"] == "blocked"


def checks(out: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of the record of checks, by check."""
    return {row["check"]: row for row in out["checks"]["checks"]}


def test_every_check_is_told_with_its_limit_and_the_worst(table: Any) -> None:
    """Each limit has a row with severity, block flag, the worst of all symbols, and whom it concerned."""
    table.table.loc[table.table["symbol"] == "B", "close"] *= np.where(DAYS == "2021-06-01", 9.0, 1.0)
    out = table_run(max_tail=7, on_spike="warn", on_gap="block", spike_mad=30.0)
    rows = checks(out)
    picked = ("severity", "block", "limit", "outcome", "symbols")
    assert [rows["spike"][key] for key in picked] == ["warn", False, 30.0, "warn", ["B"]]
    assert [rows["history"][key] for key in picked] == ["error", False, 252, "quarantined", ["EMPTY"]]
    assert [rows["gap"][key] for key in picked] == ["error", True, 5, "passed", []]
    assert [rows["budget"][key] for key in picked] == ["error", True, 0.25, "passed", []]
    assert (rows["spike"]["observed"] > 30, rows["history"]["observed"], rows["tail"]["observed"]) == (True, 0, 0)
    assert rows["budget"]["observed"] == pytest.approx(1 / 6)
    assert (out["checks"]["asked"], out["checks"]["kept"]) == (6, 5)


def test_a_file_that_cannot_be_read_costs_its_symbol(tmp_path: Any) -> None:
    """Of a folder of files a damaged one is set aside with file, row and cell; the run goes on."""
    for name in "ABC":
        rows = [f"{day:%Y-%m-%d},{50 + i % 7}" for i, day in enumerate(DAYS)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["date,close", *rows]))
    (tmp_path / "A.csv").write_text("")
    (tmp_path / "D.csv").write_text("date,close\n2022-01-03,1.0\n2022-01-04,oops\n")
    files = {"provider": "files", "path": str(tmp_path), "quarantine_budget": 0.5}
    out = run(data=files, calendar={"name": "24/7"})
    assert out["prices"].symbols == ("B", "C")
    assert checks(out)["readable"]["symbols"] == ["A", "D"]
    reasons = out["quality"].set_index(["symbol", "check"])["reason"]
    assert "D.csv, row 3, column 'close': 'oops' is not a number" in reasons["D", "readable"]


def test_it_notes_how_far_it_has_come(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each table of bars, how many of the symbols asked for have had one."""
    bars = table.table
    parts = (bars[bars["symbol"].isin(list("AB"))], bars[bars["symbol"] == "B"], bars[bars["symbol"] > "B"])
    monkeypatch.setattr(TableProvider, "bars", lambda self, symbols, start, end: iter(parts))
    noted: list[str] = []
    token = note_sink.set(noted.append)
    table_run()
    note_sink.reset(token)
    assert noted == ["2 / 6 symbols", "2 / 6 symbols", "5 / 6 symbols"]


def test_two_symbols_are_the_least(table: Any) -> None:
    """With fewer than two symbols left there is no portfolio, whatever the budget."""
    table.table = table.table[table.table["symbol"] == "A"]
    with pytest.raises(DataError, match="a portfolio needs two"):
        table_run(quarantine_budget=1.0)


def test_no_bars_before_the_as_of_is_named() -> None:
    """An as-of before the first bar is a DataError that names the provider, the date, and the days that there are."""
    with pytest.raises(DataError, match="'sample' has no bars up to 1985-01-02: they are of 1990-01-02 to 2022-12-28"):
        run("1985-01-02")
    with pytest.raises(DataError, match=r"no bars from 2022-12-29 \(data\.start\) up to 2022-12-28: they are of 1990"):
        run(data={"start": "2022-12-29"})


def test_universe_decides_what_is_fetched() -> None:
    """Only the symbols asked for are in prices and instruments."""
    out = run("2015-01-02", universe={"sectors": ["Energy"]}, data={"start": "2012-01-03"})
    assert out["prices"].symbols == ("CVX", "RRC", "XOM")


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b31m", "a\tb", "\u202eKO", "\u2028", "x\r"])
@pytest.mark.parametrize("place", ["symbol", "name", "sector", "currency", "exchange"])
def test_texts_that_a_terminal_would_obey_set_the_symbol_aside(
    place: str, text: str, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever they are: reason and records have them spelled out, and the provider is not asked for its bars."""
    asked: list[str] = []

    def instruments(self: Any, universe: Any) -> pd.DataFrame:
        frame = pd.DataFrame({"name": "n", "sector": "s", "currency": "USD", "exchange": "X"}, list("ABCDE"))
        frame.index.name = "symbol"
        return frame.rename(index={"B": text}) if place == "symbol" else frame.assign(**{place: ["s", text, *"sss"]})

    monkeypatch.setattr(table, "instruments", instruments)
    monkeypatch.setattr(table, "bars", lambda self, symbols, start, end: asked.extend(symbols) or self.table)
    out = table_run()
    shown = json.dumps(text)[1:-1].replace("\\t", "\\u0009").replace("\\r", "\\u000d")
    symbol = shown if place == "symbol" else "B"
    assert asked == list(out["prices"].symbols) == list("ACDE") == list(out["instruments"].index)
    (row,) = out["quality"][out["quality"]["check"] == "printable"].to_dict("records")
    assert (row["symbol"], row["outcome"]) == (symbol, "quarantined")
    assert row["reason"] == f"characters that cannot be shown in {shown}"
    assert (out["checks"]["asked"], out["checks"]["kept"]) == (5, 4)
    assert next(row for row in out["checks"]["checks"] if row["check"] == "printable")["symbols"] == [symbol]
    assert text not in str(out["checks"]) + out["quality"].to_csv()


def test_too_many_of_them_end_the_run_before_bars_are_fetched(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose names are all damaged is one mistake; the message shows three of them, spelled out."""
    index = pd.Index([f"\x1b[{number}m" for number in range(5)], name="symbol")
    frame = pd.DataFrame({"name": "n", "sector": "s", "currency": "USD", "exchange": "X"}, index)
    monkeypatch.setattr(table, "instruments", lambda self, universe: frame)
    monkeypatch.setattr(table, "bars", lambda self, symbols, start, end: pytest.fail("it asked for bars"))
    with pytest.raises(DataError, match=r"5 of 5 symbols fail .*\\u001b\[0m \(printable:") as raised:
        table_run()
    assert "\x1b" not in raised.value.message


def test_names_without_costs_of_their_own_are_counted_and_slips_reported(tmp_path: Any) -> None:
    """The note says how many names the file of costs has; a symbol that is nearly one of the universe is a warning."""
    (tmp_path / "costs.csv").write_text("symbol,cost_bps,borrow_bps\nAAPL,2,\nMSFT,,40\nAMDD,3,\nWIDGET,1,\n")
    universe, given = {"symbols": ["AAPL", "MSFT", "AMD"]}, {"costs": str(tmp_path / "costs.csv"), "min_history": 60}
    out = run(data={"start": "2012-01-03"}, universe=universe, validation=given)
    assert STAGE.summary({}, out).note == "AMDD matches no symbol, costs of 2 of 3 names in validation.costs"
    assert out["quality"][["symbol", "check", "outcome"]].to_numpy().tolist() == [["AMDD", "unmatched", "warn"]]
    assert "did you mean 'AMD'?" in out["quality"]["reason"].iloc[0]
    plain = run(data={"start": "2012-01-03"}, universe=universe)
    assert encode(plain["prices"])[0] == encode(out["prices"])[0]
    assert list(plain["roster"].columns) == list(out["roster"].columns[:-3])


def test_a_third_of_the_bars_off_the_calendar_is_noted(table: Any) -> None:
    """Crypto on New York's sessions: the note has share and calendar, the finding the setting; the run is degraded."""
    out = table_run(calendar="XNYS")
    summary = STAGE.summary({}, out)
    assert "31% of the bars on days that are no session of XNYS" in summary.note
    assert summary.degraded
    assert out["checks"]["off_calendar"] == {"share": pytest.approx(0.312, abs=0.002), "calendar": "XNYS"}
    found = out["quality"][out["quality"]["check"] == "off_session"]
    assert found["reason"].str.contains("is calendar.name right?", regex=False).all()


def test_a_bar_off_the_calendar_now_and_then_is_not_noted(table: Any) -> None:
    """Below one in a hundred it is a finding of each symbol and no more."""
    days = np.append(sessions("XNYS", DAYS[0].date(), DAYS[-1].date()), np.datetime64("2022-07-10"))
    table.table = table.table[table.table["date"].isin(days)]
    out = table_run(calendar="XNYS")
    assert 0 < out["checks"]["off_calendar"]["share"] < 0.01
    assert set(out["quality"]["check"]) == {"off_session", "history"}
    assert "no session" not in STAGE.summary({}, out).note


def test_a_file_that_was_saved_twice_is_noted(table: Any) -> None:
    """The note names the copy, the finding what it is a copy of; the run is degraded."""
    first = table.table[table.table["symbol"] == "A"]
    table.table = pd.concat([table.table, first.assign(symbol="A (1)")], ignore_index=True)
    out = table_run()
    summary = STAGE.summary({}, out)
    assert "A (1) identical to another symbol" in summary.note
    assert summary.degraded
    (row,) = [row for row in out["checks"]["checks"] if row["check"] == "identical"]
    assert (row["outcome"], row["symbols"], row["observed"]) == ("warn", ["A (1)"], len(DAYS))


def test_an_exclusion_that_matches_nothing_is_noted() -> None:
    """One name of several: on the line of the stage, degraded; none of them: no run."""
    out = run(data={"start": "2012-01-03"}, universe={"exclude": ["KO", "AAPL.US"]})
    summary = STAGE.summary({}, out)
    assert (summary.note, summary.degraded) == ("AAPL.US matches no symbol", True)
    assert "did you mean 'AAPL'?" in out["quality"]["reason"].iloc[0]
    with pytest.raises(ConfigError, match=r"leaves nothing out: .* AAPL\.US"):
        run(universe={"exclude": ["AAPL.US"]})
    assert STAGE.summary({}, run(universe={"exclude": ["AAPL.US"], "unknown": "ignore"})).note == "1 set aside"


def test_members_that_are_all_written_otherwise_are_recognised(tmp_path: Any) -> None:
    """A universe that is empty for that reason says so, with the nearest name of the first."""
    (tmp_path / "members.csv").write_text("symbol,from,to\nAAPL.US,2000-01-03,\nKO.US,2000-01-03,\n")
    with pytest.raises(DataError, match=r"0 symbols") as caught:
        run(data={"start": "2012-01-03"}, universe={"members": str(tmp_path / "members.csv")})
    assert "AAPL.US: universe.members names it" in str(caught.value.hint)
    assert "did you mean 'AAPL'?" in str(caught.value.hint)


def test_a_known_move_of_a_name_that_is_not_there_is_noted() -> None:
    """A slip in data.real_moves would silence nothing: it is reported like any other name."""
    out = run(data={"start": "2012-01-03", "real_moves": ["AAPL.US 2016-04-22", "GONE 2016-04-22"]})
    assert STAGE.summary({}, out).note == "AAPL.US matches no symbol"
