"""Who belonged to the universe when: the file of members, and the table that the walk-forward takes them from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from quantflow.data.panel import Panel, SessionArray
from quantflow.data.providers.base import INSTRUMENT_COLUMNS
from quantflow.data.providers.files.convert import Kind
from quantflow.data.providers.files.layouts import SYMBOL_NAMES
from quantflow.data.providers.files.locations import shown
from quantflow.data.providers.files.tables import Choice, read
from quantflow.data.quality.contracts import Finding, found
from quantflow.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from quantflow.config.sections import UniverseConfig

SPANS: dict[str, Kind] = {"symbol": "symbol", "from": "date", "to": "text"}
"""The columns of the file, and what each holds; ``to`` may be empty, so it is read as text."""
_SHAPE = "Its columns are symbol, from, to; dates are ISO 8601, as in 2024-01-31; to is the last day, empty = still."
_STILL = np.datetime64("9999-12-31", "D")


def read_members(path: str) -> pd.DataFrame:
    """Return the file of members.

    Args:
        path: CSV or Parquet, local or at an fsspec URL, with the columns of ``SPANS`` and no others.

    Returns:
        DataFrame with ``symbol`` (str), ``from`` and ``to`` (``datetime64``, both days included; NaT = still a member),
        by symbol, then time.

    Raises:
        DataError: If a column is missing or unknown, a cell is not what it should be, a span ends before it begins, or
            two spans of a symbol overlap; with the row.
        DataUnavailableError: If a remote file cannot be had now.
    """
    import pandas as pd

    meanings: dict[str, str] = {}

    def choose(names: Sequence[str]) -> Choice:
        meanings.update(_meanings(path, names))
        return {name: SPANS[meaning] for name, meaning in meanings.items()}

    parts = [pd.DataFrame({meanings[name]: values for name, values in batch.items()}) for batch in read(path, choose)]
    table = pd.concat([part.astype({"symbol": "str"}) for part in parts], ignore_index=True) if parts else None
    if table is None or table.empty:
        raise _wrong(path, "it names nobody", "A universe without members cannot be traded.")
    ends = np.array([_day(path, row, text) for row, text in enumerate(table["to"], start=2)], dtype="datetime64[D]")
    spans = pd.DataFrame({"symbol": table["symbol"], "from": table["from"].astype("datetime64[s]")})
    spans["to"] = ends.astype("datetime64[s]")
    spans["row"] = np.arange(2, len(spans) + 2)
    spans = spans.sort_values(["symbol", "from", "row"], kind="stable", ignore_index=True)
    _check_order(path, spans)
    return spans.drop(columns="row")


def _meanings(path: str, names: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        plain = name.strip().lower()
        meaning = "symbol" if plain in SYMBOL_NAMES else plain
        if meaning not in SPANS or meaning in found.values():
            what = "is unknown" if meaning not in SPANS else f"is a second {meaning!r}"
            raise _wrong(path, f"row 1: the column {name!r} {what}", _SHAPE)
        found[name] = meaning
    if missing := [name for name in SPANS if name not in found.values()]:
        raise _wrong(path, f"row 1: no column is called {missing[0]!r}", _SHAPE)
    return found


def _day(path: str, row: int, text: str) -> np.datetime64:
    """Return the day that a cell of ``to`` holds; NaT for an empty one."""
    day, _, time = text.strip().partition("T" if "T" in text else " ")
    try:
        found = np.datetime64(date.fromisoformat(day), "D") if day else np.datetime64("NaT", "D")
    except ValueError:
        found = None
    if found is None or time.strip("0:.") or (day and len(day) != len("2024-01-31")):
        raise _wrong(path, f"row {row}, column 'to': {text!r} is not a date", _SHAPE)
    return found


def _check_order(path: str, spans: pd.DataFrame) -> None:
    first, last = (spans[name].to_numpy().astype("datetime64[D]") for name in ("from", "to"))
    rows, symbols = spans["row"].to_numpy(), spans["symbol"].to_numpy()
    if (bad := np.flatnonzero(first > last)).size:  # never true of NaT
        i = bad[np.argmin(rows[bad])]
        raise _wrong(path, f"row {rows[i]}: {symbols[i]} is a member from {first[i]} to {last[i]}", "Swap the two.")
    until = np.where(np.isnat(last), _STILL, last)
    meets = np.flatnonzero((symbols[1:] == symbols[:-1]) & (first[1:] <= until[:-1]))
    if len(meets):
        one, other = sorted((int(rows[meets[0]]), int(rows[meets[0] + 1])))
        raise _wrong(
            path,
            f"rows {one} and {other}: two spans of {symbols[meets[0]]} overlap, at {first[meets[0] + 1]}",
            "Make one span of the two, or end the first before the second begins.",
        )


def _wrong(path: str, what: str, hint: str) -> DataError:
    return DataError(f"universe.members, {shown(path)}, {what}.", hint=hint)


def known_by(spans: pd.DataFrame, day: date) -> pd.DataFrame:
    """Return the spans that had begun by *day*; one that ends later has no end yet."""
    last = np.datetime64(day, "D")
    kept = spans[spans["from"].to_numpy().astype("datetime64[D]") <= last].reset_index(drop=True)
    later = kept["to"].to_numpy().astype("datetime64[D]") > last
    return kept.assign(to=kept["to"].mask(later))


def members_now(symbols: Collection[str], spans: pd.DataFrame | None, day: date) -> set[str]:
    """Return those of *symbols* that are members on *day*; all of them when *spans* is None."""
    if spans is None:
        return set(symbols)
    names = list(symbols)
    inside = members(spans, names, np.array([day], dtype="datetime64[D]"))[0]
    return {name for name, there in zip(names, inside, strict=True) if there}


def without_prices(
    panel: Panel, spans: pd.DataFrame | None, universe: UniverseConfig, now: Collection[str]
) -> list[Finding]:
    """Return a finding for each member, also a former one, whose prices the provider does not have.

    Args:
        panel: The prices of those that it has.
        spans: As ``known_by`` gives them; None when all always belong to the universe.
        universe: Names that it leaves out are not missed.
        now: The members of today among them: that these have no price is found by another check.
    """
    if spans is None or universe.sectors is not None:  # the sector of a name that is not there is not known
        return []
    priced = dict(zip(panel.symbols, np.atleast_1d(np.any(~np.isnan(panel.close), axis=1)), strict=True))
    wanted = set(spans["symbol"] if universe.symbols is None else universe.symbols) - set(universe.exclude) - set(now)
    return [
        found(row.symbol, "members", (1, 0), f"a member from {row.since:%Y-%m-%d} on, without any price", "warn")
        for row in spans.rename(columns={"from": "since"}).drop_duplicates("symbol").itertuples()
        if row.symbol in wanted and not priced.get(row.symbol)
    ]


def roster(instruments: pd.DataFrame, symbols: Collection[str], spans: pd.DataFrame | None) -> pd.DataFrame:
    """Return who may be held when.

    Args:
        instruments: What is known of the symbols, index ``symbol``.
        symbols: Those that have prices.
        spans: As ``known_by`` gives them; None when all always belong to the universe.

    Returns:
        DataFrame, a row per span of a symbol: ``symbol``, ``from`` and ``to`` (NaT where there is no such bound), then
        the columns of *instruments*; by symbol, then time.
    """
    import pandas as pd

    wanted = sorted(symbols)
    if spans is None:
        never = pd.Series(np.full(len(wanted), np.datetime64("NaT", "s")))
        spans = pd.DataFrame({"symbol": pd.Series(wanted, dtype="str"), "from": never, "to": never})
    mine = spans[spans["symbol"].isin(wanted)].reset_index(drop=True)
    known = instruments.loc[list(mine["symbol"])].reset_index(drop=True)
    return pd.concat([mine, known], axis=1)


def members(table: pd.DataFrame, symbols: Sequence[str], days: SessionArray) -> npt.NDArray[np.bool_]:
    """Return whether each symbol is a member on each day, shape (K, N).

    Args:
        table: Spans: ``symbol``, ``from`` and ``to``, NaT = no such bound.
        symbols: N symbols.
        days: K days.
    """
    row = {symbol: i for i, symbol in enumerate(symbols)}
    inside = np.zeros((len(days), len(symbols)), dtype=bool)
    starts, ends = (table[name].to_numpy().astype("datetime64[D]") for name in ("from", "to"))
    for symbol, first, last in zip(table["symbol"], starts, ends, strict=True):
        if symbol in row:
            inside[:, row[symbol]] |= (np.isnat(first) | (days >= first)) & (np.isnat(last) | (days <= last))
    return inside


def listed(table: pd.DataFrame) -> pd.DataFrame:
    """Return what is known of each symbol of a roster, index ``symbol``, as ``instruments`` has it."""
    return table.drop_duplicates("symbol").set_index("symbol")[list(INSTRUMENT_COLUMNS)]
