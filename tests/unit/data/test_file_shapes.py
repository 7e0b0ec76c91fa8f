"""Files as they come: each shape is read right, to the value, or refused with the setting that decides."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.config.data import DataConfig
from quantflow.config.sections import UniverseConfig
from quantflow.data.providers import open_provider
from quantflow.errors import QuantflowError
from quantflow.testing.provider_contract import collect

SYMBOLS = ("AAPL", "BRK-B", "KO")
DAYS = pd.DatetimeIndex(pd.bdate_range("2024-01-02", periods=8), name="Date")
FIELDS = ("Open", "High", "Low", "Close", "Volume")


def base() -> pd.DataFrame:
    """Return the truth: one row per day and symbol, prices to the cent, volumes whole."""
    rng = np.random.default_rng(3)
    close = np.round(100 + np.cumsum(rng.normal(0, 2, (len(DAYS), 3)), axis=0), 2)
    parts = []
    for number, symbol in enumerate(SYMBOLS):
        each = pd.DataFrame({"Date": DAYS, "Symbol": symbol, "Close": close[:, number]})
        each = each.assign(Open=each["Close"] - 0.5, High=each["Close"] + 1.25, Low=each["Close"] - 1.25)
        parts.append(each.assign(Volume=1000.0 * (number + 1) + np.arange(len(DAYS))))
    return pd.concat(parts, ignore_index=True)[["Date", "Symbol", *FIELDS]].round(2)


def one(symbol: str = "AAPL") -> pd.DataFrame:
    """Return the rows of one symbol, without its name."""
    found = base()
    return found[found["Symbol"] == symbol].drop(columns="Symbol").reset_index(drop=True)


def wide(name: str = "Close") -> pd.DataFrame:
    """Return one field, a column per symbol."""
    return base().pivot(index="Date", columns="Symbol", values=name)


def levels(*, by_symbol: bool = False) -> pd.DataFrame:
    """Return what ``yf.download`` gives: two levels of names."""
    found = pd.concat({name: wide(name) for name in FIELDS}, axis=1, names=["Price", "Ticker"])
    return found.swaplevel(axis=1).sort_index(axis=1) if by_symbol else found


def flat(form: str, names: tuple[str, ...] = FIELDS) -> pd.DataFrame:
    """Return one row of names in which field and symbol are joined."""
    found = levels()[list(names)]
    return found.set_axis([form.format(field=name, symbol=symbol) for name, symbol in found.columns], axis=1)


Write = Callable[[Path], str]


@dataclass(frozen=True)
class Shape:
    """One way in which prices lie about.

    Attributes:
        write: Writes it into a folder; returns ``data.path`` there.
        settings: What the user says of it.
        fields: The fields that must be read with their values.
        symbols: The symbols that must be found.
        refused: What the error must say, where it must be refused; its hint is among it.
    """

    write: Write
    settings: Mapping[str, Any] = field(default_factory=dict)
    fields: tuple[str, ...] = ("close",)
    symbols: tuple[str, ...] = SYMBOLS
    refused: tuple[str, ...] = ()


OHLCV = tuple(name.lower() for name in FIELDS)


def csv_file(frame: Callable[[], pd.DataFrame], name: str = "prices.csv", **how: Any) -> Write:
    """Return a writer of one CSV file."""

    def write(folder: Path) -> str:
        frame().to_csv(folder / name, **how)
        return name

    return write


def parquet_file(frame: Callable[[], pd.DataFrame], name: str = "prices.parquet", **how: Any) -> Write:
    """Return a writer of one Parquet file."""

    def write(folder: Path) -> str:
        frame().to_parquet(folder / name, **how)
        return name

    return write


def text_file(text: str, name: str = "prices.csv") -> Write:
    """Return a writer of a given text."""

    def write(folder: Path) -> str:
        (folder / name).write_text(text)
        return name

    return write


def each_file(change: Callable[[pd.DataFrame, str], pd.DataFrame], place: str = "{}.csv", path: str = ".") -> Write:
    """Return a writer of one file per symbol."""

    def write(folder: Path) -> str:
        for symbol in SYMBOLS:
            target = folder / "prices" / place.format(symbol)
            target.parent.mkdir(parents=True, exist_ok=True)
            frame = change(one(symbol), symbol)
            frame.to_parquet(target, index=False) if target.suffix == ".parquet" else frame.to_csv(target, index=False)
        return f"prices/{path}" if path != "." else "prices"

    return write


def partitioned(folder: Path, key: str = "symbol", **how: Any) -> str:
    """Write a partitioned Parquet dataset as pandas does."""
    base().rename(columns={"Symbol": key}).to_parquet(folder / "prices", partition_cols=[key], index=False, **how)
    return "prices"


def partitioned_by_year(folder: Path) -> str:
    """Write a partitioned dataset whose folders say nothing of symbols."""
    base().assign(year=base()["Date"].dt.year).to_parquet(folder / "prices", partition_cols=["year"], index=False)
    return "prices"


def spark(folder: Path) -> str:
    """Write a folder that is called as a file, with markers beside the parts."""
    (folder / "prices.parquet").mkdir()
    for number, (_, part) in enumerate(base().groupby("Symbol")):
        part.to_parquet(folder / "prices.parquet" / f"part-{number:05}.snappy.parquet", index=False)
    (folder / "prices.parquet" / "_SUCCESS").touch()
    (folder / "prices.parquet" / ".part-00000.crc").touch()
    return "prices.parquet"


def zipped(folder: Path, *, members: bool) -> str:
    """Write a zip file: of one long table, or of a file per symbol."""
    with zipfile.ZipFile(folder / "prices.zip", "w") as archive:
        if members:
            for symbol in SYMBOLS:
                archive.writestr(f"data/{symbol}.csv", one(symbol).to_csv(index=False))
            archive.writestr("__MACOSX/data/._KO.csv", "x")
            archive.writestr("readme.md", "none")
        else:
            archive.writestr("prices.csv", base().to_csv(index=False))
    return "prices.zip"


def packed(folder: Path) -> str:
    """Write a gzip file."""
    (folder / "prices.csv.gz").write_bytes(gzip.compress(base().to_csv(index=False).encode()))
    return "prices.csv.gz"


def stooq(folder: Path) -> str:
    """Write a file per symbol as Stooq does."""
    (folder / "stooq").mkdir()
    for symbol in SYMBOLS:
        rows = one(symbol)
        lines = ["<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>"]
        lines += [
            f"{symbol},D,{r.Date:%Y%m%d},000000,{r.Open},{r.High},{r.Low},{r.Close},{r.Volume},0"
            for r in rows.itertuples()
        ]
        (folder / "stooq" / f"{symbol.lower()}.us.txt").write_text("\n".join(lines))
    return "stooq"


def investing(date_form: str = "%m/%d/%Y", *, thousands: bool = False) -> Callable[[], pd.DataFrame]:
    """Return one instrument as Investing.com writes it."""

    def frame() -> pd.DataFrame:
        found = one().rename(columns={"Close": "Price"})[["Date", "Price", "Open", "High", "Low"]]
        found["Date"] = found["Date"].dt.strftime(date_form)
        if thousands:
            found = found.map(lambda value: f"{value * 100:,.2f}" if isinstance(value, float) else value)
        return found.assign(**{"Vol.": "1.2M", "Change %": "0.50%"})

    return frame


def long(**names: str) -> Callable[[], pd.DataFrame]:
    """Return the long table with other names."""
    return lambda: base().rename(columns=names)


def dated(form: str) -> Callable[[], pd.DataFrame]:
    """Return the long table with dates of a form."""
    return lambda: base().assign(Date=base()["Date"].dt.strftime(form))


def stamped(zone: str, hour: int = 0) -> Callable[[], pd.DataFrame]:
    """Return the long table with moments of a zone."""
    return lambda: base().assign(Date=(base()["Date"] + pd.Timedelta(hours=hour)).dt.tz_localize(zone))


def german(folder: Path) -> str:
    """Write what a German spreadsheet saves."""
    frame = base().assign(Date=base()["Date"].dt.strftime("%d.%m.%Y"))
    frame.to_csv(folder / "kurse.csv", sep=";", decimal=",", index=False)
    return "kurse.csv"


def spaced(folder: Path) -> str:
    """Write cells with spaces around them."""
    rows = [[f" {cell} " for cell in row] for row in csv.reader(io.StringIO(base().to_csv(index=False)))]
    (folder / "prices.csv").write_text("\n".join(",".join(row) for row in rows))
    return "prices.csv"


def before_start(folder: Path) -> str:
    """Write rows that cannot be read, all before the start."""
    bad = "1899-12-29,AAPL,x,1,1,1,1\n1990-01-02,AAPL,n.a.,n.a.,,-,1\n"
    text = base().to_csv(index=False)
    head, _, rest = text.partition("\n")
    (folder / "prices.csv").write_text(f"{head}\n{bad}{rest}")
    return "prices.csv"


def adjusted() -> pd.DataFrame:
    """Return the long table with an adjusted close that is the truth, and a close at twice that."""
    found = base().rename(columns={"Close": "Adj Close"})
    return found.assign(
        Close=found["Adj Close"] * 2, Open=found["Open"] * 2, High=found["High"] * 2, Low=found["Low"] * 2
    )


READ: dict[str, Shape] = {
    "long csv": Shape(csv_file(base, index=False), fields=OHLCV),
    "long csv with a saved index": Shape(csv_file(base), fields=OHLCV),
    "long parquet": Shape(parquet_file(base), fields=OHLCV),
    "long parquet, index of dates": Shape(parquet_file(lambda: base().set_index("Date")), fields=OHLCV),
    "long, upper case": Shape(csv_file(lambda: base().rename(columns=str.upper), index=False), fields=OHLCV),
    "long, ticker": Shape(csv_file(long(Symbol="Ticker"), index=False), fields=OHLCV),
    "long, symbol and ticker": Shape(csv_file(lambda: base().assign(Ticker="X"), index=False), fields=OHLCV),
    "long, Name (Kaggle)": Shape(csv_file(long(Symbol="Name"), index=False), fields=OHLCV),
    "long, tic (FinRL)": Shape(csv_file(lambda: base().rename(columns=str.lower).rename(columns={"symbol": "tic"}))),
    "long, ric": Shape(csv_file(long(Symbol="RIC"), index=False), fields=OHLCV),
    "long, code": Shape(csv_file(long(Symbol="code"), index=False), fields=OHLCV),
    "long, isin and name": Shape(csv_file(lambda: long(Symbol="ISIN")().assign(name="Company"), index=False)),
    "long, PX_LAST": Shape(csv_file(long(Close="PX_LAST", Volume="PX_VOLUME"), index=False), fields=OHLCV),
    "long, symbol named by the user": Shape(
        csv_file(long(Symbol="paper"), index=False), {"columns": {"symbol": "paper"}}, OHLCV
    ),
    "long, close named by the user": Shape(
        csv_file(long(Close="mid"), index=False), {"columns": {"close": "mid"}}, OHLCV
    ),
    "long, date beside a weekday": Shape(
        csv_file(lambda: base().assign(Day=base()["Date"].dt.day_name()), index=False), fields=OHLCV
    ),
    "long, date beside unix time": Shape(
        csv_file(lambda: base().assign(timestamp=base()["Date"].astype("int64")), index=False), fields=OHLCV
    ),
    "long, trade date": Shape(csv_file(long(Date="Trade Date"), index=False), fields=OHLCV),
    "long, days as 20240102": Shape(csv_file(dated("%Y%m%d"), index=False), fields=OHLCV),
    "long, days as integers": Shape(
        parquet_file(lambda: base().assign(Date=base()["Date"].dt.strftime("%Y%m%d").astype(int))), fields=OHLCV
    ),
    "long, American dates": Shape(csv_file(dated("%m/%d/%Y"), index=False), {"date_format": "%m/%d/%Y"}, OHLCV),
    "long, European dates": Shape(csv_file(dated("%d.%m.%Y"), index=False), {"date_format": "%d.%m.%Y"}, OHLCV),
    "long, months by name": Shape(csv_file(dated("%b %d, %Y"), index=False), {"date_format": "%b %d, %Y"}, OHLCV),
    "long, midnights of New York": Shape(parquet_file(stamped("America/New_York")), fields=OHLCV),
    "long, New York's midnights in UTC": Shape(
        parquet_file(lambda: base().assign(Date=stamped("America/New_York")()["Date"].dt.tz_convert("UTC"))),
        {"timezone": "America/New_York"},
        OHLCV,
    ),
    "long, closes of New York in UTC": Shape(
        csv_file(
            lambda: base().assign(Date=stamped("America/New_York", 16)()["Date"].dt.tz_convert("UTC")), index=False
        ),
        {"timezone": "America/New_York"},
        OHLCV,
    ),
    "long, semicolons": Shape(csv_file(base, sep=";", index=False), fields=OHLCV),
    "long, tabs": Shape(csv_file(base, "prices.tsv", sep="\t", index=False), fields=OHLCV),
    "long, bars": Shape(csv_file(base, sep="|", index=False), fields=OHLCV),
    "long, carets": Shape(csv_file(base, sep="^", index=False), {"separator": "^"}, OHLCV),
    "long, German": Shape(german, {"decimal": ",", "date_format": "%d.%m.%Y"}, OHLCV),
    "long, spaces around cells": Shape(spaced, fields=OHLCV),
    "long, with a byte-order mark": Shape(csv_file(base, index=False, encoding="utf-8-sig"), fields=OHLCV),
    "long, Windows line ends": Shape(csv_file(base, index=False, lineterminator="\r\n"), fields=OHLCV),
    "long, quoted": Shape(csv_file(base, index=False, quoting=csv.QUOTE_ALL), fields=OHLCV),
    "long, an adjusted close": Shape(
        csv_file(adjusted, index=False), fields=("open", "high", "low", "close", "volume")
    ),
    "long, unreadable before the start": Shape(before_start, {"start": "2000-01-01"}, OHLCV),
    "long csv.gz": Shape(packed, fields=OHLCV),
    "long in a zip": Shape(lambda folder: zipped(folder, members=False), fields=OHLCV),
    "a zip of files": Shape(lambda folder: zipped(folder, members=True), fields=OHLCV),
    "wide csv": Shape(csv_file(wide)),
    "wide csv, index without a name": Shape(csv_file(lambda: wide().rename_axis(None))),
    "wide parquet": Shape(parquet_file(wide)),
    "wide, said to be": Shape(csv_file(wide), {"layout": "wide"}),
    "yfinance parquet": Shape(parquet_file(levels), fields=OHLCV),
    "yfinance parquet, by ticker": Shape(parquet_file(lambda: levels(by_symbol=True)), fields=OHLCV),
    "yfinance parquet, index as a column": Shape(parquet_file(lambda: levels().reset_index()), fields=OHLCV),
    "yfinance csv, three rows of names": Shape(csv_file(levels), fields=OHLCV),
    "yfinance csv, by ticker": Shape(csv_file(lambda: levels(by_symbol=True)), fields=OHLCV),
    "yfinance csv, index without a name": Shape(csv_file(lambda: levels().rename_axis(index=None)), fields=OHLCV),
    "yfinance csv, levels without names": Shape(
        csv_file(lambda: levels().rename_axis([None, None], axis=1)), fields=OHLCV
    ),
    "yfinance csv, one ticker": Shape(
        csv_file(lambda: levels().loc[:, (slice(None), "AAPL")]), fields=OHLCV, symbols=("AAPL",)
    ),
    "flat, Close_AAPL": Shape(csv_file(lambda: flat("{field}_{symbol}")), fields=OHLCV),
    "flat, AAPL_Close": Shape(csv_file(lambda: flat("{symbol}_{field}")), fields=OHLCV),
    "flat, AAPL.Close": Shape(parquet_file(lambda: flat("{symbol}.{field}")), fields=OHLCV),
    "flat, Close AAPL": Shape(csv_file(lambda: flat("{field} {symbol}")), fields=OHLCV),
    "flat, AAPL - close": Shape(csv_file(lambda: flat("{symbol} - {field}")), fields=OHLCV),
    "flat, closes alone": Shape(csv_file(lambda: flat("Close_{symbol}", ("Close",)))),
    "a file per symbol": Shape(each_file(lambda frame, _: frame), fields=OHLCV),
    "a file per symbol, glob": Shape(each_file(lambda frame, _: frame, path="*.csv"), fields=OHLCV),
    "a file per symbol, parquet": Shape(each_file(lambda frame, _: frame, "{}.parquet"), fields=OHLCV),
    "a file per symbol, company names": Shape(
        each_file(lambda frame, symbol: frame.assign(Name=f"{symbol.title()} Company")), fields=OHLCV
    ),
    "a file per symbol, its ticker inside": Shape(
        each_file(lambda frame, symbol: frame.assign(Ticker=symbol), "{}_daily.csv"), fields=OHLCV
    ),
    "a readme beside the files": Shape(
        lambda folder: (
            each_file(lambda frame, _: frame)(folder),
            (folder / "prices" / "readme.txt").write_text("Prices.\n"),
        )[0],
        fields=OHLCV,
    ),
    "date and price": Shape(each_file(lambda frame, _: frame.rename(columns={"Close": "price"})[["Date", "price"]])),
    "Settle of a future": Shape(
        csv_file(lambda: one().rename(columns={"Close": "Settle"}).assign(Change=0.1), "AAPL.csv", index=False),
        fields=OHLCV,
        symbols=("AAPL",),
    ),
    "Investing.com": Shape(
        csv_file(investing(), "AAPL.csv", index=False),
        {"date_format": "%m/%d/%Y"},
        ("open", "high", "low", "close"),
        ("AAPL",),
    ),
    "Investing.com, ISO dates": Shape(
        csv_file(investing("%Y-%m-%d"), "AAPL.csv", index=False),
        fields=("open", "high", "low", "close"),
        symbols=("AAPL",),
    ),
    "Stooq": Shape(stooq, fields=OHLCV),
    "hive, pandas": Shape(partitioned, fields=OHLCV),
    "hive, ticker": Shape(lambda folder: partitioned(folder, "ticker"), fields=OHLCV),
    "hive, key named by the user": Shape(
        lambda folder: partitioned(folder, "paper"), {"columns": {"symbol": "paper"}}, OHLCV
    ),
    "hive, csv of DuckDB": Shape(each_file(lambda frame, _: frame, "symbol={}/data_0.csv"), fields=OHLCV),
    "hive, polars": Shape(each_file(lambda frame, _: frame, "symbol={}/00000000.parquet"), fields=OHLCV),
    "hive, glob": Shape(
        each_file(lambda frame, _: frame, "symbol={}/part-0.parquet", path="symbol=*/*.parquet"), fields=OHLCV
    ),
    "hive by year, symbols inside": Shape(partitioned_by_year, fields=OHLCV),
    "Spark's folder": Shape(spark, fields=OHLCV),
    "hive by symbol and year": Shape(
        each_file(lambda frame, _: frame, "symbol={}/year=2024/part-0.parquet"), fields=OHLCV
    ),
    "long, Dates and Last Price": Shape(csv_file(long(Date="Dates", Close="Last Price"), index=False), fields=OHLCV),
    "long, days without zeros": Shape(
        csv_file(
            lambda: base().assign(Date=[f"{day.year}-{day.month}-{day.day}" for day in base()["Date"]]), index=False
        ),
        {"date_format": "%Y-%m-%d"},
        OHLCV,
    ),
}

REFUSED: dict[str, Shape] = {
    "dates repeat without a symbol": Shape(
        csv_file(lambda: long(Symbol="paper")(), index=False),
        refused=("2024-01-02 is there more than once", "data.columns", "'paper'"),
    ),
    "fields without a close": Shape(
        csv_file(lambda: one().drop(columns="Close"), "AAPL.csv", index=False),
        refused=("row 1", "look like fields, not symbols", "data.columns", "data.layout"),
    ),
    "a close by another name": Shape(
        csv_file(lambda: one().rename(columns={"Close": "mid"}), "AAPL.csv", index=False),
        refused=("row 1", "look like fields, not symbols", "data.columns"),
    ),
    "levels without fields": Shape(
        parquet_file(lambda: pd.concat({"a": wide(), "b": wide()}, axis=1)),
        refused=("row 1", "levels of names", "data.columns"),
    ),
    "American dates": Shape(
        csv_file(dated("%m/%d/%Y"), index=False),
        refused=("row 2", "column 'Date'", "'01/02/2024' is not a date", "data.date_format"),
    ),
    "another date format than was said": Shape(
        csv_file(dated("%m/%d/%Y"), index=False),
        {"date_format": "%d.%m.%Y"},
        refused=("row 2", "column 'Date'", "data.date_format"),
    ),
    "moments that are no midnight": Shape(
        parquet_file(stamped("America/New_York", 16)),
        refused=("row 2", "column 'Date'", "is not a date", "data.timezone"),
    ),
    "unix time": Shape(
        parquet_file(lambda: base().assign(Date=base()["Date"].astype("int64") // 10**9)),
        refused=("row 2", "column 'Date'", "is not a date"),
    ),
    "decimal commas": Shape(
        csv_file(base, sep=";", decimal=",", index=False),
        refused=("row 2", "column 'Close'", "is not a number", "data.decimal"),
    ),
    "thousands": Shape(
        csv_file(investing("%Y-%m-%d", thousands=True), "AAPL.csv", index=False),
        refused=("row 2", "is not a number", "data.decimal"),
    ),
    "dollars": Shape(
        csv_file(lambda: one().assign(Close="$" + one()["Close"].astype(str)), "AAPL.csv", index=False),
        refused=("row 2", "column 'Close'", "is not a number"),
    ),
    "two closes": Shape(
        csv_file(lambda: base().assign(close=1.0), index=False),
        refused=("row 1", "'Close' and 'close' mean the same", "data.columns"),
    ),
    "a column that is not there": Shape(
        csv_file(base, index=False), {"columns": {"close": "Clse"}}, refused=("data.columns.close is 'Clse'", "'Close'")
    ),
    "no date": Shape(
        csv_file(lambda: base().drop(columns="Date"), index=False), refused=("row 1", "'date'", "data.columns")
    ),
    "text among prices": Shape(
        csv_file(lambda: wide().assign(sector="Tech")),
        refused=("row 2", "column 'sector'", "is not a number", "data.columns"),
    ),
    "a row of units": Shape(
        text_file("Date,Open,Close\n,USD,USD\n2024-01-02,1,2\n2024-01-03,1,2\n", "AAPL.csv"),
        refused=("row 2", "column 'Date'", "is not a date"),
    ),
    "melted fields": Shape(
        csv_file(lambda: base().melt(["Date", "Symbol"], var_name="field"), index=False),
        refused=("row 1", "none called 'close'", "data.columns"),
    ),
    "folders that are no key": Shape(
        each_file(lambda frame, _: frame, "{}/2024.csv"), refused=("there is no such file", "folder or a glob")
    ),
    "a hive without symbols": Shape(
        each_file(lambda frame, _: frame, "symbol=__HIVE_DEFAULT_PARTITION__/{}.csv"),
        refused=("names no symbol", "data.path"),
    ),
    "a spreadsheet": Shape(text_file("PK", "prices.xlsx"), refused=("there is no such file", ".parquet")),
    "a page of HTML": Shape(text_file("<html>\n<body>"), refused=("row 1", "'date'")),
    "two signs that separate": Shape(
        text_file("Date,x;Date\n2024-01-02,1;2\n"), refused=("row 1", "could separate the cells", "data.separator")
    ),
}


def read(shape: Shape, folder: Path) -> pd.DataFrame:
    """Return all bars of a shape."""
    path = shape.write(folder)
    config = DataConfig(provider="files", path=str(folder / path), **shape.settings)
    source = open_provider(config)
    symbols = tuple(source.instruments(UniverseConfig()).index)
    return collect(source.bars(symbols, config.start, date(2100, 1, 1)))


@pytest.mark.parametrize("name", READ)
def test_a_shape_is_read_right(name: str, tmp_path: Path) -> None:
    """Symbols, days and every field have the values that were written."""
    shape = READ[name]
    found = read(shape, tmp_path).assign(symbol=lambda frame: frame["symbol"].astype(str))
    truth = base().rename(columns=str.lower)
    truth = truth[truth["symbol"].isin(shape.symbols)].sort_values(["symbol", "date"], ignore_index=True)
    found = found.sort_values(["symbol", "date"], ignore_index=True)
    assert found["symbol"].tolist() == truth["symbol"].tolist()
    assert found["date"].tolist() == truth["date"].tolist()
    for name_of in shape.fields:
        np.testing.assert_allclose(found[name_of].to_numpy(dtype=float), truth[name_of], rtol=1e-12, err_msg=name_of)


@pytest.mark.parametrize("name", REFUSED)
def test_a_shape_that_cannot_be_known_is_refused(name: str, tmp_path: Path) -> None:
    """The error names the file, the place and the setting that decides."""
    shape = REFUSED[name]
    with pytest.raises(QuantflowError) as caught:
        read(shape, tmp_path)
    said = f"{caught.value.message} {caught.value.hint}"
    for part in shape.refused:
        assert part in said


def test_thousands_are_read_once_the_decimal_sign_is_said(tmp_path: Path) -> None:
    """``1,234.50`` is a number where the user says that the point is the decimal sign; ``1,23.4`` is none."""
    shape = Shape(csv_file(investing("%Y-%m-%d", thousands=True), "AAPL.csv", index=False), {"decimal": "."})
    np.testing.assert_allclose(read(shape, tmp_path)["close"], one()["Close"] * 100)
    (tmp_path / "AAPL.csv").write_text('date,close\n2024-01-02,"1,23.4"\n')
    with pytest.raises(QuantflowError, match=r"'1,23\.4' is not a number"):
        read(Shape(lambda _: "AAPL.csv", {"decimal": "."}), tmp_path)
