"""History that a provider has rewritten: the bars as they were, and the panel that they made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.data.panel import Panel

if TYPE_CHECKING:
    import pandas as pd


def former_bars(provider: Any, panel: Panel) -> pd.DataFrame:
    """Return the bars of *panel* that its provider has changed, as they were when it was last asked.

    Args:
        provider: A provider whose bars have been fetched. It may have the attributes ``restated``, the days whose bars
            changed by symbol, and ``former``, a table as ``Provider.bars`` gives it with the bars of these days by
            symbol; a day without a bar had none.
        panel: What was made of the bars.

    Returns:
        DataFrame, a row per changed session of a symbol of the panel: ``symbol``, ``date`` and the panel's fields,
        NaN where there was no bar; by symbol, then date.
    """
    import pandas as pd

    days, former = getattr(provider, "restated", None) or {}, getattr(provider, "former", None) or {}
    fields = list(panel.fields)
    parts = [pd.DataFrame({"symbol": [], "date": [], **dict.fromkeys(fields, ())})]
    for symbol in [symbol for symbol in panel.symbols if symbol in days and symbol in former]:
        changed = np.intersect1d(np.array(days[symbol], dtype="datetime64[D]"), panel.sessions)
        table = former[symbol].drop_duplicates("date").set_index("date")
        rows = table.reindex(index=pd.DatetimeIndex(changed.astype("datetime64[s]"), name="date"), columns=fields)
        parts.append(rows.reset_index().assign(symbol=symbol))
    whole = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    kinds = {"symbol": "str", "date": "datetime64[s]", **dict.fromkeys(fields, "float64")}
    return whole[["symbol", "date", *fields]].astype(kinds)


def as_it_was(panel: Panel, former: pd.DataFrame) -> Panel:
    """Return *panel* with the changed bars as they were; see ``former_bars``."""
    rows = np.searchsorted(np.array(panel.symbols), former["symbol"].to_numpy(dtype=str))
    columns = np.searchsorted(panel.sessions, former["date"].to_numpy().astype("datetime64[D]"))
    fields = {name: values.copy() for name, values in panel.fields.items()}
    for name, values in fields.items():
        values[rows, columns] = former[name].to_numpy()
    return Panel(panel.symbols, panel.sessions, fields)
