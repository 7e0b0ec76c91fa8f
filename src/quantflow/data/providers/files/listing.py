"""The optional instruments file: what a person knows of the symbols, beside their prices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.data.providers.base import LAST_MOVE
from quantflow.data.providers.files.convert import Kind
from quantflow.data.providers.files.layouts import SYMBOL_NAMES
from quantflow.data.providers.files.locations import shown
from quantflow.data.providers.files.tables import Choice, read
from quantflow.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_KINDS: dict[str, Kind] = {
    "symbol": "symbol",
    "name": "text",
    "sector": "text",
    "currency": "text",
    "exchange": "text",
    "tick": "number",
    "lot": "number",
    "min_notional": "number",
    LAST_MOVE: "number",
}


def read_listing(path: str | None) -> pd.DataFrame:
    """Return the instruments file as a DataFrame.

    Args:
        path: CSV or Parquet, local or at an fsspec URL; None when there is none. The column ``symbol`` (or
            ``ticker``) is needed; of ``name``, ``sector``, ``currency``, ``exchange``, ``tick``, ``lot``,
            ``min_notional`` and ``delisting_return`` what is there, in any case and order. Other columns do not matter.

    Returns:
        Index ``symbol``, the other columns in the order above; "" and NaN where nothing is known.

    Raises:
        DataError: If it is malformed, names a symbol twice, or has a number that cannot be.
        DataUnavailableError: If a remote file cannot be had now.
    """
    import pandas as pd

    tables = [pd.DataFrame({"symbol": []}), *(_rows(path) if path is not None else ())]
    table = pd.concat([frame.astype({"symbol": "str"}) for frame in tables], ignore_index=True)
    for name, kind in _KINDS.items():
        if kind == "text":
            table[name] = table[name].astype("str") if name in table else ""
        elif kind == "number":
            table[name] = table[name].astype(np.float64) if name in table else np.nan
    if len(twice := table["symbol"][table["symbol"].duplicated()]):
        raise _wrong(str(path), f"{twice.iloc[0]!r} is named twice", "Keep one row per symbol.")
    for name in ("tick", "lot", "min_notional", LAST_MOVE):
        floor = {"min_notional": 0.0, LAST_MOVE: -1.0}.get(name)
        least = table[name] <= 0 if floor is None else table[name] < floor
        if (bad := least | np.isinf(table[name])).any():
            symbol = table["symbol"][bad].iloc[0]
            raise _wrong(str(path), f"{name} of {symbol!r} is {table[name][bad].iloc[0]}", "Leave out what is unknown.")
    return table.set_index("symbol")[[name for name in _KINDS if name != "symbol"]]


def _rows(path: str) -> list[Any]:
    """Return the batches of the file as DataFrames, their columns named by meaning."""
    import pandas as pd

    meanings: dict[str, str] = {}

    def choose(names: Sequence[str]) -> Choice:
        meanings.update(_meanings(path, names))
        return {name: _KINDS[meaning] for name, meaning in meanings.items()}

    return [pd.DataFrame({meanings[name]: values for name, values in batch.items()}) for batch in read(path, choose)]


def _meanings(path: str, names: Sequence[str]) -> dict[str, str]:
    """Return what the columns that matter mean, by their name in the file."""
    found: dict[str, str] = {}
    for name in names:
        plain = name.strip().lower().replace(" ", "_")
        meaning = "symbol" if plain in SYMBOL_NAMES else plain
        if meaning in found.values():
            raise _wrong(path, f"two columns mean {meaning!r}", "Rename one of them.")
        if meaning in _KINDS:
            found[name] = meaning
    if "symbol" not in found.values():
        raise _wrong(path, "no column is called 'symbol'", f"Columns: {', '.join(_KINDS)}; only symbol is needed.")
    return found


def _wrong(path: str, what: str, hint: str) -> DataError:
    return DataError(f"{shown(path)}: {what}.", hint=hint)
