"""What is held: the incumbent of a decision, as an artifact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from quantflow.quant.backtest import FloatArray

if TYPE_CHECKING:
    import pandas as pd

INCUMBENT = "incumbent"
"""The artifact that a stage needs whose decision depends on what is held."""


def incumbent(symbols: Sequence[str], held: FloatArray) -> pd.DataFrame:
    """Return the artifact ``incumbent``: index ``symbol``, sorted, one column ``weight``; names not held are left out.

    Args:
        symbols: N names.
        held: Signed fraction of wealth in each, drifted to the close that decides, shape (N,).
    """
    import pandas as pd

    there = np.flatnonzero(held)
    index = pd.Index([symbols[i] for i in there], name="symbol", dtype=object)
    return pd.DataFrame({"weight": held[there]}, index=index).sort_index()
