"""Gather: no sleeve is taken for another, none is missing in silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.data.quotes import Quotes
from quantflow.errors import DataError, IntegrityError
from quantflow.pipeline.stage import StageConfig
from quantflow.quant.costs import Cost
from quantflow.stages.meta.assets import from_frames
from quantflow.stages.meta.gather import GatherStage


def sleeve(name: str, **changes: Any) -> dict[str, Any]:
    index = pd.DatetimeIndex(["2022-01-03", "2022-01-04"], name="date")
    book = pd.DataFrame({"weight": [0.6, -0.4], "sector": ["a", "b"]}, index=pd.Index(["X", "Y"], name="symbol"))
    return {
        "id": name,
        "sleeve": name,
        "run_id": f"meta.{name}",
        "profile": "demo",
        "kind": "profile",
        "config_hash": "h",
        "made_under": "h",
        "pinned": False,
        "as_of": "2022-01-04",
        "degraded": False,
        "oos_returns": pd.DataFrame({"net": [0.01, 0.02], "equal_weight": 0.0, "turnover": [1.0, 0.0]}, index=index),
        "oos_weights": pd.DataFrame({"date": index[0], "symbol": ["X", "Y"], "weight": [0.6, -0.4]}),
        "weights": book,
        "metrics": {"strategy": {"sharpe": 1.0}},
        **changes,
    }


def gather(*sleeves: dict[str, Any], failed: tuple[dict[str, Any], ...] = ()) -> Any:
    days = np.array(["2022-01-03", "2022-01-04"], dtype="datetime64[D]")
    quotes = Quotes(
        ("X", "Y"), days, np.array([[0.0, 0.1], [0.0, 0.2]]), np.array([[True, True], [True, False]]), {"Y": Cost(3.0)}
    )
    return GatherStage().run({"sleeves": list(sleeves), "failed": list(failed), "quotes": quotes}, StageConfig())


def test_streams_and_books_are_stacked_in_order() -> None:
    """Each row says which sleeve it is of; missing columns of a nested book are filled in."""
    made = gather(sleeve("b"), sleeve("a"))
    assert made["sleeve_streams"]["sleeve"].tolist() == ["b", "b", "a", "a"]
    assert made["sleeve_books"]["direction"].tolist() == ["LONG", "SHORT"] * 2
    assert [item["id"] for item in made["sleeves"]["sleeves"]] == ["b", "a"]
    assert not made["sleeves"]["partial"]


def test_a_move_into_cash_is_a_trade() -> None:
    """A session that traded to nothing keeps a row for each asset, at 0: the portfolio does not go on holding it."""
    traded = sleeve("a")["oos_returns"].assign(turnover=[1.0, 1.0])
    made = gather(sleeve("a", oos_returns=traded))["sleeve_trades"]
    assert made["weight"].tolist() == [0.6, -0.4, 0.0, 0.0]
    assert made["date"].dt.day.tolist() == [3, 3, 4, 4]


def test_what_can_be_traded_is_kept_to_the_bit() -> None:
    """Returns and prices of the assets are read back from the artifacts as they were."""
    made = gather(sleeve("a"))
    found = from_frames(made)
    assert found.names == ("X", "Y")
    assert found.returns.tolist() == [[0.0, 0.1], [0.0, 0.2]]
    assert found.own == {"Y": Cost(3.0)}
    assert found.tradable.tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"sleeve": "a"}, IntegrityError, "says that it is 'a'"),
        ({"made_under": "other"}, IntegrityError, "other settings"),
        ({"as_of": "2022-01-03"}, DataError, "a 2022-01-04, b 2022-01-03"),
        (
            {"oos_returns": pd.DataFrame({"net": [], "equal_weight": []}, index=pd.DatetimeIndex([]))},
            DataError,
            "no out-of-sample",
        ),
    ],
)
def test_a_result_that_is_not_what_it_should_be_is_refused(
    changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    """Another sleeve's result, one made under other settings or for another session, and an empty one."""
    with pytest.raises(error, match=says):
        gather(sleeve("a"), sleeve("b", **changes))


def test_what_is_missing_is_said() -> None:
    """A failed sleeve makes the gathered result partial and the stage degraded."""
    made = gather(sleeve("a"), failed=({"id": "b", "stage": "policy", "message": "no"},))
    assert made["sleeves"]["partial"]
    assert GatherStage().summary({}, made).degraded
