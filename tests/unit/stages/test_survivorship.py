"""Names that stop trading stay in the past that a walk-forward trades, and out of the book of today."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.config.profile import Profile
from quantflow.data.calendars import sessions
from quantflow.errors import DataError
from quantflow.pipeline.play import play
from quantflow.stages.ingestion import IngestionStage
from quantflow.stages.validation import ValidationStage

AS_OF = "2022-12-28"
DAYS = pd.bdate_range("2018-01-01", AS_OF)
NAMES = [f"N{number:02d}" for number in range(30)]
NEVER = {f"on_{check}": "warn" for check in ("history", "stale", "tail", "gap", "spike", "jump", "restated")}


def prices(deaths: int, seed: int = 11) -> pd.DataFrame:
    """Thirty random walks; the first *deaths* fall for half a year, each in its own, and then have no bar any more."""
    random = np.random.default_rng(seed)
    steps = random.normal(0.0004, 0.013, (len(DAYS), 30)) + random.normal(0, 0.006, (len(DAYS), 1))
    last = np.linspace(450, len(DAYS) - 150, max(deaths, 1)).astype(int)
    for name, end in zip(range(deaths), last, strict=False):
        steps[end - 120 : end, name] -= 0.02
    closes = pd.DataFrame(np.round(100 * np.exp(np.cumsum(steps, axis=0)), 4), index=DAYS, columns=NAMES)
    for name, end in zip(NAMES[:deaths], last, strict=False):
        closes.loc[DAYS[end] :, name] = np.nan
    return closes.rename_axis("date")


def ran(folder: Path, closes: pd.DataFrame, *, universe: Any = None, **data: Any) -> dict[str, Any]:
    """What ingestion and the walk-forward make of a file of prices."""
    closes.to_csv(folder / "prices.csv")
    sections: dict[str, Any] = {
        "data": {"provider": "files", "path": str(folder / "prices.csv"), "max_holes": 0.2, **data},
        "universe": universe or {},
        "features": {"lookback": 252},
        "policy": {"max_drawdown": None},
        "allocation": {"lookback": 252, "method": "equal_weight"},
        "rebalance": {"every": "quarterly"},
        "validation": {"min_history": 300},
    }
    settings = {**Profile(name="test", **sections).settings(), "as_of": AS_OF}
    return play((IngestionStage(), ValidationStage()), {}, settings)


def figures(made: dict[str, Any]) -> dict[str, Any]:
    """The walk-forward's figures."""
    return {name: made["metrics"][name] for name in ("strategy", "equal_weight", "rebalances")}


def test_seven_deaths_in_thirty_are_in_the_figures(tmp_path: Path) -> None:
    """The default figures are those of the same file when no check ever sets a name aside, to the bit."""
    default, never = ran(tmp_path, prices(7)), ran(tmp_path, prices(7), **NEVER)
    assert figures(default) == figures(never)
    pd.testing.assert_frame_equal(default["oos_returns"], never["oos_returns"], check_exact=True)
    pd.testing.assert_frame_equal(default["oos_weights"], never["oos_weights"], check_exact=True)
    assert set(NAMES[:7]) & set(default["oos_weights"]["symbol"]), "some of the dead were held"
    without = ran(tmp_path, prices(7).drop(columns=NAMES[:7]))
    assert without["metrics"]["equal_weight"]["cagr"] > default["metrics"]["equal_weight"]["cagr"] + 0.02
    assert default["metrics"]["universe"] == {"names": 30, "ended": 7, "share": 7 / 30, "members": False}


def test_the_dead_cannot_be_selected_now(tmp_path: Path) -> None:
    """They are not among the symbols that the stages from features on see; the record says that they ended."""
    open_days = sessions("XNYS", DAYS[0].date(), DAYS[-1].date())  # bars on holidays would make the run degraded
    made = ran(tmp_path, prices(7).loc[open_days])
    assert made["prices"].symbols == tuple(NAMES[7:]) == tuple(made["instruments"].index)
    assert made["past"].symbols == tuple(NAMES[:7])
    assert made["checks"]["ended"] == 7
    row = next(row for row in made["checks"]["checks"] if row["check"] == "ended")
    assert (row["outcome"], row["symbols"], row["block"]) == ("ended", NAMES[:7], False)
    summary = IngestionStage().summary({}, made)
    assert (summary.entered, summary.left, summary.degraded) == (30, 23, False)
    assert "7 no longer traded" in summary.note


@pytest.mark.parametrize("deaths", [9, 25])
def test_the_dead_never_make_a_run_fail(deaths: int, tmp_path: Path) -> None:
    """However many have ended, as long as two can be held: the budget counts bad data only."""
    made = ran(tmp_path, prices(deaths), quarantine_budget=0.0)
    assert len(made["prices"].symbols) == 30 - deaths
    assert made["metrics"]["universe"]["ended"] == deaths


def test_a_source_that_repeats_the_last_price_hides_no_death(tmp_path: Path) -> None:
    """Dead names padded with their last price are not bad data, and have no part after their last move."""
    padded = ran(tmp_path, prices(9).ffill())
    assert padded["checks"]["ended"] == padded["metrics"]["universe"]["ended"] == 9
    last = prices(9).apply(lambda column: column.last_valid_index())
    bought = padded["oos_weights"]
    assert not (bought["date"] > bought["symbol"].map(last) + pd.offsets.BDay(10)).any()


def test_when_nearly_all_have_ended_the_error_says_so(tmp_path: Path) -> None:
    """One name left is no portfolio: the message counts those that stopped trading, not data that fail."""
    with pytest.raises(DataError) as caught:
        ran(tmp_path, prices(29))
    assert "29 have stopped trading, 1 left, and a portfolio needs two: N00 (ended:" in caught.value.message


def test_a_later_death_changes_no_earlier_decision(tmp_path: Path) -> None:
    """Up to a name's last bar the walk-forward is that of a file in which it lives on."""
    alive, dead = prices(0), prices(0)
    end = 900
    dead.loc[DAYS[end] :, NAMES[:5]] = np.nan
    one, other = (ran(tmp_path, closes)["oos_weights"] for closes in (alive, dead))
    before = [table[table["date"] < DAYS[end]] for table in (one, other)]
    assert len(before[0]) > 20
    pd.testing.assert_frame_equal(*before, check_exact=True)
    assert set(one.loc[one["date"] >= DAYS[end], "symbol"]) & set(NAMES[:5])


def test_a_late_birth_waits_for_its_history(tmp_path: Path) -> None:
    """A name is bought once it has the sessions that data.min_sessions asks for, and not before."""
    closes = prices(0)
    closes.loc[: DAYS[599], NAMES[:9]] = np.nan
    bought = ran(tmp_path, closes)["oos_weights"]
    mine = bought[bought["symbol"].isin(NAMES[:9])]
    assert len(mine)
    assert mine["date"].min() >= DAYS[600 + 240]


MEMBERS = "symbol,from,to\n" + "".join(f"{name},2018-01-01,\n" for name in NAMES[:20])


def members(folder: Path, text: str) -> dict[str, Any]:
    """A universe with a file of members."""
    (folder / "members.csv").write_text(text)
    return {"members": str(folder / "members.csv")}


def test_members_decide_who_takes_part_when(tmp_path: Path) -> None:
    """Who joins later is bought later, who left is bought no more, and the selection sees today's members alone."""
    text = MEMBERS + "N20,2018-01-01,2021-06-30\nN21,2021-07-01,\nN22,2018-01-01,2019-03-29\nN22,2022-01-03,\n"
    made = ran(tmp_path, prices(0), universe=members(tmp_path, text))
    assert made["prices"].symbols == (*NAMES[:20], "N21", "N22")
    assert made["past"].symbols == ("N20",)
    assert made["checks"]["asked"] == 23
    assert made["checks"]["kept"] == 22
    assert set(made["oos_weights"]["symbol"]) <= set(NAMES[:23])
    bought = made["oos_weights"].groupby("symbol")["decided"].agg(["min", "max"])
    assert "N20" not in bought.index or bought.loc["N20", "max"] <= pd.Timestamp("2021-06-30")
    assert "N21" not in bought.index or bought.loc["N21", "min"] >= pd.Timestamp("2021-07-01")
    assert made["metrics"]["universe"] == {"names": 23, "ended": 0, "share": 0.0, "members": True}


def test_members_of_the_future_are_not_known(tmp_path: Path) -> None:
    """Neither the roster nor any other artifact says who joins or leaves after the as-of."""
    text = MEMBERS.replace("N00,2018-01-01,", "N00,2018-01-01,2023-01-31") + "N25,2023-01-02,\n"
    roster = ran(tmp_path, prices(0), universe=members(tmp_path, text))["roster"]
    assert "N25" not in set(roster["symbol"])
    assert roster["to"].isna().all()


def test_members_without_prices_are_named(tmp_path: Path) -> None:
    """A former member that the files do not hold is what survivorship is made of: a warning per name."""
    universe = members(tmp_path, MEMBERS + "GONE,2018-01-01,2020-03-31\n")
    made = ran(tmp_path, prices(0), universe=universe)
    row = next(row for row in made["checks"]["checks"] if row["check"] == "members")
    assert (row["outcome"], row["symbols"]) == ("warn", ["GONE"])
    left_out = ran(tmp_path, prices(0), universe={**universe, "exclude": ("GONE",)})
    assert next(row for row in left_out["checks"]["checks"] if row["check"] == "members")["outcome"] == "passed"


def test_a_universe_of_one_says_that_a_portfolio_needs_two(tmp_path: Path) -> None:
    """Nothing fails the contract then, and nothing says so."""
    with pytest.raises(DataError) as caught:
        ran(tmp_path, prices(0)[["N00"]])
    assert caught.value.message == "The universe has 1 symbol, and a portfolio needs two."
    with pytest.raises(DataError, match="The universe has 0 symbols on 2022-12-28, and a portfolio needs two"):
        ran(tmp_path, prices(0), universe=members(tmp_path, MEMBERS.replace(",\n", ",2020-01-02\n")))


def test_a_missing_last_bar_keeps_a_name_out_now(tmp_path: Path) -> None:
    """As in the walk-forward, who has no bar on the session is not bought there; it is bad data, and said so."""
    closes = prices(0)
    closes.loc[DAYS[-1], "N04"] = np.nan
    made = ran(tmp_path, closes)
    assert "N04" not in made["prices"].symbols
    (row,) = made["quality"][made["quality"]["check"] == "last_bar"].itertuples()
    assert (row.symbol, row.outcome, row.reason) == ("N04", "quarantined", "no bar since 2022-12-27")
    assert IngestionStage().summary({}, made).degraded


def test_a_delisting_return_comes_from_the_instruments_file(tmp_path: Path) -> None:
    """The walk-forward books it on the session after the last bar; the instruments of today do not have the column."""
    (tmp_path / "instruments.csv").write_text("symbol,sector,delisting_return\nN00,Energy,-0.5\nN01,Energy,\n")
    listed = {"instruments": str(tmp_path / "instruments.csv")}
    made, plain = ran(tmp_path, prices(3), **listed), ran(tmp_path, prices(3))
    end = prices(3)["N00"].last_valid_index()
    change = (made["oos_returns"]["equal_weight"] - plain["oos_returns"]["equal_weight"]).abs() > 1e-12
    assert change.idxmax() == end + pd.offsets.BDay(1)
    assert "delisting_return" not in made["instruments"]
    (tmp_path / "instruments.csv").write_text("symbol,delisting_return\nN00,-1.5\n")
    with pytest.raises(DataError, match=r"delisting_return of 'N00' is -1\.5"):
        ran(tmp_path, prices(3), **listed)
