"""Text in CSV files that people open in a spreadsheet, which takes some of it for a formula and computes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from quantflow.config.printable import escaped

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = re.compile("'*[=+\\-@＝＋－＠]")
"""How a formula begins in Excel, LibreOffice and Google Sheets; in full width too, which some of them narrow."""
_MARKED = re.compile("'+[=+\\-@＝＋－＠]")


def to_cell(text: str) -> str:
    """Return *text* as it stands in a CSV file: with an apostrophe before what a spreadsheet would compute.

    Control characters are spelled out. Numbers are no text: a weight of -0.5 is written as such.
    """
    plain = escaped(text)
    return f"'{plain}" if _FORMULA.match(plain) else plain


def from_cell(cell: str) -> str:
    """Return the text that ``to_cell`` wrote as *cell*."""
    return cell[1:] if _MARKED.match(cell) else cell


def table_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of a DataFrame whose texts, in the index too, are written by ``to_cell``."""
    from pandas.api.types import is_numeric_dtype

    out = frame.rename(index=_if_text(to_cell))
    for name in out:
        if not is_numeric_dtype(out[name]):
            out[name] = out[name].map(_if_text(to_cell)).astype(object)
    return out


def _if_text(change: Callable[[str], str]) -> Callable[[Any], Any]:
    return lambda value: change(value) if isinstance(value, str) else value
