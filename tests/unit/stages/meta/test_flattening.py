"""Flattening: books netted into one, nothing lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.errors import DataError
from quantflow.pipeline.stage import StageConfig
from quantflow.stages.meta.flattening import FlatteningStage

BOOKS = (
    ("a", "AAA", 0.6, "Tech"),
    ("a", "BBB", -0.4, "Energy"),
    ("b", "BBB", 0.4, "Energy"),
    ("b", "CCC", 0.6, ""),
)


def books(rows: tuple[tuple[str, str, float, Any], ...] = BOOKS) -> pd.DataFrame:
    """Return books with the columns that gathering gives them."""
    frame = pd.DataFrame(rows, columns=["sleeve", "symbol", "weight", "sector"])
    sides = np.where(frame["weight"] < 0, "SHORT", "LONG")
    return frame.assign(direction=sides, cluster=1, alpha_score=0.5)


def capital(**weights: float) -> pd.DataFrame:
    """Return sleeve weights."""
    return pd.DataFrame({"weight": list(weights.values())}, index=pd.Index(list(weights), name="sleeve"))


def flatten(frame: pd.DataFrame, weights: pd.DataFrame) -> dict[str, Any]:
    """Return the stage's outputs."""
    return dict(FlatteningStage().run({"sleeve_books": frame, "sleeve_weights": weights}, StageConfig()))


def test_positions_are_weighted_netted_and_sorted() -> None:
    """Net is the sum over sleeves of sleeve weight times book weight, the largest first, parts beside it."""
    found = flatten(books(), capital(a=0.75, b=0.25))["weights"]
    assert list(found.columns) == ["weight", "long", "short", "sector"]
    assert found.index.name == "symbol"
    assert list(found.index) == ["AAA", "BBB", "CCC"]
    np.testing.assert_allclose(found["weight"], [0.45, 0.1 - 0.3, 0.15], atol=1e-15)
    np.testing.assert_allclose(found["long"], [0.45, 0.1, 0.15], atol=1e-15)
    np.testing.assert_allclose(found["short"], [0.0, 0.3, 0.0], atol=1e-15)
    assert list(found["sector"]) == ["Tech", "Energy", ""]
    assert (found["weight"] == found["long"] - found["short"]).all()


def test_contributions_tell_who_holds_what() -> None:
    """One row per asset and sleeve, by symbol, then in the order of the sleeves."""
    found = flatten(books(), capital(b=0.25, a=0.75))["contributions"]
    assert list(found.columns) == ["symbol", "sleeve", "weight"]
    rows = list(zip(found["symbol"], found["sleeve"], strict=True))
    assert rows == [("AAA", "a"), ("BBB", "b"), ("BBB", "a"), ("CCC", "b")]
    np.testing.assert_allclose(found["weight"], [0.45, 0.1, -0.3, 0.15], atol=1e-15)


def test_what_cancels_stays_in_contributions_only() -> None:
    """A long and a short of the same size leave no position, and both are told."""
    found = flatten(books(), capital(a=0.5, b=0.5))
    assert "BBB" not in found["weights"].index
    assert sorted(found["contributions"].query("symbol == 'BBB'")["weight"]) == [-0.2, 0.2]
    assert FlatteningStage().summary({}, found).note == "gross 100.0%, netted to 60.0%"


def test_ties_are_broken_by_symbol() -> None:
    """Equal magnitudes are listed by symbol, whatever their sign."""
    rows = (("a", "ZZZ", 0.25, "x"), ("a", "MMM", -0.25, "x"), ("a", "AAA", 0.5, "x"))
    assert list(flatten(books(rows), capital(a=1.0))["weights"].index) == ["AAA", "MMM", "ZZZ"]


def test_the_order_of_rows_does_not_matter() -> None:
    """Shuffled books give the same tables to the last bit."""
    weights = capital(a=0.3, b=0.7)
    expected = flatten(books(), weights)
    shuffled = flatten(books().sample(frac=1, random_state=1), weights)
    for name in ("weights", "contributions"):
        pd.testing.assert_frame_equal(shuffled[name], expected[name], check_exact=True)


def test_the_first_sleeve_that_knows_a_sector_names_it() -> None:
    """Sectors come from the sleeves in their order; a book that has none does not hide another's."""
    rows = (("a", "AAA", 0.5, None), ("b", "AAA", 1.0, "Tech"), ("c", "AAA", 1.0, "Other"), ("a", "BBB", 0.5, np.nan))
    found = flatten(books(rows), capital(a=0.2, c=0.3, b=0.5))["weights"]
    assert found["sector"].to_dict() == {"AAA": "Other", "BBB": ""}


def test_a_sleeve_without_capital_adds_nothing() -> None:
    """A weight of zero leaves the book's assets out, without negative zeros in contributions."""
    found = flatten(books(), capital(a=1.0, b=0.0))
    assert list(found["weights"].index) == ["AAA", "BBB"]
    zeros = found["contributions"].query("sleeve == 'b'")["weight"].to_numpy()
    assert not np.signbit(zeros).any()


def test_books_may_hold_more_or_less_than_their_capital() -> None:
    """A levered and a half empty book keep their own gross."""
    rows = (("a", "AAA", 1.5, "x"), ("b", "BBB", 0.25, "x"))
    assert flatten(books(rows), capital(a=0.5, b=0.5))["weights"]["weight"].to_dict() == {"AAA": 0.75, "BBB": 0.125}


@pytest.mark.parametrize(
    ("rows", "weights", "said"),
    [
        (BOOKS, {"a": 1.0}, "Sleeve 'b' has a book but no weight"),
        (BOOKS[:2], {"a": 0.5, "b": 0.5}, "Sleeve 'b' has a weight but holds nothing"),
        ((*BOOKS, ("b", "BBB", -0.1, "x")), {"a": 0.5, "b": 0.5}, "sleeve 'b' has two positions in 'BBB'"),
        ((("a", "AAA", np.nan, "x"),), {"a": 1.0}, "sleeve 'a' has a weight that is not finite in 'AAA'"),
    ],
)
def test_books_that_do_not_fit_are_refused(
    rows: tuple[tuple[str, str, float, Any], ...], weights: dict[str, float], said: str
) -> None:
    """Capital cannot vanish and books cannot appear from nowhere: the error names sleeve and symbol."""
    with pytest.raises(DataError) as caught:
        flatten(books(rows), capital(**weights))
    assert said in caught.value.message
    assert caught.value.hint


def test_a_book_of_its_own_columns_is_enough() -> None:
    """A nested meta portfolio's book has no direction, cluster or score; it is flattened as any other."""
    plain = books()[["sleeve", "symbol", "weight", "sector"]]
    expected = flatten(books(), capital(a=0.4, b=0.6))["weights"]
    pd.testing.assert_frame_equal(flatten(plain, capital(a=0.4, b=0.6))["weights"], expected, check_exact=True)
