"""Aggregation: streams joined on common sessions, and whatever cannot be joined refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.errors import DataError
from quantflow.pipeline.stage import StageConfig
from quantflow.stages.meta.aggregation import AggregationStage, AggregationStageConfig

DAYS = pd.date_range("2020-01-01", periods=100, freq="D")


def long_form(**streams: tuple[pd.DatetimeIndex, Any]) -> pd.DataFrame:
    """Return the streams of some sleeves, one below the other."""
    parts = [
        pd.DataFrame({"sleeve": name, "date": dates, "net": net, "equal_weight": np.multiply(net, 0.5)})
        for name, (dates, net) in streams.items()
    ]
    return pd.concat(parts, ignore_index=True)


def returns(seed: int, n: int = 100) -> np.ndarray:
    """Return n random returns."""
    return np.random.default_rng(seed).normal(0, 0.01, n)


def config(*names: str, partial: bool = False) -> StageConfig:
    """Return the stage's config as a meta profile's settings give it."""
    sleeves = [{"id": name, "profile": name, "run_id": None, "min_weight": None} for name in names]
    return AggregationStage().configured({"sleeves": sleeves, "allow_partial": partial})


def join(frame: pd.DataFrame, *names: str, partial: bool = False) -> pd.DataFrame:
    """Return the joined streams."""
    found = AggregationStage().run({"sleeve_streams": frame}, config(*names, partial=partial))  # type: ignore[arg-type]
    streams = found["streams"]
    assert isinstance(streams, pd.DataFrame)
    return streams


def test_columns_come_in_the_order_of_the_profile() -> None:
    """One column per sleeve in declared order, one row per common session, values untouched."""
    a, b = returns(1), returns(2)
    streams = join(long_form(b=(DAYS, b), a=(DAYS, a)), "a", "b")
    assert list(streams.columns) == ["a", "b"]
    assert streams.index.name == "date"
    assert streams.to_numpy().tobytes() == np.column_stack([a, b]).tobytes()


def test_the_order_of_rows_does_not_matter() -> None:
    """Shuffled rows join to the same table."""
    frame = long_form(a=(DAYS, returns(1)), b=(DAYS, returns(2)))
    pd.testing.assert_frame_equal(join(frame, "a", "b"), join(frame.sample(frac=1, random_state=3), "a", "b"))


def test_an_inner_join_as_pandas_does_it() -> None:
    """With contiguous sessions that overlap, the join is that of pandas."""
    first, second = pd.Series(returns(1, 90), DAYS[:90]), pd.Series(returns(2, 85), DAYS[15:])
    streams = join(long_form(a=(first.index, first.to_numpy()), b=(second.index, second.to_numpy())), "a", "b")
    expected = pd.concat({"a": first, "b": second}, axis=1, join="inner")
    np.testing.assert_array_equal(streams.to_numpy(), expected.to_numpy())
    assert list(streams.index) == list(expected.index)


def test_wealth_at_common_sessions_is_kept() -> None:
    """A market without weekends beside one with: both compound to their own wealth between common sessions."""
    open_days = DAYS[DAYS.day_of_week < 5]
    always = returns(1)
    streams = join(long_form(stock=(open_days, returns(2, len(open_days))), coin=(DAYS, always)), "stock", "coin")
    span = slice(DAYS.get_loc(open_days[0]) + 1, DAYS.get_loc(open_days[-1]) + 1)
    assert np.prod(1 + streams["coin"].to_numpy()[1:]) == pytest.approx(np.prod(1 + always[span]), rel=1e-13)


def test_sessions_are_days_in_utc() -> None:
    """A stamp with a zone counts on its UTC day, one without a zone on its own."""
    zoned = (DAYS + pd.Timedelta(hours=20)).tz_localize("America/New_York")
    frame = pd.DataFrame({"sleeve": "a", "date": zoned, "net": returns(1), "equal_weight": returns(1)})
    assert join(frame, "a").index[0] == pd.Timestamp("2020-01-02")
    noon = long_form(a=(DAYS + pd.Timedelta(hours=12), returns(1)), b=(DAYS, returns(2)))
    assert len(join(noon, "a", "b")) == 100


def test_the_config_holds_names_alone() -> None:
    """What else a sleeve's entry says is not part of this stage's settings, so it cannot change its cached result."""
    assert config("a").model_dump() == {"sleeves": ({"id": "a"},), "allow_partial": False}


def bad(position: int, value: float) -> np.ndarray:
    """Return returns with one value replaced."""
    changed = returns(1)
    changed[position] = value
    return changed


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (long_form(a=(DAYS, returns(1))), "Sleeve 'b' has no out-of-sample session"),
        (long_form(a=(DAYS, bad(3, np.nan)), b=(DAYS, returns(2))), "Sleeve 'a' has the return nan on 2020-01-04"),
        (long_form(a=(DAYS, bad(0, np.inf)), b=(DAYS, returns(2))), "Sleeve 'a' has the return inf"),
        (long_form(b=(DAYS, bad(9, -1.5)), a=(DAYS, returns(2))), "Sleeve 'b' has the return -1.5 on 2020-01-10"),
        (long_form(a=(DAYS, returns(1)), b=(DAYS[[0, *range(99)]], returns(2))), "Sleeve 'b' has two returns on"),
        (long_form(a=(DAYS, returns(1)), b=(DAYS.delete(5).insert(5, pd.NaT), returns(2))), "a return without a date"),
        (long_form(a=(DAYS, returns(1)), c=(DAYS, returns(2))), "stream of 'c', which is not a sleeve"),
    ],
)
def test_what_cannot_be_joined_is_refused_by_name(frame: pd.DataFrame, said: str) -> None:
    """The error names the sleeve, the session, and what is wrong; the hint says what to do."""
    with pytest.raises(DataError) as caught:
        join(frame, "a", "b")
    assert said in caught.value.message
    assert caught.value.hint


def test_a_short_join_names_the_sleeve_in_the_way() -> None:
    """Of three sleeves the one is named without which most sessions would be common, and how many."""
    frame = long_form(a=(DAYS, returns(1)), late=(DAYS[60:], returns(2, 40)), b=(DAYS[5:], returns(3, 95)))
    with pytest.raises(DataError) as caught:
        join(frame, "a", "late", "b")
    said = "40 sessions in common, 60 are needed. Sleeve 'late' is in the way (40 sessions, 2020-03-01 to 2020-04-09)"
    assert f"{said}; without it there are 95" in caught.value.message


def test_a_single_short_sleeve_is_named() -> None:
    """One sleeve with too few sessions is in its own way; 60 are enough."""
    with pytest.raises(DataError, match=r"59 sessions in common, 60 are needed\. Sleeve 'a'"):
        join(long_form(a=(DAYS[:59], returns(1, 59))), "a")
    assert len(join(long_form(a=(DAYS[:60], returns(1, 60))), "a")) == 60


def test_a_missing_sleeve_is_left_out_when_partial_is_allowed() -> None:
    """With allow_partial the sleeves that are there are joined; none at all is still refused."""
    assert list(join(long_form(b=(DAYS, returns(1))), "a", "b", partial=True).columns) == ["b"]
    with pytest.raises(DataError, match="Sleeve 'a'"):
        join(long_form(b=(DAYS, returns(1))).iloc[:0], "a", "b", partial=True)


def test_inputs_stay_as_they_are_and_the_summary_counts() -> None:
    """The stage changes no input, and says how many sessions are common."""
    frame = long_form(a=(DAYS, returns(1)), b=(DAYS[10:], returns(2, 90)))
    before = frame.copy()
    inputs = {"sleeve_streams": frame}
    outputs = AggregationStage().run(inputs, config("a", "b"))  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(frame, before)
    found = AggregationStage().summary(inputs, outputs)
    assert (found.entered, found.left) == (2, 2)
    assert found.note == "90 common sessions, 2020-01-11 to 2020-04-09"


def test_config_is_typed() -> None:
    """The stage's config is its own class."""
    assert isinstance(config("a"), AggregationStageConfig)
