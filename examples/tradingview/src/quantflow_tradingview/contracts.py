"""Their results in the form that quantflow's later stages read: see the page on artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd


def as_scores(found: pd.DataFrame) -> pd.DataFrame:
    """Return ``scores`` of a table by symbol with ``alpha_score`` (0 to 1) and ``direction``, best first."""
    alpha = found["alpha_score"].astype(float).clip(1e-12, 1.0)
    direction = found["direction"].str.upper()
    rank = alpha.groupby(direction).rank(ascending=False, method="first").astype("int64")
    made = pd.DataFrame({"direction": direction, "score": np.log(alpha), "alpha_score": alpha, "rank": rank})
    made["c_alpha"] = made["score"]
    return made.rename_axis("symbol").sort_index()


def as_clusters(found: Mapping[str, list[str]]) -> pd.DataFrame:
    """Return ``clusters`` of a mapping of cluster numbers to symbols."""
    numbered = [(symbol, i) for i, name in enumerate(sorted(found, key=int), start=1) for symbol in sorted(found[name])]
    made = pd.DataFrame(numbered, columns=["symbol", "cluster"]).set_index("symbol")
    made["order"] = np.arange(len(made))
    return made.astype("int64").sort_index()


def symbols_of(winners: Any) -> list[str]:
    """Return the symbols of winners: of a table, which models become, or of a record, which dicts become."""
    if isinstance(winners, pd.DataFrame):
        return winners["symbol"].tolist()
    return [each["symbol"] for each in winners["value"]]


def as_winners(
    chosen: Sequence[str], scores: pd.DataFrame, clusters: Mapping[str, list[str]], instruments: pd.DataFrame
) -> pd.DataFrame:
    """Return ``winners`` of the symbols that their policy chose, best rank first."""
    symbols = [symbol for symbol in chosen if symbol in instruments.index]
    picked = scores.loc[symbols].sort_values(["rank", "alpha_score"], ascending=[True, False], kind="stable")
    numbers = as_clusters(clusters)["cluster"]
    return pd.DataFrame(
        {
            "direction": picked["direction"],
            "cluster": numbers.reindex(picked.index).fillna(0).astype("int64"),
            "sector": instruments["sector"].reindex(picked.index),
            "alpha_score": picked["alpha_score"],
            "rank": picked["rank"],
            "level": np.ones(len(picked), dtype="int64"),
        }
    ).rename_axis("symbol")


def as_decisions(winners: pd.DataFrame, features: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return ``decisions``: a row for every symbol of the features, with their policy as the rule."""
    index = features.index
    outcome: Any = np.where(
        index.isin(winners.index), "selected", np.where(index.isin(scores.index), "cut", "unscored")
    )
    value = scores["alpha_score"].reindex(index)
    least = float(winners["alpha_score"].min()) if len(winners) else np.nan
    return pd.DataFrame(
        {
            "outcome": outcome,
            "rule": np.where(outcome == "unscored", "", "top_n"),
            "value": value,
            "limit": least,
            "margin": value - least,
            "level": np.ones(len(index), dtype="int64"),
        },
        index=index,
    )
