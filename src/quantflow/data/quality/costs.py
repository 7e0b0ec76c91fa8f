"""What single names cost: the file of costs, and what of it concerns a universe."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from quantflow.data.providers.files.layouts import SYMBOL_NAMES
from quantflow.data.providers.files.locations import shown
from quantflow.data.providers.files.tables import Choice, read
from quantflow.errors import DataError
from quantflow.quant.costs import Cost

if TYPE_CHECKING:
    import pandas as pd

COSTS = tuple(each.name for each in fields(Cost))
"""The columns of the file beside ``symbol``; each may be left out, and any cell may be empty."""
_SHAPE = f"Its columns are symbol, and any of {', '.join(COSTS)}; all in basis points."
_MOST_BPS = {"cost_bps": 1_000.0, "spread_bps": 2_000.0, "borrow_bps": 100_000.0}


def read_costs(path: str) -> pd.DataFrame:
    """Return the file of costs.

    Args:
        path: CSV or Parquet, local or at an fsspec URL, with the column ``symbol`` and any of ``COSTS``, no others.

    Returns:
        DataFrame, index ``symbol``, columns ``COSTS``, NaN where nothing is given.

    Raises:
        DataError: If a column is missing or unknown, a symbol is named twice, or a number cannot be a cost.
        DataUnavailableError: If a remote file cannot be had now.
    """
    import pandas as pd

    meanings: dict[str, str] = {}

    def choose(names: Sequence[str]) -> Choice:
        meanings.update(_meanings(path, names))
        return {name: "symbol" if meaning == "symbol" else "number" for name, meaning in meanings.items()}

    parts = [pd.DataFrame({meanings[name]: values for name, values in batch.items()}) for batch in read(path, choose)]
    table = pd.concat([pd.DataFrame({"symbol": []}), *parts], ignore_index=True).astype({"symbol": "str"})
    if (twice := table["symbol"][table["symbol"].duplicated()]).size:
        raise _wrong(path, f"{twice.iloc[0]!r} is named twice", "Keep one row per symbol.")
    table = table.set_index("symbol").reindex(columns=list(COSTS)).astype("float64")
    for name, most in _MOST_BPS.items():
        values = table[name].to_numpy()
        if (bad := np.flatnonzero((values < 0.0) | (values > most))).size:
            what = f"{name} of {table.index[bad[0]]!r} is {values[bad[0]]:g}"
            raise _wrong(path, what, f"It is in basis points, from 0 to {most:g}; leave out what is unknown.")
    return table


def _meanings(path: str, names: Sequence[str]) -> dict[str, str]:
    meant: dict[str, str] = {}
    for name in names:
        plain = name.strip().lower()
        meaning = "symbol" if plain in SYMBOL_NAMES else plain
        if meaning not in ("symbol", *COSTS):
            close = difflib.get_close_matches(plain, COSTS, n=1, cutoff=0.5)
            guess = f"Did you mean {close[0]!r}? " if close else ""
            raise _wrong(path, f"row 1: the column {name!r} is unknown", f"{guess}{_SHAPE}")
        if meaning in meant.values():
            raise _wrong(path, f"row 1: the column {name!r} is a second {meaning!r}", _SHAPE)
        meant[name] = meaning
    if "symbol" not in meant.values() or len(meant) < 2:
        what = "no column is called 'symbol'" if "symbol" not in meant.values() else "it has no column of costs"
        raise _wrong(path, f"row 1: {what}", _SHAPE)
    return meant


def _wrong(path: str, what: str, hint: str) -> DataError:
    return DataError(f"validation.costs, {shown(path)}, {what}.", hint=hint)


def with_costs(instruments: pd.DataFrame, table: pd.DataFrame | None) -> pd.DataFrame:
    """Return *instruments* with the columns ``COSTS`` of a file, NaN for names that it does not have; same without."""
    return instruments if table is None else instruments.join(table)


def has_costs(roster: pd.DataFrame) -> bool:
    """Whether a roster was made with a file of costs."""
    return set(COSTS) <= set(roster)


def costs_frame(own: Mapping[str, Cost]) -> pd.DataFrame:
    """Return the costs of names as a table that ``own_costs`` reads: ``symbol`` and a column per kind, sorted."""
    import pandas as pd

    names = sorted(own)
    columns = {kind: np.array([getattr(own[name], kind) for name in names], dtype=np.float64) for kind in COSTS}
    return pd.DataFrame({"symbol": np.array(names, dtype=object), **columns})


def own_costs(roster: pd.DataFrame) -> dict[str, Cost]:
    """Return what the names of a roster cost by themselves; nothing where it has no columns of costs."""
    if not has_costs(roster):
        return {}
    rows = roster.drop_duplicates("symbol").set_index("symbol")[list(COSTS)].dropna(how="all")
    return {
        str(symbol): Cost(**{name: None if np.isnan(value) else float(value) for name, value in row.items()})
        for symbol, row in rows.iterrows()
    }
