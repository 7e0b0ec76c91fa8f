"""The index of tables by symbol, made once for the tables that share it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def by_symbol(symbols: tuple[str, ...]) -> pd.Index:
    """Return an index ``symbol``; what pandas has found out about it is shared, its name is the caller's own.

    A walk-forward makes several tables of the same symbols at each rebalance: looking one up in another then costs
    next to nothing.

    Args:
        symbols: The symbols, in order.
    """
    return _index(symbols).view()


@lru_cache(maxsize=2)
def _index(symbols: tuple[str, ...]) -> pd.Index:
    import pandas as pd

    return pd.Index(symbols, name="symbol")
