"""Gather: no sleeve is taken for another, none is missing in silence."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from quantflow.errors import DataError, IntegrityError
from quantflow.pipeline.stage import StageConfig
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
        "oos_returns": pd.DataFrame({"net": [0.01, 0.02]}, index=index),
        "weights": book,
        "metrics": {"strategy": {"sharpe": 1.0}},
        **changes,
    }


def gather(*sleeves: dict[str, Any], failed: tuple[dict[str, Any], ...] = ()) -> Any:
    return GatherStage().run({"sleeves": list(sleeves), "failed": list(failed)}, StageConfig())


def test_streams_and_books_are_stacked_in_order() -> None:
    """Each row says which sleeve it is of; missing columns of a nested book are filled in."""
    made = gather(sleeve("b"), sleeve("a"))
    assert made["sleeve_streams"]["sleeve"].tolist() == ["b", "b", "a", "a"]
    assert made["sleeve_books"]["direction"].tolist() == ["LONG", "SHORT"] * 2
    assert [item["id"] for item in made["sleeves"]["sleeves"]] == ["b", "a"]
    assert not made["sleeves"]["partial"]


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"sleeve": "a"}, IntegrityError, "says that it is 'a'"),
        ({"made_under": "other"}, IntegrityError, "other settings"),
        ({"as_of": "2022-01-03"}, DataError, "a 2022-01-04, b 2022-01-03"),
        ({"oos_returns": pd.DataFrame({"net": []}, index=pd.DatetimeIndex([]))}, DataError, "no out-of-sample"),
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
