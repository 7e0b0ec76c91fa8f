"""A provider over a lakehouse: a folder of Parquet files, one per symbol, and a JSON file of candidates."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from pydantic import Field

from quantflow import Section
from quantflow.config.sections import UniverseConfig
from quantflow.data.providers.base import pick
from quantflow.errors import DataError, unknown_name

SUFFIX = "_1d.parquet"
_TIMES = ("date", "timestamp", "time")
_FIELDS = ("open", "high", "low", "close", "volume")


class LakehouseOptions(Section):
    """Keys of ``data`` in a profile with ``provider = "lakehouse"``; relative paths start at ``quantflow.toml``."""

    path: str = Field(description="folder of EXCHANGE_SYMBOL_1d.parquet")
    instruments: str = Field(description="candidates JSON: a list with symbol, and name, sector, currency, exchange")


class LakehouseProvider:
    """Daily bars of the lakehouse, for the candidates of a JSON file."""

    name = "lakehouse"
    Config = LakehouseOptions

    def __init__(self, config: LakehouseOptions) -> None:
        self.folder, self.candidates = Path(config.path), Path(config.instruments)

    def instruments(self, universe: UniverseConfig) -> pd.DataFrame:
        """Return the candidates that *universe* asks for and that have a file of bars."""
        known = [each for each in self._listed if self._file(each["symbol"]).is_file()]
        if not known:
            raise DataError(
                f"No candidate of {self.candidates} has a file in {self.folder}.",
                hint=f"NASDAQ:AAPL is NASDAQ_AAPL{SUFFIX}.",
            )
        rows = [
            {
                "symbol": each["symbol"],
                "name": each.get("name") or each.get("description") or each["symbol"],
                "sector": each.get("sector") or "",
                "currency": each.get("currency") or "USD",
                "exchange": each.get("exchange") or each["symbol"].partition(":")[0],
            }
            for each in known
        ]
        return pick(pd.DataFrame(rows).set_index("symbol").sort_index(), universe)

    def bars(self, symbols: Sequence[str], start: date | None, end: date) -> Iterator[pd.DataFrame]:
        """Return daily bars from *start* to *end*, a table per symbol."""
        if unknown := [symbol for symbol in symbols if not self._file(symbol).is_file()]:
            raise unknown_name("file of bars", unknown[0], [each["symbol"] for each in self._listed])
        return self._tables(symbols, start, end)

    def _tables(self, symbols: Sequence[str], start: date | None, end: date) -> Iterator[pd.DataFrame]:
        for symbol in symbols:
            table = self._bars(symbol)
            kept = table["date"] <= np.datetime64(end)
            if start is not None:
                kept &= table["date"] >= np.datetime64(start)
            yield table[kept].reset_index(drop=True)

    def facts(self, symbols: Sequence[str]) -> pd.DataFrame:
        """Return what the candidates say of trading: tick and lot are not known where they say nothing."""
        said = {each["symbol"]: each for each in self._listed}
        if unknown := [symbol for symbol in symbols if symbol not in said]:
            raise unknown_name("candidate", unknown[0], said)
        rows = [
            {
                "currency": said[symbol].get("currency") or "USD",
                "tick": float(said[symbol].get("tick", np.nan)),
                "lot": float(said[symbol].get("lot", np.nan)),
                "min_notional": float(said[symbol].get("min_notional", np.nan)),
            }
            for symbol in symbols
        ]
        return pd.DataFrame(rows, index=pd.Index(list(symbols), name="symbol"))

    def last_date(self) -> date | None:
        """Return the last date that a candidate has a bar of."""
        days = [
            self._bars(each["symbol"])["date"].max() for each in self._listed if self._file(each["symbol"]).is_file()
        ]
        return max(days).date() if days else None

    def fingerprint(self) -> str:
        """Return names, sizes and times of change of the files."""
        files = sorted([*self.folder.glob(f"*{SUFFIX}"), *[self.candidates] * self.candidates.exists()])
        return repr([(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files])

    @cached_property
    def _listed(self) -> list[dict[str, Any]]:
        try:
            found = json.loads(self.candidates.read_bytes())
            listed = found["data"] if isinstance(found, dict) else found
            return list({str(each["symbol"]): each for each in listed}.values())
        except (OSError, ValueError, KeyError, TypeError) as error:
            hint = "It is a JSON list of objects with a symbol each."
            raise DataError(f"The candidates {self.candidates} cannot be read: {error}.", hint=hint) from error

    def _file(self, symbol: str) -> Path:
        return self.folder / f"{symbol.replace(':', '_')}{SUFFIX}"

    def _bars(self, symbol: str) -> pd.DataFrame:
        file = self._file(symbol)
        try:
            table = pq.read_table(file).to_pandas()
        except (OSError, ValueError) as error:
            raise DataError(f"{file} cannot be read: {error}.", hint="Fetch it again.") from error
        table = table.reset_index() if table.index.name in _TIMES else table
        table.columns = [str(name).lower() for name in table.columns]
        when = next((name for name in _TIMES if name in table), None)
        if when is None or "close" not in table:
            raise DataError(f"{file} has no column close, or none of {', '.join(_TIMES)}.")
        values = {name: table[name].to_numpy(dtype=np.float64) for name in _FIELDS if name in table}
        made = pd.DataFrame({"symbol": symbol, "date": _days(table[when]), **values})
        made["symbol"] = made["symbol"].astype("str")
        return made[made["close"].notna()].sort_values("date", kind="stable")


def _days(found: pd.Series) -> np.ndarray:
    """Return days without zone of dates, of times in any zone, or of seconds since 1970."""
    times = pd.to_datetime(found, unit="s", utc=True) if found.dtype.kind in "iuf" else pd.to_datetime(found, utc=True)
    return times.dt.tz_localize(None).to_numpy().astype("datetime64[D]").astype("datetime64[s]")
