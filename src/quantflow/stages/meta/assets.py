"""What sleeves are made of: the assets that they trade, and when they trade them to which weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.config.data import DataConfig
from quantflow.data.quality.costs import costs_frame, own_costs
from quantflow.data.quality.history import quotes
from quantflow.data.quotes import Quotes, joined
from quantflow.data.store import ArtifactRef, ArtifactStore
from quantflow.types import Record

if TYPE_CHECKING:
    import pandas as pd

ASSETS = ("asset_returns", "asset_tradable", "asset_costs")
"""The artifacts of what can be traded."""
TRADE_COLUMNS = ("sleeve", "date", "symbol", "weight")


def trades(sleeve: Record) -> pd.DataFrame:
    """Return what a sleeve's walk-forward traded to: a row per session and asset, all its assets at 0 for cash.

    Args:
        sleeve: ``id``, ``oos_weights`` and ``oos_returns``, whose turnover tells the sessions that traded.
    """
    import pandas as pd

    traded, wanted = sleeve["oos_returns"]["turnover"], sleeve["oos_weights"][["date", "symbol", "weight"]]
    cash = traded.index[(traded > 0.0) & ~traded.index.isin(wanted["date"])]
    if len(cash):
        rows = pd.MultiIndex.from_product([cash, wanted["symbol"].unique()], names=["date", "symbol"])
        wanted = pd.concat([wanted, pd.DataFrame({"weight": 0.0}, index=rows).reset_index()])
    return wanted.assign(sleeve=sleeve["id"])[list(TRADE_COLUMNS)].sort_values("date", kind="stable")


def held_quotes(store: ArtifactStore, sleeves: Sequence[Record], traded: Mapping[str, set[str]]) -> Quotes:
    """Return what can be traded of the assets that sleeves traded, on the sessions that all have prices of.

    Sleeves with the same prices share them: each is read once.

    Args:
        store: Where the sleeves' artifacts are.
        sleeves: Per sleeve ``id``, ``outputs`` (refs by name) and ``data`` (the section of its settings; None for a
            nested portfolio).
        traded: Names by sleeve.
    """
    alike: dict[str, list[Record]] = {}
    for sleeve in sleeves:
        refs = {name: sleeve["outputs"][name]["sha256"] for name in _source(sleeve)}
        alike.setdefault(json.dumps([refs, sleeve["data"]], sort_keys=True), []).append(sleeve)
    found = []
    for group in alike.values():
        whole = _quotes(store, group[0])
        found.append(whole.select(sorted(set().union(*(traded[sleeve["id"]] for sleeve in group)))))
    return joined(found)


def _source(sleeve: Record) -> tuple[str, ...]:
    return ASSETS if sleeve["data"] is None else ("prices", "past", "roster")


def _quotes(store: ArtifactStore, sleeve: Record) -> Quotes:
    made = {name: store.get(ArtifactRef(**sleeve["outputs"][name])) for name in _source(sleeve)}
    if sleeve["data"] is None:
        return from_frames(made)
    return quotes(made["prices"], made["past"], made["roster"], DataConfig(**sleeve["data"]))


def frames(found: Quotes) -> dict[str, Any]:
    """Return quotes as artifacts.

    Returns:
        ``asset_returns`` and ``asset_tradable``: index ``date``, a column per asset; ``asset_costs``: ``symbol`` and
        its own costs, NaN where it costs what any does, a row for each asset that has one.
    """
    import pandas as pd

    index = pd.DatetimeIndex(found.sessions, name="date")
    columns = pd.Index(found.names, dtype=object)
    return {
        "asset_returns": pd.DataFrame(found.returns.T, index, columns),
        "asset_tradable": pd.DataFrame(found.tradable.T, index, columns),
        "asset_costs": costs_frame({name: found.own[name] for name in found.names if name in found.own}),
    }


def from_frames(made: Mapping[str, Any]) -> Quotes:
    """Return the quotes that ``frames`` wrote, by the names of the artifacts."""
    returns, tradable = made["asset_returns"], made["asset_tradable"]
    sessions = returns.index.to_numpy().astype("datetime64[D]")
    names = tuple(map(str, returns.columns))
    return Quotes(
        names,
        sessions,
        np.ascontiguousarray(returns.to_numpy().T),
        tradable.to_numpy(dtype=bool).T,
        own_costs(made["asset_costs"]),
    )
