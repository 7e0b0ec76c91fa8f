"""The files provider: what each layout means, and that whatever is wrong is said with file, row and column."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quantflow.config.data import DataConfig
from quantflow.config.sections import UniverseConfig
from quantflow.data.providers import open_provider
from quantflow.errors import ConfigError, DataError, DataUnavailableError
from quantflow.testing.provider_contract import collect

LONG = "date,symbol,close\n2024-01-02,A,1.5\n2024-01-02,B,2.5\n2024-01-03,A,1.6\n"


def provider(path: Path | str, **settings: Any) -> Any:
    """Return a files provider."""
    return open_provider(DataConfig(provider="files", path=str(path), **settings))


def bars(path: Path | str, *symbols: str) -> pd.DataFrame:
    """Return all bars of some symbols; of all when none is named."""
    source = provider(path)
    return collect(source.bars(symbols or tuple(source.instruments(UniverseConfig()).index), None, date(2100, 1, 1)))


def written(folder: Path, text: str | bytes, name: str = "AAA.csv") -> Path:
    """Write a file."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_path_is_needed() -> None:
    """Without a path there is nothing to read."""
    with pytest.raises(ConfigError, match=r"needs data\.path"):
        open_provider(DataConfig(provider="files"))


def test_a_file_without_symbols_is_named_after_its_one(tmp_path: Path) -> None:
    """Date and close alone are the bars of the symbol that the file is called."""
    found = bars(written(tmp_path, "Date,Close\n2024-01-02,1.5\n2024-01-03,\n", "BRK.B.csv"))
    assert found["symbol"].tolist() == ["BRK.B"]
    assert found["close"].tolist() == [1.5]


def test_column_names_are_read_with_tolerance(tmp_path: Path) -> None:
    """Case, spaces and underscores do not matter, tickers are symbols, other columns are ignored."""
    text = " DATE ,Ticker,CLOSE,Volume,comment\n2024-01-02,A,1.5,7,x\n"
    found = bars(written(tmp_path, text))
    assert found.drop(columns="date").values.tolist() == [["A", 1.5, 7.0]]


@pytest.mark.parametrize("name", ["adj_close", "Adj Close", "adjusted_close", "adjClose", "close_adj"])
def test_an_adjusted_close_is_preferred_and_scales_the_others(tmp_path: Path, name: str) -> None:
    """With both, the adjusted close counts and open, high and low move with it; volume does not, nor the raw close."""
    text = f"date,open,high,low,close,{name},volume\n2024-01-02,9,12,8,10,5,700\n2024-01-03,1,2,1,0,5,7\n"
    found = bars(written(tmp_path, text)).drop(columns=["symbol", "date"])
    expected = pd.DataFrame({"open": [4.5, np.nan], "high": [6.0, np.nan], "low": [4.0, np.nan], "close": [5.0, 5.0]})
    traded = {"volume": [700.0, 7.0], "raw_close": [10.0, 0.0]}
    pd.testing.assert_frame_equal(found, expected.assign(**traded), check_like=True)


def test_an_adjusted_close_alone_is_a_close(tmp_path: Path) -> None:
    """Without a raw close nothing can be scaled, nor needs to be."""
    found = bars(written(tmp_path, "date,high,adj_close\n2024-01-02,12,5\n"))
    assert found[["high", "close"]].values.tolist() == [[12.0, 5.0]]
    assert "raw_close" not in found


@pytest.mark.parametrize("name", ["raw_close", "Raw Close", "close_unadj"])
def test_a_raw_close_may_stand_beside_the_close(tmp_path: Path, name: str) -> None:
    """Then the close is the adjusted one, and open, high and low belong to it."""
    found = bars(written(tmp_path, f"date,high,close,{name},volume\n2024-01-02,6,5,100,7\n"))
    assert found[["high", "close", "raw_close", "volume"]].values.tolist() == [[6.0, 5.0, 100.0, 7.0]]


def test_a_wide_file_may_name_symbols_like_fields(tmp_path: Path) -> None:
    """Without a column 'close' every column is a symbol, also LOW, OPEN and a number; an empty cell is not a bar."""
    found = bars(written(tmp_path, "date,LOW,OPEN,0700\n2024-01-02,1,2,3\n2024-01-03,,2,nan\n"))
    assert found["symbol"].tolist() == ["0700", "LOW", "OPEN", "OPEN"]


def test_a_saved_index_is_no_column(tmp_path: Path) -> None:
    """The column without a name that a saved row index leaves is ignored, or is the date where there is no other."""
    assert len(bars(written(tmp_path, ",date,symbol,close\n0,2024-01-02,A,1\n"))) == 1
    assert len(bars(written(tmp_path, ",date,A,B\n0,2024-01-02,1,1\n"))) == 2
    assert bars(written(tmp_path, ",A\n2024-01-02,1\n"))["symbol"].tolist() == ["A"]


def test_symbols_are_text(tmp_path: Path) -> None:
    """NA, TRUE and 0700 are symbols like others."""
    rows = "".join(f"2024-01-02,{symbol},1\n" for symbol in ("NA", "TRUE", "0700", "null"))
    assert bars(written(tmp_path, f"date,symbol,close\n{rows}"))["symbol"].tolist() == ["0700", "NA", "TRUE", "null"]


@pytest.mark.parametrize("day", ["2024-01-02", "2024-01-02 00:00", "2024-01-02T00:00:00", "2024-01-02T00:00:00.0Z"])
def test_dates_are_iso_days(tmp_path: Path, day: str) -> None:
    """A day may carry a midnight."""
    found = bars(written(tmp_path, f"date,close\n{day},1\n2024-01-03,2\n"))
    assert found["date"].dt.strftime("%Y-%m-%d").tolist() == ["2024-01-02", "2024-01-03"]


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64(), pa.timestamp("ns"), pa.timestamp("us", "UTC"), pa.string()])
def test_parquet_dates_of_every_kind(tmp_path: Path, kind: pa.DataType) -> None:
    """Parquet may hold days as dates, timestamps at midnight, or text; prices as any number."""
    days = pa.array([date(2024, 1, 2), date(2024, 1, 3)]).cast(kind)
    closes = pa.array([1, 2]).cast(pa.decimal128(21, 2))
    pq.write_table(pa.table({"date": days, "close": closes}), tmp_path / "A.parquet")
    found = bars(tmp_path)
    assert found["date"].dt.strftime("%Y-%m-%d").tolist() == ["2024-01-02", "2024-01-03"]
    assert found["close"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["row 1", "no column is named"]),
        ("\ndate,close\n2024-01-02,1\n", ["row 1", "no column is named"]),
        ("close,volume\n1,2\n", ["row 1", "no column is called 'date'"]),
        ("<html>\n<body>", ["row 1", "no column is called 'date' (<html>)"]),
        ("date\n2024-01-02\n", ["row 1", "no column beside the date"]),
        ("date,symbol,rate\n2024-01-02,A,1\n", ["row 1", "a column 'symbol' but none called 'close'"]),
        ("date,A,B,\n2024-01-02,1,2,3\n2024-01-02,1\n", ["row 3", "Expected 4 columns, got 2"]),
        ("date,close,Close\n2024-01-02,1,2\n", ["row 1", "'close' and 'Close' mean the same"]),
        ("date,A,A\n2024-01-02,1,2\n", ["row 1", "two columns are called 'A'"]),
        (b"date,close\xff\n", ["row 1", "no header of a CSV file"]),
        ('date,"close\n', ["row 1", "no header of a CSV file"]),
        ("date,close\n2024-01-02,1\n2024-01-03,abc\n", ["row 3", "column 'close'", "'abc' is not a number"]),
        ("date,x,close\n2024-01-02,y,z\n", ["row 2", "column 'close'", "'z' is not a number"]),
        ("date,close\n2024-01-02,1\n2024-01-03\n", ["row 3", "Expected 2 columns, got 1"]),
        ("date,close\n2024-01-02,1\n03/01/2024,2\n", ["row 3", "column 'date'", "'03/01/2024' is not a date"]),
        (
            "date,close\n2024-01-02,1\n2024-02-30T00:00,2\n",
            ["row 3", "column 'date'", "'2024-02-30T00:00' is not a date"],
        ),
        ("date,close\n2024-01-02 16:00,1\n", ["row 2", "column 'date'", "is not a date"]),
        ("date,close\n2024-01-02,1\n,2\n", ["row 3", "column 'date'", "'' is not a date"]),
        ("date,close\n0204-01-02,1\n", ["row 2", "column 'date'", "before 1900"]),
        ("date,symbol,close\n2024-01-02,,1\n", ["row 2", "column 'symbol'", "it is empty"]),
        (b"date,symbol,close\n2024-01-02,\xff\xfe,1\n", ["row 2", "invalid UTF8"]),
    ],
)
def test_what_is_malformed_is_named(tmp_path: Path, text: str | bytes, parts: list[str]) -> None:
    """Every fault of a CSV file is a DataError with the file, the row, the column and a hint."""
    with pytest.raises(DataError) as caught:
        bars(written(tmp_path, text))
    for part in ("AAA.csv", *parts):
        assert part in caught.value.message
    assert caught.value.hint


def test_a_fault_far_down_is_found_by_its_row(tmp_path: Path) -> None:
    """Rows are counted across the blocks in which a large file is read."""
    days = np.repeat(np.arange("2000-01-01", "2020-01-01", dtype="datetime64[D]").astype(str), 20)
    lines = [f"{day},S,{1:030d}" for day in days]
    lines[100_000] = "2000-13-01,S,1"
    with pytest.raises(DataError, match="row 100002, column 'date': '2000-13-01' is not a date"):
        bars(written(tmp_path, "\n".join(["date,symbol,close", *lines])))


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        ({"date": pa.array([1, 2]), "close": pa.array([1.0, 2.0])}, "column 'date': '1' is not a date"),
        ({"date": pa.array(["2024-01-02"]), "close": pa.array(["1"])}, "column 'close': it holds string, not numbers"),
        ({"date": pa.array(["2024-01-02"]), "close": pa.array([True])}, "column 'close': it holds bool"),
        ({"date": pa.array(["2024-01-02", None]), "close": pa.array([1.0, 2.0])}, "row 3, column 'date'"),
        (
            {"date": pa.array([86_400_000, 3_600_000], pa.timestamp("ms")), "close": pa.array([1.0, 2.0])},
            "row 3, column 'date': '1970-01-01 01:00:00' is not a date",
        ),
        (
            {"date": pa.array(["2024-01-02"]), "symbol": pa.array([[1]]), "close": pa.array([1.0])},
            "column 'symbol': it holds",
        ),
    ],
)
def test_malformed_parquet_is_named(tmp_path: Path, columns: dict[str, pa.Array], part: str) -> None:
    """A Parquet column of the wrong type, or a row without a date, is a DataError that names it."""
    pq.write_table(pa.table(columns), tmp_path / "A.parquet")
    with pytest.raises(DataError) as caught:
        bars(tmp_path)
    assert part in caught.value.message


@pytest.mark.parametrize("name", ["A.parquet", "A.csv.gz"])
def test_a_damaged_container_is_named(tmp_path: Path, name: str) -> None:
    """What is not a Parquet or gzip file at all says so."""
    with pytest.raises(DataError, match=f"{name} cannot be read"):
        bars(written(tmp_path, b"date,close\n2024-01-02,1\n", name))


def test_layouts_do_not_mix(tmp_path: Path) -> None:
    """A file of another layout than the first is refused, not guessed at."""
    written(tmp_path, LONG, "1.csv")
    written(tmp_path, "date,A\n2024-01-02,1\n", "2.csv")
    with pytest.raises(DataError, match=r"2\.csv is wide, the files before it are long"):
        bars(tmp_path)


@pytest.mark.parametrize("path", ["none.csv", "none/*.csv", "", "notes.md"])
def test_nothing_to_read_is_a_config_error(tmp_path: Path, path: str) -> None:
    """A path that matches no file, or none of a known kind, says what kinds there are."""
    written(tmp_path, "x", "notes.md")
    written(tmp_path, LONG, ".hidden.csv")
    with pytest.raises(ConfigError, match="there is no such file") as caught:
        provider(tmp_path / path).last_date()
    assert ".parquet" in str(caught.value.hint)


def test_one_symbol_may_lie_in_many_files(tmp_path: Path) -> None:
    """Bars of one symbol in several folders are all its bars."""
    for year in (2022, 2023):
        (tmp_path / str(year)).mkdir()
        written(tmp_path / str(year), f"date,close\n{year}-01-03,1\n", "A.csv")
    assert len(bars(tmp_path / "*" / "*.csv", "A")) == 2


def test_a_header_without_rows_has_no_bars(tmp_path: Path) -> None:
    """An empty table is not an error, and has no last date."""
    source = provider(written(tmp_path, "date,close\n"))
    assert source.last_date() is None
    assert collect(source.bars(["AAA"], None, date(2100, 1, 1))).empty


def test_an_unknown_symbol_names_the_nearest(tmp_path: Path) -> None:
    """A typo is answered with the symbol that was meant."""
    source = provider(written(tmp_path, "date,MSFT,AAPL\n2024-01-02,1,2\n"))
    with pytest.raises(DataError) as caught:
        source.bars(["APPL"], None, date(2024, 1, 2))
    assert caught.value.hint == "Did you mean 'AAPL'?"


LISTING = "Symbol,Name,Sector,Currency,Exchange,Tick,Lot,Min Notional,x\nB,Bee,Tech,EUR,XETR,0.05,10,1,y\nZ,,,,,,,,\n"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_instruments_file_describes_symbols(tmp_path: Path, kind: str) -> None:
    """Names, sectors and facts come from it; a symbol that it leaves out is called by its symbol, the rest empty."""
    listing = written(tmp_path, LISTING, "listing.csv")
    if kind == "parquet":
        pd.read_csv(listing).to_parquet(tmp_path / "listing.parquet")
        listing.unlink()
    written(tmp_path, LONG, "prices.csv")
    source = provider(tmp_path, instruments=str(tmp_path / f"listing.{kind}"))
    table = source.instruments(UniverseConfig())
    assert table.to_numpy().tolist() == [["A", "", "", ""], ["Bee", "Tech", "EUR", "XETR"]]
    assert list(source.instruments(UniverseConfig(sectors=("Tech",))).index) == ["B"]
    facts = source.facts(["B", "A"])
    assert facts.loc["B"].tolist() == ["EUR", 0.05, 10.0, 1.0]
    assert facts.loc["A", "currency"] == ""
    assert facts.loc["A"].drop("currency").isna().all()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("name\nx\n", "no column is called 'symbol'"),
        ("symbol,ticker\nA,B\n", "two columns mean 'symbol'"),
        ("symbol\nA\nB\nA\n", "'A' is named twice"),
        ("symbol,tick\nA,0\n", "tick of 'A' is 0.0"),
        ("symbol,lot\nA,inf\n", "lot of 'A' is inf"),
        ("symbol,min_notional\nA,-1\n", "min_notional of 'A' is -1.0"),
        ("symbol,tick\nA,many\n", "column 'tick': 'many' is not a number"),
        ("symbol,name\n,x\n", "row 2, column 'symbol': it is empty"),
    ],
)
def test_a_malformed_instruments_file_is_named(tmp_path: Path, text: str, part: str) -> None:
    """Its faults are DataErrors with a hint, too."""
    listing = written(tmp_path, text, "listing.csv")
    with pytest.raises(DataError) as caught:
        provider(written(tmp_path, LONG), instruments=str(listing)).instruments(UniverseConfig())
    assert "listing.csv" in caught.value.message
    assert part in caught.value.message
    assert caught.value.hint


@pytest.fixture
def site() -> Iterator[Any]:
    """A web server on loopback; ``site.pages`` says what it answers: (status, headers, body) by path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = server.pages.get(self.path.partition("?")[0], (404, {}, b""))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.pages = {}
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_url_is_read_like_a_file(site: Any) -> None:
    """A file behind http is read as one on disk, also with a query."""
    site.pages["/prices.csv"] = (200, {}, LONG.encode())
    assert len(bars(f"{site.url}/prices.csv?token=secret")) == 3


@pytest.mark.parametrize(
    ("page", "error", "part"),
    [
        ((404, {}, b""), DataError, "is not there"),
        ((403, {}, b""), DataError, "answered 403"),
        ((500, {}, b""), DataUnavailableError, "answered 500"),
        ((429, {"Retry-After": "30"}, b""), DataUnavailableError, "answered 429"),
        ((200, {"Content-Length": "999"}, b"date,clo"), DataUnavailableError, "did not answer"),
        ((200, {}, b"<html>Sign in</html>"), DataError, "no column is called 'date'"),
    ],
)
def test_what_a_server_answers_decides_whether_to_try_again(site: Any, page: Any, error: Any, part: str) -> None:
    """An overload may heal and is retried, with its Retry-After; a refusal is not. Queries are never printed."""
    site.pages["/prices.csv"] = page
    with pytest.raises(error, match=part) as caught:
        bars(f"{site.url}/prices.csv?token=secret")
    assert "secret" not in caught.value.message
    if page[0] == 429:
        assert caught.value.retry_after == 30.0


def test_no_server_may_heal() -> None:
    """A refused connection is worth another try."""
    with pytest.raises(DataUnavailableError):
        bars("http://127.0.0.1:9/prices.csv")


def test_a_kind_of_url_without_its_package_names_it() -> None:
    """s3 without s3fs, and a kind of URL that does not exist, are config errors; credentials are not printed."""
    with pytest.raises(ConfigError, match=r"'gs://bucket/a\.csv': gs files cannot be read here") as caught:
        bars("gs://bucket/a.csv")
    assert caught.value.hint == "Install gcsfs."
    with pytest.raises(ConfigError, match="nosuch files cannot be read here") as caught:
        bars("nosuch://me:secret@host/a.csv")
    assert "secret" not in caught.value.message


MEASURE = """
import resource, sys
from quantflow.data.store import ArtifactStore
from quantflow.stages.ingestion import IngestionStage
import pandas, pyarrow.csv, pyarrow.parquet, exchange_calendars
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
stage, before = IngestionStage(), peak()
data = {"provider": "files", "path": sys.argv[1]}
given = {"data": data, "universe": {}, "calendar": {}, "validation": {}, "as_of": "2022-12-30"}
prices = stage.run({}, stage.configured(given))["prices"]
matrix = sum(values.nbytes for values in prices.fields.values())
collected = (peak() - before) / matrix
ArtifactStore(sys.argv[2]).put("prices", prices)
print(*prices.close.shape, collected, (peak() - before) / matrix)
"""


def test_many_files_become_a_panel_in_little_memory(tmp_path: Path) -> None:
    """A file per symbol is never held as one long table: at most 3 times the matrix, artifact included."""
    from quantflow.data.calendars import sessions

    days = sessions("XNYS", date(2013, 1, 2), date(2022, 12, 30)).astype(str)
    close = 50 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, len(days))))
    lines = [f"{day},{c:.2f},{c + 1:.2f},{c - 1:.2f},{c:.2f},{1000}" for day, c in zip(days, close, strict=True)]
    text = "\n".join(["date,open,high,low,close,volume", *lines])
    (tmp_path / "prices").mkdir()
    for number in range(400):
        written(tmp_path / "prices", text, f"S{number:03d}.csv")
    job = [sys.executable, "-c", MEASURE, str(tmp_path / "prices"), str(tmp_path / "store")]
    out = subprocess.run(job, capture_output=True, text=True, check=True).stdout
    symbols, length, collected, stored = (float(part) for part in out.split())
    assert (symbols, length) == (400, 2518)
    assert collected <= 2
    assert stored <= 3
