"""The files provider under arbitrary files: the same bars whatever the layout, and no error but our own."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quantflow.config.data import DataConfig
from quantflow.config.sections import UniverseConfig
from quantflow.data.providers import open_provider
from quantflow.errors import ConfigError, DataError
from quantflow.testing.provider_contract import collect

DAY = st.dates(date(1990, 1, 1), date(2030, 1, 1))
PRICE = st.floats(0.01, 1e6).map(lambda value: round(value, 4))
TABLES = st.dictionaries(st.tuples(DAY, st.sampled_from(["AAA", "B.B", "ZZ"])), PRICE, min_size=1, max_size=25)

CELL = st.one_of(
    st.sampled_from(
        ["", "nan", "inf", "-1", "0", "1e400", "2024-01-02", "2024-02-30", "A", "close", '"', "\x00", "\r"]
    ),
    st.text(max_size=5),
    st.dates().map(str),
    st.floats().map(str),
)
HEADER = st.lists(
    st.one_of(
        st.sampled_from(["date", "close", "symbol", "Adj Close", "high", "volume", "", "AAA"]), st.text(max_size=4)
    ),
    min_size=1,
    max_size=5,
)


def read_all(path: str) -> pd.DataFrame:
    """Ask for everything a provider can be asked."""
    source = open_provider(DataConfig(provider="files", path=path, instruments=path if "listing" in path else None))
    symbols = tuple(source.instruments(UniverseConfig()).index)
    source.facts(symbols)
    source.last_date()
    return collect(source.bars(symbols, None, date(2100, 1, 1)))


def survives(name: str, data: bytes) -> None:
    """Read a file; nothing but our own errors, with a hint, may come out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        refusal: DataError | ConfigError | None = None
        try:
            read_all(str(path))
        except (DataError, ConfigError) as error:
            refusal = error
    if refusal is not None:
        assert refusal.hint
        assert name in refusal.message or "universe is empty" in refusal.message


@given(TABLES)
@settings(max_examples=40)
def test_every_layout_holds_the_same_bars(cells: dict[tuple[date, str], float]) -> None:
    """Long, wide and one file per symbol, as CSV and Parquet, give the bars that were written."""
    rows = sorted((symbol, day, close) for (day, symbol), close in cells.items())
    long = pd.DataFrame(rows, columns=["symbol", "date", "close"]).astype({"date": "datetime64[s]", "symbol": "str"})
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "each").mkdir()
        long.to_csv(root / "long.csv", index=False)
        long.to_parquet(root / "long.parquet")
        wide = long.pivot(index="date", columns="symbol", values="close")
        wide.to_csv(root / "wide.csv")
        wide.to_parquet(root / "wide.parquet")
        for symbol, part in long.groupby("symbol"):
            part[["date", "close"]].to_csv(root / "each" / f"{symbol}.csv", index=False)
        for name in ("long.csv", "long.parquet", "wide.csv", "wide.parquet", "each"):
            found = read_all(str(root / name))
            pd.testing.assert_frame_equal(found, long[["symbol", "date", "close"]], obj=name)


@given(HEADER, st.lists(st.lists(CELL, max_size=5), max_size=6), st.sampled_from(["a.csv", "listing.csv"]))
@example(["date", "symbol", "close"], [["2024-01-02", "\udcff", "1"]], "a.csv")
@settings(max_examples=80)
def test_no_csv_file_breaks_it(header: list[str], rows: list[list[str]], name: str) -> None:
    """Any table of text is read or refused with a hint."""
    text = "\n".join(",".join(row) for row in [header, *rows])
    survives(name, text.encode("utf-8", "surrogateescape"))


@given(st.binary(max_size=200), st.sampled_from(["a.csv", "a.csv.gz", "a.parquet", "listing.csv"]))
@settings(max_examples=60)
def test_no_bytes_break_it(data: bytes, name: str) -> None:
    """Any bytes at all are read or refused with a hint."""
    survives(name, data)


@given(st.data())
@settings(max_examples=60)
def test_no_damaged_parquet_breaks_it(data: st.DataObject) -> None:
    """A Parquet file with some bytes changed or its end cut off is read or refused with a hint."""
    table = pa.table({"date": pa.array(["2024-01-02"] * 9), "symbol": list("ABCDEFGHI"), "close": np.arange(9.0)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    raw = bytearray(sink.getvalue().to_pybytes())
    for position in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=4)):
        raw[position] = data.draw(st.integers(0, 255))
    survives("a.parquet", bytes(raw[: data.draw(st.integers(len(raw) // 2, len(raw)))]))


COLUMNS = st.sampled_from(
    [
        pa.array([1, None]),
        pa.array(["2024-01-02", None]),
        pa.array([True, False]),
        pa.array([[1], None]),
        pa.array([None, None]),
        pa.array([b"\xff", b"x"]),
        pa.array([{"a": 1}, None]),
        pa.array([1.5, float("nan")]),
        pa.array([1, 2**62], pa.timestamp("us")),
        pa.array([1, 2], pa.timestamp("s", "America/New_York")),
        pa.array([1, 2], pa.duration("s")),
        pa.array([1, 2], pa.time32("s")),
        pa.array(["a", "b"]).dictionary_encode(),
        pa.array([1, 2], pa.date64()),
    ]
)


@given(st.dictionaries(st.sampled_from(["date", "symbol", "close", "high", "AAA"]), COLUMNS, min_size=1))
@settings(max_examples=80)
def test_no_parquet_types_break_it(columns: dict[str, pa.Array]) -> None:
    """Columns of any type are read or refused with a hint."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    survives("a.parquet", sink.getvalue().to_pybytes())
    survives("listing.parquet", sink.getvalue().to_pybytes())
