"""Raw bars become a panel: table by table, each bar in its symbol's row and its session's column."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quantflow.config.data import OnFailure
from quantflow.data.panel import FloatArray, Panel, SessionArray
from quantflow.data.providers.base import BAR_FIELDS
from quantflow.data.quality.contracts import Finding, found

if TYPE_CHECKING:
    import pandas as pd

Sessions = Callable[[date, date], SessionArray]
"""Gives the calendar's sessions between two dates, both included."""

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_NEVER = np.datetime64("0001-01-01", "D")

OFTEN = 0.01
"""The fraction of bars on days that are no session from which on the calendar is not that of the data."""

CHECKS: dict[str, tuple[str, OnFailure]] = {
    "before_start": ("{} bars before the start were cut", "warn"),
    "after_as_of": ("{} bars after the as-of session were cut", "warn"),
    "off_session": ("{} bars on days that are no session were dropped", "warn"),
    "unsorted": ("{} bars were out of order", "warn"),
    "duplicate": ("{} bars came twice", "warn"),
    "conflict": ("{} sessions have two different bars", "quarantine"),
}
"""What is counted of each symbol: the reason, and what it does."""


def tables(bars: pd.DataFrame) -> Iterator[Any]:
    """Return what ``Provider.bars`` gave, one table at a time, whether it gave one or an iterable of them."""
    return iter((bars,) if type(bars).__name__ == "DataFrame" else bars)


class Grid:
    """Collects bars on one dense grid that starts at the earliest of them, without holding them a second time.

    Bars before the start and after the end are cut, bars on days that are no session are dropped, unordered bars are
    sorted, a repeated bar is used once; each is a warning. Two different bars of one symbol and session quarantine it,
    and the first counts. A session without a bar is a hole.

    Args:
        symbols: The symbols asked for, sorted, unique.
        start: The first date that counts; None for all there is.
        end: The last date that counts.
        sessions: The calendar.
    """

    def __init__(self, symbols: Sequence[str], start: date | None, end: date, sessions: Sessions) -> None:
        self._symbols = tuple(symbols)
        self._row = {symbol: row for row, symbol in enumerate(self._symbols)}
        self._start = np.datetime64(start or date.min, "D")
        self._end = np.datetime64(end, "D")
        self._calendar = sessions
        self._covered = self._end + 1
        self._days: SessionArray = np.empty(0, "datetime64[D]")
        self._fields: dict[str, FloatArray] = {}
        self._latest = np.full(len(self._symbols), _NEVER)
        self._counts = {check: np.zeros(len(self._symbols), np.int64) for check in CHECKS}
        self._bars = 0

    @property
    def filled(self) -> int:
        """How many symbols have had a bar so far, also one that was cut or dropped."""
        return int((self._latest != _NEVER).sum())

    @property
    def off_calendar(self) -> float:
        """The fraction of the bars from the start to the end that lie on days that are no session."""
        return int(self._counts["off_session"].sum()) / max(1, self._bars)

    def add(self, bars: pd.DataFrame) -> None:
        """Put the bars of a table that ``check_bars`` has passed in place; rows of other symbols are ignored."""
        rows = self._rows(bars["symbol"])
        days = bars["date"].to_numpy().astype("datetime64[D]")
        known = rows >= 0
        values = {name: bars[name].to_numpy(dtype=np.float64) for name in BAR_FIELDS if name in bars}
        if not known.all():
            rows, days, values = rows[known], days[known], {name: column[known] for name, column in values.items()}
        self._note_order(rows, days)
        early, late = days < self._start, days > self._end
        self._cover(days[~early & ~late])
        columns = np.searchsorted(self._days, days)
        stray = ~early & ~late & (np.append(self._days, _NEVER)[columns] != days)
        for check, which in (("before_start", early), ("after_as_of", late), ("off_session", stray)):
            self._count(check, rows[which])
        self._bars += int((~early & ~late).sum())
        left = np.flatnonzero(~(early | late | stray))
        while len(left):
            left = self._place(left, rows, columns, values)

    def panel(self) -> Panel:
        """Return the panel of all symbols from the first bar's day to the end; fields without a value are left out.

        It shares the grid's memory: add nothing after it.
        """
        fields = self._fields or {"close": self._empty()}
        return Panel(self._symbols, self._days, {name: fields[name] for name in BAR_FIELDS if name in fields})

    def findings(self) -> list[Finding]:
        """Return what was cut, dropped, sorted or found twice, by symbol."""
        often = {"off_session": ": is calendar.name right?"} if self.off_calendar >= OFTEN else {}
        return [
            found(
                self._symbols[row], check, (counts[row], 0), reason.format(counts[row]) + often.get(check, ""), action
            )
            for (check, (reason, action)), counts in zip(CHECKS.items(), self._counts.values(), strict=True)
            for row in np.flatnonzero(counts).tolist()
        ]

    def _rows(self, symbols: Any) -> IntArray:
        """Return the row of each bar; -1 where its symbol was not asked for."""
        import pandas as pd

        codes, names = pd.factorize(symbols)
        lookup = np.array([*(self._row.get(str(name), -1) for name in names), -1], dtype=np.int64)
        rows: IntArray = lookup[codes]
        return rows

    def _note_order(self, rows: IntArray, days: SessionArray) -> None:
        """Count each bar that is dated before the same symbol's bar above it, in this table or an earlier one."""
        by_symbol = np.argsort(rows, kind="stable")
        rows, days = rows[by_symbol], days[by_symbol]
        first = np.diff(rows, prepend=-1) != 0
        above = np.where(first, self._latest[rows], np.concatenate((days[:1], days[:-1])))
        self._count("unsorted", rows[days < above])
        last = np.append(first[1:], True)[: len(rows)]
        self._latest[rows[last]] = days[last]

    def _count(self, check: str, rows: IntArray) -> None:
        if len(rows):
            self._counts[check] += np.bincount(rows, minlength=len(self._symbols))

    def _cover(self, days: SessionArray) -> None:
        """Let the grid reach back to the earliest of *days*, one field at a time to spare memory."""
        if not len(days) or days.min() >= self._covered:
            return
        self._covered = days.min()
        pad = -len(self._days)
        self._days = self._calendar(self._covered.item(), self._end.item())
        pad += len(self._days)
        for name in self._fields if pad else ():
            grown = self._empty()
            grown[:, pad:] = self._fields[name]
            self._fields[name] = grown

    def _empty(self) -> FloatArray:
        return np.full((len(self._symbols), len(self._days)), np.nan)

    def _place(self, left: IntArray, rows: IntArray, columns: IntArray, values: dict[str, FloatArray]) -> IntArray:
        """Place the first bar of each cell among those *left*, unless one is there; return the others."""
        now = left[_firsts(rows[left] * len(self._days) + columns[left])]
        cells = (rows[now], columns[now])
        there, differs = np.zeros(len(now), bool), np.zeros(len(now), bool)
        for name in {**self._fields, **values}:
            old = self._fields[name][cells] if name in self._fields else np.full(len(now), np.nan)
            new = values[name][now] if name in values else np.full(len(now), np.nan)
            there |= ~np.isnan(old)
            differs |= ~((old == new) | (np.isnan(old) & np.isnan(new)))
        self._count("duplicate", rows[now[there & ~differs]])
        self._count("conflict", rows[now[there & differs]])
        for name, column in values.items():
            if name not in self._fields and (name == "close" or not np.isnan(column).all()):
                self._fields[name] = self._empty()
            if name in self._fields:
                self._fields[name][cells[0][~there], cells[1][~there]] = column[now[~there]]
        return np.setdiff1d(left, now, assume_unique=True)


def _firsts(values: IntArray) -> IntArray:
    """Return where each distinct value occurs first, in order."""
    if (np.diff(values) > 0).all():
        return np.arange(len(values))
    return np.sort(np.unique(values, return_index=True)[1])


def split(panel: Panel, present: Collection[str], past: Collection[str]) -> tuple[Panel, Panel]:
    """Return the panel of the symbols *present* and that of those *past*, both from the first price of any on.

    Args:
        panel: Its fields are overwritten: a copy would double what a large universe needs.
        present: Symbols of the first panel; one of them has a price.
        past: Symbols of the second one, usually few: they are copied, those without a price left out. Without any it
            has no sessions either.
    """
    rows = {symbol: row for row, symbol in enumerate(panel.symbols)}
    here = [rows[symbol] for symbol in panel.symbols if symbol in present]
    others = [rows[symbol] for symbol in panel.symbols if symbol in past]
    gone = [row for row in others if not np.isnan(panel.close[row]).all()]
    priced = np.zeros(len(panel.sessions), bool)
    for row in [*here, *gone]:
        priced |= ~np.isnan(panel.close[row])
    first = int(np.argmax(priced))
    copied = {name: grid[gone, first:] if gone else np.empty((0, 0)) for name, grid in panel.fields.items()}
    kept = {name: _packed(grid, here, first) for name, grid in panel.fields.items()}
    sessions = panel.sessions[first:]
    return (
        Panel(tuple(panel.symbols[row] for row in here), sessions, kept),
        Panel(tuple(panel.symbols[row] for row in gone), sessions if gone else sessions[:0], copied),
    )


def _packed(grid: FloatArray, rows: Sequence[int], first: int) -> FloatArray:
    """Move the kept cells to the front; no cell is overwritten before it was moved, since rows only move forward."""
    flat, width = grid.reshape(-1), grid.shape[1] - first
    for position, row in enumerate(rows):
        flat[position * width : (position + 1) * width] = grid[row, first:]
    return flat[: len(rows) * width].reshape(len(rows), width)
