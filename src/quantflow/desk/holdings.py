"""What an account holds, from a CSV or JSON file: read strictly, or refused with file, place and reason."""

from __future__ import annotations

import csv
import difflib
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantflow.data.cells import from_cell
from quantflow.errors import ConfigError

CASH = "cash"
"""The symbol of the row that says how much is not invested; in lower case, since CASH is a share's ticker."""

COLUMNS: tuple[str, ...] = ("symbol", "quantity", "price")
"""What a row may have; the price may be missing."""

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SHAPE = 'A row has symbol, quantity and perhaps price, as in "AAPL,12,131.05"; "cash,2500" is the cash.'


@dataclass(frozen=True)
class Position:
    """What is held of one name.

    Attributes:
        quantity: Units; negative when short, 0 when only the price is given.
        price: Money per unit; None when the file does not say.
    """

    quantity: float
    price: float | None = None


@dataclass(frozen=True)
class Holdings:
    """What an account holds.

    Attributes:
        positions: By symbol.
        cash: Money that is not invested, negative when it is owed; None when the file does not say.
    """

    positions: Mapping[str, Position]
    cash: float | None = None


def read_holdings(path: Path) -> Holdings:
    """Return what a file says of an account.

    Args:
        path: JSON when its name ends in ``.json``: an object of quantities, or of objects with ``quantity`` and
            perhaps ``price``, by symbol; or a list of objects with ``symbol`` as well. Else CSV, with a header; a last
            cell of ``price`` may be missing. An apostrophe before what a spreadsheet would compute, as in ``'-USD``, is
            not part of the text.

    Raises:
        ConfigError: If it is not there, or has anything that is not a symbol, a finite number, or a price above 0; an
            unknown column, or a symbol twice. It names file and line, or entry.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error}.", hint="Save it as CSV or JSON in UTF-8.") from None
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The holdings {path} cannot be read: {getattr(error, 'strerror', error)}.",
            hint="Name a CSV or JSON file with --holdings.",
        ) from error
    rows = _json(path, text) if path.suffix.lower() == ".json" else _csv(path, text)
    return _holdings(rows)


@dataclass(frozen=True)
class _Row:
    """A row as it stands in the file: *place* says where, *cells* by column."""

    place: str
    cells: Mapping[str, Any]

    def wrong(self, what: str, hint: str = _SHAPE) -> ConfigError:
        return ConfigError(f"{self.place}: {what}.", hint=hint)


def _holdings(rows: Iterable[_Row]) -> Holdings:
    positions: dict[str, Position] = {}
    cash: float | None = None
    seen: dict[str, _Row] = {}
    for row in rows:
        symbol = _symbol(row)
        if symbol in seen:
            raise row.wrong(f"{symbol!r} is there already, at {seen[symbol].place}", "Keep one row per symbol.")
        seen[symbol] = row
        quantity, price = _number(row, "quantity"), _price(row)
        if symbol == CASH:
            cash = _cash(row, quantity, price)
        else:
            positions[symbol] = Position(quantity, price)
    return Holdings(positions, cash)


def _symbol(row: _Row) -> str:
    symbol = row.cells.get("symbol")
    if not isinstance(symbol, str) or not symbol.strip():
        raise row.wrong("it has no symbol" if symbol in (None, "") else f"{symbol!r} is not a symbol")
    if not symbol.strip().isprintable():
        raise row.wrong(f"the symbol {symbol.strip()[:40]!r} has characters that cannot be printed")
    return symbol.strip()


def _number(row: _Row, column: str) -> float:
    """Return a cell's number: a float of JSON, or text that is a plain decimal number."""
    cell = row.cells.get(column)
    plain = isinstance(cell, str) and _NUMBER.fullmatch(cell.strip())
    if plain or (isinstance(cell, int | float) and not isinstance(cell, bool)):
        try:
            number = float(cell)  # type: ignore[arg-type]
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    said = f"its {column} is {str(cell)[:40]!r}, not a number" if cell not in (None, "") else f"it has no {column}"
    raise row.wrong(said, "Write numbers as 1234.5: no thousands separator, no currency sign.")


def _price(row: _Row) -> float | None:
    if row.cells.get("price") in (None, ""):
        return None
    price = _number(row, "price")
    if price <= 0.0:
        raise row.wrong(f"its price is {price:g}", "A price is above 0; leave the cell empty for the last close.")
    return price


def _cash(row: _Row, amount: float, price: float | None) -> float:
    if price is not None:
        raise row.wrong("cash has no price", "Leave the cell empty.")
    return amount


def _csv(path: Path, text: str) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    names: Sequence[str] | None = None
    try:
        for cells in reader:
            place = f"{path}, line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if names is None:
                names = _known(place, [cell.strip().lower() for cell in cells])
            elif len(cells) != len(names) and [*names[len(cells) :]] != ["price"]:  # as in "cash,2500"
                raise _Row(place, {}).wrong(f"it has {len(cells)} cells, the header {len(names)}")
            else:
                row = dict(zip(names, (cell.strip() for cell in cells), strict=False))
                yield _Row(place, {**row, "symbol": from_cell(row["symbol"])})
    except csv.Error as error:
        raise ConfigError(f"{path}, line {reader.line_num}: {error}.", hint=_SHAPE) from None
    if names is None:
        raise ConfigError(f"{path} is empty.", hint="Its first line names the columns: symbol,quantity,price.")


def _known(place: str, names: Sequence[str]) -> Sequence[str]:
    """Return the names of columns or keys, if all are known, none is twice, and those that are needed are there."""
    for i, name in enumerate(names):
        if name not in COLUMNS:
            close = difflib.get_close_matches(name, COLUMNS, n=1, cutoff=0.5)
            guess = f"Did you mean {close[0]!r}? " if close else ""
            raise ConfigError(f"{place}: no column is called {name[:40]!r}.", hint=f"{guess}{_SHAPE}")
        if name in names[:i]:
            raise ConfigError(f"{place}: two columns are called {name!r}.", hint=_SHAPE)
    for name in COLUMNS[:2]:
        if name not in names:
            raise ConfigError(f"{place}: there is no {name}.", hint=_SHAPE)
    return names


def _json(path: Path, text: str) -> Iterator[_Row]:
    try:
        records = _records(json.loads(text, object_pairs_hook=_unique, parse_constant=str))
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}, line {error.lineno}: no JSON ({error.msg}).", hint=_JSON_SHAPE) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: no holdings ({error}).", hint=_JSON_SHAPE) from None
    for where, record in records:
        place = f"{path}, {where}"
        if not isinstance(record, dict):
            raise ConfigError(f"{place}: {str(record)[:40]!r} is not an object.", hint=_JSON_SHAPE)
        _known(place, list(record))
        yield _Row(place, record)


_JSON_SHAPE = 'Write {"AAPL": 12, "cash": 2500}, or [{"symbol": "AAPL", "quantity": 12, "price": 131.05}, …].'


def _records(found: Any) -> list[tuple[str, Any]]:
    """Return where each record of a JSON file is, and what it is."""
    if isinstance(found, dict):
        return [(repr(name[:40]), _record(name, inner)) for name, inner in found.items()]
    if isinstance(found, list):
        return [(f"entry {i}", record) for i, record in enumerate(found, start=1)]
    raise ValueError("neither an object nor a list")


def _record(symbol: str, inner: Any) -> dict[str, Any]:
    """Return an entry of an object by symbol as a record with its symbol."""
    record = inner if isinstance(inner, dict) else {"quantity": inner}
    return _unique([("symbol", symbol), *record.items()])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found
