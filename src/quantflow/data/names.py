"""Symbols and instruments' texts as providers give them, held to what can be shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from quantflow.config.printable import escaped, is_printable
from quantflow.data.providers.base import INSTRUMENT_COLUMNS
from quantflow.data.quality.contracts import Finding, found

if TYPE_CHECKING:
    import pandas as pd

CHECK = "printable"


def without_unprintable(instruments: pd.DataFrame) -> tuple[Any, list[Finding]]:
    """Return the instruments whose texts a terminal shows as they are, and a finding for each of the others.

    Args:
        instruments: What ``Provider.instruments`` gave.

    Returns:
        The rows without control characters, escape sequences and reordering marks in the symbol or any of
        ``INSTRUMENT_COLUMNS``; for each other row a finding that sets it aside and has them spelled out, under a symbol
        that has them spelled out as well, so that no record of the run holds them.
    """
    columns = [instruments[name] for name in INSTRUMENT_COLUMNS if name in instruments]
    odd = [_odd(row) for row in zip(instruments.index, *columns, strict=True)]
    kept = instruments.loc[[not each for each in odd]]
    return kept, [
        found(
            escaped(str(symbol)),
            CHECK,
            (len(each), 0),
            f"characters that cannot be shown in {', '.join(map(escaped, each))}",
            "quarantine",
        )
        for symbol, each in zip(instruments.index, odd, strict=True)
        if each
    ]


def _odd(row: Sequence[Any]) -> list[str]:
    return [str(cell) for cell in row if not is_printable(str(cell))]
