"""Several price panels as one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from quantflow.data.panel import Panel


def joined(panels: Sequence[Panel]) -> Panel:
    """Return the closes of all symbols of some panels, on the sessions that all of them have.

    A symbol that several have is that of the first.
    """
    days = reduce(np.intersect1d, [panel.sessions for panel in panels])
    rows = {
        symbol: panel.close[row, np.isin(panel.sessions, days)]
        for panel in reversed(panels)
        for row, symbol in enumerate(panel.symbols)
    }
    names = tuple(sorted(rows))
    return Panel(names, days, {"close": np.ascontiguousarray(np.stack([rows[name] for name in names]))})
