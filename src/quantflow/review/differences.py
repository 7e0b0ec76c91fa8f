"""Where two artifacts differ, to the bit."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quantflow.data.panel import Panel
from quantflow.pipeline.stage import Artifact

if TYPE_CHECKING:
    import pandas as pd

Day = np.datetime64
Array = npt.NDArray[Any]  # of any type: dates, bits, objects

_DATE = "date"


@dataclass(frozen=True)
class Mismatch:
    """The first place at which two artifacts differ: the earliest date, then the first column, then the first row.

    Attributes:
        column: The column or key.
        row: The symbol or other name of the row; empty when it has none.
        date: The row's date; None where rows have none.
        left: The value there in the one.
        right: The value there in the other.
        columns: How many columns differ.
    """

    column: str
    row: str
    date: str | None
    left: str
    right: str
    columns: int = 1


def is_dated(value: Artifact) -> bool:
    """Whether the artifact has a date axis: a panel, or a table with a column or index level of dates."""
    if isinstance(value, Panel):
        return True
    return type(value).__name__ == "DataFrame" and _dates(_flat(value)) is not None


def up_to(value: Artifact, last: Day) -> Artifact:
    """Return the artifact without the rows dated after *last*; all of one without dates."""
    if isinstance(value, Panel):
        return value.up_to(last)
    days = _dates(_flat(value)) if type(value).__name__ == "DataFrame" else None
    return value if days is None else value[days <= last]


def mismatch(left: Artifact, right: Artifact) -> Mismatch | None:
    """Return where two artifacts differ first; None when they are the same to the bit.

    Args:
        left: A ``Panel``, ``DataFrame``, JSON mapping or ``str``.
        right: Another.
    """
    if type(left) is not type(right):
        return Mismatch("type", "", None, type(left).__name__, type(right).__name__)
    if isinstance(left, Panel):
        return _axes(left, right) or _tables(_long(left), _long(right))
    if type(left).__name__ == "DataFrame":
        return _tables(_flat(left), _flat(right))
    return _records(left, right)


def within(left: Artifact, right: Artifact, tolerance: float) -> bool:
    """Whether two artifacts differ in nothing but real numbers, and these by *tolerance* at most.

    Args:
        left: A ``Panel``, ``DataFrame``, JSON mapping or ``str``.
        right: Another.
        tolerance: Allowed difference, relative to the number where that is beyond 1; a NaN is near a NaN only.
    """
    if type(left) is not type(right):
        return False
    if isinstance(left, Panel):
        return _near_tables(_long(left), _long(right), tolerance)
    if type(left).__name__ == "DataFrame":
        return _near_tables(_flat(left), _flat(right), tolerance)
    return _near(left, right, tolerance)


def _near_tables(left: pd.DataFrame, right: pd.DataFrame, tolerance: float) -> bool:
    if list(left.columns) != list(right.columns) or len(left) != len(right):
        return False
    for name in left.columns:
        mine, theirs = left[name], right[name]
        if mine.dtype == theirs.dtype and mine.dtype.kind == "f":
            if not np.allclose(mine, theirs, rtol=tolerance, atol=tolerance, equal_nan=True):
                return False
        elif _unequal(mine, theirs).any():
            return False
    return True


def _near(left: object, right: object, tolerance: float) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_near(left[key], right[key], tolerance) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_near(a, b, tolerance) for a, b in zip(left, right, strict=True))
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=tolerance, abs_tol=tolerance)
    return type(left) is type(right) and bool(left == right)


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with its index as columns, a nameless one too."""
    names = [name or ("index" if level == 0 else f"level_{level}") for level, name in enumerate(frame.index.names)]
    index = frame.index.set_names(names)
    return frame.set_axis(index).reset_index() if not set(names) & set(frame.columns) else frame


def _long(panel: Panel) -> pd.DataFrame:
    import pandas as pd

    n, t = panel.close.shape
    columns = {"symbol": np.repeat(np.array(panel.symbols, object), t), _DATE: np.tile(panel.sessions, n)}
    return pd.DataFrame({**columns, **{name: values.reshape(-1) for name, values in sorted(panel.fields.items())}})


def _axes(left: Panel, right: Panel) -> Mismatch | None:
    """Return which symbols, else which sessions, only one of two panels has: the first, and how many."""
    for mine, theirs, words in ((left, right, ("there", "missing")), (right, left, ("missing", "there"))):
        if alone := sorted({*mine.symbols} - {*theirs.symbols}):
            more = f" and {len(alone) - 1} more" if len(alone) > 1 else ""
            return Mismatch("row", f"{alone[0]}{more}", None, *words)
        days = np.setdiff1d(mine.sessions, theirs.sessions)
        if len(days):
            more = f" ({len(days)} sessions)" if len(days) > 1 else ""
            return Mismatch("row", f"all symbols{more}", str(days[0]), *words)
    return None


def _dates(flat: pd.DataFrame) -> Array | None:
    """Return the dates of a flat frame's rows (``datetime64[D]``), its first column of dates; None without one."""
    for name in flat.columns:
        if flat[name].dtype.kind == "M":
            column = flat[name].dt.tz_localize(None) if getattr(flat[name].dtype, "tz", None) else flat[name]
            days: Array = column.to_numpy().astype("datetime64[D]")
            return days
    return None


def _tables(left: pd.DataFrame, right: pd.DataFrame) -> Mismatch | None:
    only = [str(name) for name in [*left.columns, *right.columns] if (name in left) != (name in right)]
    if only:
        mine, theirs = ("there", "missing") if only[0] in left else ("missing", "there")
        return Mismatch(only[0], "", None, mine, theirs, len(only))
    if len(left) != len(right):
        return _rows(left, right)
    first: list[tuple[int | Day, int, int, str]] = []
    days = _dates(left)
    for place, name in enumerate(left.columns):
        unequal = np.flatnonzero(_unequal(left[name], right[name]))
        if len(unequal):
            row = int(unequal[0] if days is None else unequal[np.argmin(days[unequal])])
            first.append((row if days is None else days[row], place, row, name))
    if not first:
        return None
    _, _, row, name = min(first, key=lambda found: found[:3])
    mine, theirs = (_shown(frame[name].iloc[row]) for frame in (left, right))
    if mine == theirs:
        mine, theirs = (str(frame[name].dtype) for frame in (left, right))
    day = None if days is None else str(days[row])
    return Mismatch(str(name), _name(left, row), day, mine, theirs, len(first))


def _rows(left: pd.DataFrame, right: pd.DataFrame) -> Mismatch:
    """Return the first row that only one of two tables has."""
    from pandas.util import hash_pandas_object

    keys = [frame[_keys(frame)] for frame in (left, right)]
    try:
        marks = [hash_pandas_object(each, index=False) for each in keys]
    except (TypeError, ValueError):  # lists and arrays have no hash
        marks = [hash_pandas_object(each.map(repr), index=False) for each in keys]
    for (mine, theirs), frame in zip((marks, marks[::-1]), (left, right), strict=True):
        alone = np.flatnonzero(~mine.isin(theirs))
        if len(alone):
            words = ("there", "missing") if frame is left else ("missing", "there")
            days = _dates(frame)
            position = int(alone[0])
            return Mismatch("row", _name(frame, position), None if days is None else str(days[position]), *words)
    return Mismatch("rows", "", None, str(len(left)), str(len(right)))


def _keys(frame: pd.DataFrame) -> list[str]:
    """Return the columns that tell rows apart: text and dates, else all."""
    return [name for name in frame.columns if frame[name].dtype.kind in "MOTU"] or list(frame.columns)


def _unequal(left: pd.Series, right: pd.Series) -> Array:
    """Return at which rows two columns differ: everywhere when they are of different types."""
    mine, theirs = left.to_numpy(), right.to_numpy()
    if (mine.dtype.kind, mine.dtype.itemsize) != (theirs.dtype.kind, theirs.dtype.itemsize):
        return np.ones(len(mine), dtype=bool)
    return np.asarray(_bits(mine) != _bits(theirs))


def _bits(values: Array) -> Array:
    """Return what is equal exactly when the values, of one type, are: a NaN equals itself."""
    if values.dtype.kind == "f":
        return np.asarray(values.view(f"u{values.dtype.itemsize}"), dtype=object if values.dtype.itemsize > 8 else None)
    if values.dtype.kind in "iubmM":
        return np.asarray(values.astype("int64") if values.dtype.kind in "mM" else values)
    return np.array([repr(value) for value in values], dtype=object)


def _name(frame: pd.DataFrame, row: int) -> str:
    if "symbol" in frame.columns:
        return str(frame["symbol"].iloc[row])
    first = frame[frame.columns[0]]
    return "" if first.dtype.kind == "M" else str(first.iloc[row])


def _shown(value: object) -> str:
    return repr(float(value)) if isinstance(value, float) else str(value)


def _records(left: object, right: object) -> Mismatch | None:
    flat = [dict(_leaves(value)) for value in (left, right)]
    for key in sorted({*flat[0], *flat[1]}):
        mine, theirs = (found.get(key, "missing") for found in flat)
        if mine != theirs:
            return Mismatch(key, "", None, mine, theirs)
    return None


def _leaves(value: object, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        return [leaf for key in sorted(value) for leaf in _leaves(value[key], f"{path}.{key}" if path else str(key))]
    return [(path or "text", value if isinstance(value, str) else json.dumps(value, default=str))]
