"""Artifacts: what goes in comes out, equal values are equal bytes, damage is noticed."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quantflow.data.artifacts import decode, encode, encode_json, latest_date
from quantflow.data.panel import Panel
from quantflow.errors import DataError, IntegrityError, NewerRecordError

FLOATS = st.floats(allow_nan=True, allow_infinity=True)
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def make_panel(values: np.ndarray) -> Panel:
    """Return a panel with two fields of *values*."""
    symbols = tuple(f"S{i}" for i in range(len(values)))
    days = np.datetime64("1999-12-30", "D") + np.arange(values.shape[1])
    return Panel(symbols, days, {"close": values, "volume": values[::-1].copy()})


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=5), elements=FLOATS))
@settings(max_examples=40)
def test_panels_round_trip_bit_for_bit(values: np.ndarray) -> None:
    """A panel comes back with the same symbols, sessions and float64 bits, holes included."""
    panel = make_panel(values)
    data, suffix, rows, schema = encode(panel)
    again = decode(data, suffix)
    assert again.symbols == panel.symbols
    assert rows == values.size
    assert set(schema) == {"symbol", "date", "close", "volume"}
    np.testing.assert_array_equal(again.sessions, panel.sessions)
    for name, field in panel.fields.items():
        np.testing.assert_array_equal(again.fields[name], field)
        assert again.fields[name].flags.c_contiguous
    assert encode(again)[0] == data


@pytest.mark.parametrize("rows", [1, 7, 20, 33])
def test_a_panel_of_any_size_is_written_and_read_in_parts(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows go at a time when it is written, and when it is read, the panel is the same."""
    panel = make_panel(np.random.default_rng(0).normal(size=(7, 10)))
    monkeypatch.setattr("quantflow.data.artifacts._GROUP_ROWS", rows)
    data, suffix, *_ = encode(panel)
    for at_once in (3, 10, 1000):
        monkeypatch.setattr("quantflow.data.artifacts._GROUP_ROWS", at_once)
        again = decode(data, suffix)
        assert again.symbols == panel.symbols
        np.testing.assert_array_equal(again.sessions, panel.sessions)
        np.testing.assert_array_equal(again.close, panel.close)
        np.testing.assert_array_equal(again.fields["volume"], panel.fields["volume"])


@given(
    st.dictionaries(NAMES, st.floats(allow_nan=False), min_size=1, max_size=5),
    st.lists(st.text(max_size=4), min_size=2, max_size=2),
)
@settings(max_examples=40)
def test_frames_round_trip(columns: dict[str, float], words: list[str]) -> None:
    """A table comes back with the same index, columns, order and values."""
    index = pd.Index(["b", "a"], name="symbol")
    columns.pop("symbol", None)
    frame = pd.DataFrame({name: [value, np.nan] for name, value in columns.items()} | {"w w": words}, index=index)
    data, suffix, rows, _ = encode(frame)
    again = decode(data, suffix)
    pd.testing.assert_frame_equal(again, frame.astype({"w w": "str"}), check_dtype=False)
    assert rows == 2
    assert encode(again)[0] == data


def test_dated_frames_round_trip() -> None:
    """A table by session keeps its dates, oldest first, to the day."""
    frame = pd.DataFrame({"net": [0.1, -0.2]}, index=pd.DatetimeIndex(["2020-01-02", "2020-01-03"], name="date"))
    again = decode(*encode(frame)[:2])
    assert list(again.index) == list(frame.index)
    assert latest_date(again) == np.datetime64("2020-01-03")


def test_frames_without_index_name_keep_only_columns() -> None:
    """An unnamed index is not part of a table."""
    again = decode(*encode(pd.DataFrame({"a": [1, 2]}, index=[7, 9]))[:2])
    assert list(again.index) == [0, 1]
    assert list(again.columns) == ["a"]


TWICE = pd.DataFrame([[1, 2]], columns=["a", "a"])
UNNAMED = pd.DataFrame([[1, 2]])


@pytest.mark.parametrize("frame", [TWICE, UNNAMED])
def test_frames_need_unique_text_columns(frame: pd.DataFrame) -> None:
    """Columns without names, or the same name twice, are refused."""
    with pytest.raises(DataError, match="unique strings"):
        encode(frame)


@given(st.dictionaries(NAMES, JSON, max_size=4))
@settings(max_examples=60)
def test_records_round_trip(record: dict[str, object]) -> None:
    """A record comes back equal, and its bytes do not depend on the order of its keys."""
    data, suffix, rows, schema = encode(record)
    assert decode(data, suffix) == record
    assert (rows, schema) == (None, {})
    assert encode(dict(reversed(record.items())))[0] == data


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, object()])
def test_records_hold_json_only(value: object) -> None:
    """NaN, infinities and objects are refused: a reader of another language must understand a record."""
    with pytest.raises(DataError, match="JSON"):
        encode_json({"x": value})


@pytest.mark.parametrize("value", [b"bytes", 3, None, [1], pd.Series([1.0])])
def test_other_values_are_no_artifacts(value: object) -> None:
    """What is not a table, record or text is refused by type."""
    with pytest.raises(DataError, match="cannot be an artifact"):
        encode(value)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(max_examples=30)
def test_text_round_trips(text: str) -> None:
    """Text comes back as it went in."""
    assert decode(*encode(text)[:2]) == text


WHOLE = encode(make_panel(np.arange(12.0).reshape(3, 4)))[0]


@given(st.integers(0, len(WHOLE) - 1))
@settings(max_examples=60)
def test_a_cut_table_is_an_integrity_error(length: int) -> None:
    """A table cut anywhere is named as damage, never another exception."""
    with pytest.raises(IntegrityError):
        decode(WHOLE[:length], ".parquet")


@pytest.mark.parametrize(
    ("data", "suffix"), [(b"{", ".json"), (b"\xff", ".json"), (b"\xff", ".txt"), (b"", ".parquet")]
)
def test_unreadable_bytes_are_an_integrity_error(data: bytes, suffix: str) -> None:
    """Bytes that are not what the suffix says are named as damage."""
    with pytest.raises(IntegrityError):
        decode(data, suffix)


def test_foreign_parquet_is_refused() -> None:
    """A Parquet file that quantflow did not write is not an artifact."""
    import io

    sink = io.BytesIO()
    pd.DataFrame({"a": [1]}).to_parquet(sink)
    with pytest.raises(IntegrityError):
        decode(sink.getvalue(), ".parquet")


def test_latest_date_is_of_panels_and_dated_tables() -> None:
    """Only what is dated by session has a latest date."""
    assert latest_date(make_panel(np.ones((1, 3)))) == np.datetime64("2000-01-01")
    assert latest_date(pd.DataFrame({"a": [1]}, index=pd.Index(["A"], name="symbol"))) is None
    assert latest_date({"end": "2099-01-01"}) is None
    assert latest_date("text") is None


def test_records_are_written_for_people() -> None:
    """Records are indented, with sorted keys and readable letters."""
    assert json.loads(encode_json({"b": 1, "a": "ä"})) == {"a": "ä", "b": 1}
    assert encode_json({"b": 1, "a": "ä"}).decode().splitlines()[1] == ' "a": "ä",'


def test_a_kind_of_table_of_a_newer_version_is_named() -> None:
    """It is not taken for a damaged frame."""
    table = pa.table({"a": [1.0]}).replace_schema_metadata({b"quantflow": json.dumps({"kind": "cube"}).encode()})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    with pytest.raises(NewerRecordError, match="kind 'cube', which a newer quantflow"):
        decode(sink.getvalue(), ".parquet")
