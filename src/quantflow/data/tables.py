"""Dated tables: read strictly, put on the sessions from which on they are known, and asked for the latest values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.config.data import TableConfig
from quantflow.data.panel import FloatArray, SessionArray
from quantflow.data.providers.files.layouts import SYMBOL_NAMES
from quantflow.data.providers.files.locations import shown
from quantflow.data.providers.files.tables import Choice, read
from quantflow.errors import DataError, unknown_name

if TYPE_CHECKING:
    import pandas as pd

TABLES = "tables"
"""The artifact with the values of all tables: ``date`` (the session from which on a row is known), ``symbol``, and a
column ``TABLE.COLUMN`` per column of each table, NaN in the rows of the others."""
_SHAPE = "Its columns are symbol, date (ISO 8601, the day on which the row was known), and numbers."


def read_table(name: str, config: TableConfig, as_of: date) -> pd.DataFrame:
    """Return the rows of a table up to the as-of.

    Args:
        name: The table's name.
        config: Its settings.
        as_of: What is wrong in later rows does not matter.

    Returns:
        DataFrame with ``date``, ``symbol`` and a float64 column ``NAME.COLUMN`` per column, by date, then symbol.

    Raises:
        DataError: If a column is missing, a cell is not what it should be, or a symbol has a date twice.
        DataUnavailableError: If a remote file cannot be had now.
    """
    import pandas as pd

    meanings: dict[str, str] = {}

    def choose(names: Sequence[str]) -> Choice:
        meanings.update(_meanings(name, config, names))
        kinds = {"symbol": "symbol", "date": "date"}
        return {column: kinds.get(meaning, "number") for column, meaning in meanings.items()}  # type: ignore[misc]

    batches = list(read(config.path, choose, span=(date.min, as_of)))
    parts = [pd.DataFrame({meanings[column]: values for column, values in batch.items()}) for batch in batches]
    table = pd.concat([_empty(meanings.values()), *(part.astype({"symbol": "str"}) for part in parts)])
    table["date"] = table["date"].astype("datetime64[s]")
    table = table.sort_values(["date", "symbol"], kind="stable", ignore_index=True)
    if (twice := table[table.duplicated(["symbol", "date"])]).size:
        row = twice.iloc[0]
        raise _wrong(name, config, f"{row['symbol']!r} has {row['date']:%Y-%m-%d} twice", "Keep one row per day.")
    return table


def _empty(columns: Collection[str]) -> pd.DataFrame:
    import pandas as pd

    types = {"symbol": "str", "date": "datetime64[s]"}
    ordered = ["date", "symbol", *(column for column in columns if column not in types)]
    return pd.DataFrame({column: pd.Series([], dtype=types.get(column, "float64")) for column in ordered})


def _meanings(name: str, config: TableConfig, names: Sequence[str]) -> dict[str, str]:
    """Return what the columns that are read mean, by their name in the file."""
    plain = {column: column.strip() for column in names}
    found = {column: "symbol" for column in names if plain[column].lower() in SYMBOL_NAMES}
    found |= {column: "date" for column in names if plain[column].lower() == "date"}
    for meaning in ("symbol", "date"):
        if (count := list(found.values()).count(meaning)) != 1:
            what = f"no column is called {meaning!r}" if not count else f"two columns mean {meaning!r}"
            raise _wrong(name, config, f"row 1: {what}", _SHAPE)
    others = {plain[column]: column for column in names if column not in found}
    wanted = config.columns or tuple(others)
    if missing := [column for column in wanted if column not in others]:
        unknown = unknown_name("column", missing[0], others)
        raise _wrong(name, config, f"row 1: no column is called {missing[0]!r}", str(unknown.hint))
    if not wanted:
        raise _wrong(name, config, "row 1: it has no column of numbers", _SHAPE)
    return found | {others[column]: f"{name}.{column}" for column in wanted}


def _wrong(name: str, config: TableConfig, what: str, hint: str) -> DataError:
    return DataError(f"tables.{name}, {shown(config.path)}, {what}.", hint=hint)


def known_from(table: pd.DataFrame, lag: int, sessions: SessionArray, symbols: Collection[str]) -> pd.DataFrame:
    """Return the rows of *symbols* by the session from which on they are known; of one session the latest.

    Args:
        table: As ``read_table`` gives it.
        lag: Sessions after its date from which on a row is known.
        sessions: All sessions up to the as-of. What is known before the first is taken to be known on it.
        symbols: Symbols that are kept.
    """
    mine = table[table["symbol"].isin(list(symbols))]
    at = np.searchsorted(sessions, mine["date"].to_numpy().astype("datetime64[D]")) + lag
    there = at < len(sessions)
    mine = mine[there].assign(date=sessions[at[there]].astype("datetime64[s]"))
    return mine.groupby(["date", "symbol"], as_index=False, sort=True).last() if len(mine) else mine


def joined(
    tables: Mapping[str, pd.DataFrame],
    configs: Mapping[str, TableConfig],
    sessions: SessionArray,
    symbols: Collection[str],
) -> pd.DataFrame:
    """Return the artifact ``TABLES`` of the tables of a profile; see ``known_from``."""
    import pandas as pd

    parts = [known_from(table, configs[name].lag, sessions, symbols) for name, table in sorted(tables.items())]
    columns = [column for part in parts for column in part.columns if column not in ("date", "symbol")]
    whole = pd.concat(parts, ignore_index=True).sort_values(["date", "symbol"], kind="stable", ignore_index=True)
    return whole[["date", "symbol", *columns]]


def latest(table: pd.DataFrame, symbols: Sequence[str], session: Any) -> dict[str, FloatArray]:
    """Return the last value of each column that is known at the close of a session.

    Args:
        table: The artifact ``TABLES``.
        symbols: N symbols.
        session: The session (``datetime64[D]``); what comes later is not looked at.

    Returns:
        By column, shape (N,); NaN where nothing is known yet.
    """
    known = table[table["date"].to_numpy().astype("datetime64[D]") <= session]
    values = known.drop(columns="date").groupby("symbol", sort=False).last().reindex(list(symbols))
    return {str(column): values[column].to_numpy(dtype=np.float64) for column in values.columns}
