"""A first look at someone's files: what can be proved of how they are to be read, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from quantflow.config.data import FilesOptions
from quantflow.config.sections import UniverseConfig
from quantflow.data.providers.files.layouts import Columns, columns
from quantflow.data.providers.files.locations import list_files, shown
from quantflow.data.providers.files.provider import FilesProvider
from quantflow.data.providers.files.tables import header
from quantflow.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

DATE_FORMATS = (
    *(f"{first}{sign}{second}{sign}%Y" for first, second in (("%d", "%m"), ("%m", "%d")) for sign in ("/", ".", "-")),
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%m/%d/%y", "%d/%m/%y", "%d.%m.%y"),
    *("%b %d, %Y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%B %d, %Y", "%d %B %Y"),
)
"""The ways of writing a day that are tried where it is not ISO 8601."""


@dataclass(frozen=True, eq=False)
class Look:
    """What files hold.

    Attributes:
        options: What has to be said for them to be read.
        files: How many there are.
        columns: What the columns of the first one hold.
        symbols: The symbols, sorted.
        days: All days with a bar, ``datetime64[D]``, increasing.
        head: The first rows as they were read: ``symbol``, ``date`` and the fields that are there.
    """

    options: FilesOptions
    files: int
    columns: Columns
    symbols: tuple[str, ...]
    days: npt.NDArray[np.datetime64]
    head: pd.DataFrame


def look(options: FilesOptions) -> Look:
    """Read all files, in the one way in which every cell of them makes sense.

    Where they cannot be read as they are, the ways of writing dates and decimal signs are tried: the only one that
    reads every row is what the files mean.

    Raises:
        DataError: If no way reads them, as the plain reading says it; or several do, and give other bars.
        ConfigError: If there is no file.
    """
    try:
        return _read(options)
    except DataError as error:
        plain = error
    found: list[Look] = []
    for said in _ways(options):
        try:
            found.append(_read(said))
        except DataError:
            continue
    if not found:
        raise plain
    if other := next((each for each in found[1:] if not _same(each, found[0])), None):
        raise DataError(
            f"{shown(str(options.path))} can be read in more than one way: {_said(found[0])}, or {_said(other)}.",
            hint="Say which: --set data.date_format=… or --set data.decimal=…",
        )
    return found[0]


def _ways(options: FilesOptions) -> Iterator[FilesOptions]:
    for form in (None, *DATE_FORMATS) if options.date_format is None else (options.date_format,):
        for sign in (None, ",", ".") if options.decimal is None else (options.decimal,):
            if (form, sign) != (None, None):
                yield options.model_copy(update={"date_format": form, "decimal": sign})


def _read(options: FilesOptions) -> Look:
    import pandas as pd

    provider = FilesProvider(options)
    symbols = tuple(map(str, provider.instruments(UniverseConfig()).index))
    first, days = None, np.empty(0, dtype="datetime64[D]")
    for table in provider.tables(symbols, None, date.max):
        first = table.head(5) if first is None else first
        days = np.union1d(days, table["date"].to_numpy().astype("datetime64[D]"))
    if provider.unreadable:
        raise DataError(next(iter(provider.unreadable.values())), hint="Look at data.path.")
    files = list_files(str(options.path))
    found = columns(files[0], header(files[0], options), options)
    return Look(options, len(files), found, symbols, days, pd.DataFrame() if first is None else first)


def _same(one: Look, other: Look) -> bool:
    return np.array_equal(one.days, other.days) and one.head.equals(other.head)


def _said(found: Look) -> str:
    options = {"date_format": found.options.date_format, "decimal": found.options.decimal}
    said = " and ".join(f"{name} = {value!r}" for name, value in options.items() if value is not None)
    row = found.head.iloc[0]
    return f"{said} (first row: {row['date']:%Y-%m-%d}, close {row['close']:g})"
