"""Ratings as a dated table: a candidates file has those of today, and today's rating was not known last year."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from quantflow.data.store import write_atomic
from quantflow.data.tables import latest
from quantflow.errors import ConfigError

FIELD = "Recommend.All"
"""What the candidates call it."""
COLUMN = "recommend"
"""What the table calls it."""


def with_ratings(candidates: Sequence[dict[str, Any]], tables: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the candidates with the ratings that are known in *tables* instead of their own.

    Args:
        candidates: As their ingestion gives them.
        tables: The artifact ``tables``, which holds nothing that was not known at the as-of.
    """
    symbols = sorted({str(each["symbol"]) for each in candidates})
    last = tables["date"].max() if len(tables) else pd.Timestamp(0)
    known = latest(tables, symbols, last.to_datetime64().astype("datetime64[D]"))[f"ratings.{COLUMN}"]
    values = dict(zip(symbols, known.tolist(), strict=True))
    return [{**each, FIELD: _plain(values[str(each["symbol"])])} for each in candidates]


def _plain(value: float) -> float | None:
    return None if value != value else value


def add_ratings(candidates: Path, table: Path, day: date) -> int:
    """Add the ratings of a candidates file to a table of ratings, as known on *day*; return how many rows are new.

    Rows that are there stay as they are: what was known on a day does not change later.

    Raises:
        ConfigError: If the file is not a list of candidates with a symbol each.
    """
    try:
        rows = [
            (str(each["symbol"]), day.isoformat(), float(each[FIELD])) for each in _read(candidates) if FIELD in each
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{candidates} is not a list of candidates: {error}.", hint="Each has a symbol.") from error
    new = pd.DataFrame(rows, columns=["symbol", "date", COLUMN])
    old = pd.read_csv(table, dtype={"date": str}) if table.exists() else new.iloc[:0]
    known = set(zip(old["symbol"], old["date"], strict=True))
    fresh = new[[pair not in known for pair in zip(new["symbol"], new["date"], strict=True)]]
    whole = pd.concat([old, fresh]).sort_values(["date", "symbol"], kind="stable")
    write_atomic(table.absolute(), whole.to_csv(index=False).encode())
    return len(fresh)


def _read(path: Path) -> list[dict[str, Any]]:
    found = json.loads(path.read_bytes())
    return found["data"] if isinstance(found, dict) else found
