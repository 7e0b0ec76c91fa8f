"""The numbers of 5,000 symbols × 2,520 sessions: features, and features to policy, against column-by-column pandas.

The reference is what such scripts do: a loop over symbols with pandas and numpy for the features, a correlation
matrix per lookback by ``DataFrame.corr``, Ward's linkage by SciPy, and a ``groupby`` for the picks.
``python benchmarks/kernels.py [SYMBOLS] [SESSIONS]``; each side runs in processes of its own, one BLAS thread each.
"""

from __future__ import annotations

import json
import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from timing import row

ROUNDS = {"ours": 5, "reference": 3}


def market(symbols: int, sessions: int) -> pd.DataFrame:
    """Return closes, a column per symbol: a common factor, twenty sectors, and noise."""
    rng = np.random.default_rng(0)
    common, sector = rng.normal(0, 0.01, (sessions, 1)), rng.normal(0, 0.007, (sessions, 20))
    moves = common + sector[:, np.arange(symbols) % 20] + rng.normal(0, 0.015, (sessions, symbols))
    days = pd.bdate_range("2013-01-01", periods=sessions)
    return pd.DataFrame(100 * np.exp(np.cumsum(moves, axis=0)), index=days, columns=names(symbols))


def names(symbols: int) -> list[str]:
    """Return the symbols, in order."""
    return [f"S{i:05d}" for i in range(symbols)]


def ours(close: pd.DataFrame) -> dict[str, float]:
    """Time quantflow's stages on arrays in memory; the first call, which compiles or loads, is not counted."""
    from quantflow.config.load import load_profile
    from quantflow.data.panel import Panel
    from quantflow.pipeline.registry import StageRegistry

    settings = {**load_profile("demo", workspace=Path.cwd()).settings(), "as_of": "2022-12-28"}
    fields = {"close": np.ascontiguousarray(close.to_numpy().T)}
    panel = Panel(tuple(close.columns), close.index.to_numpy().astype("datetime64[D]"), fields)
    sectors = [f"sector {i % 20}" for i in range(len(close.columns))]
    instruments = pd.DataFrame({"sector": sectors}, index=pd.Index(close.columns, name="symbol"))

    def stages(*wanted: str) -> Callable[[], None]:
        def work() -> None:
            values: dict[str, Any] = {"prices": panel, "instruments": instruments}
            for name in wanted:
                stage = StageRegistry.get(name)
                values |= stage.replay({need: values[need] for need in stage.needs}, stage.configured(settings))

        return work

    return timed(stages("features"), stages("features", "inference", "clustering", "policy"), ROUNDS["ours"])


def reference(close: pd.DataFrame) -> dict[str, float]:
    """Time the scripts' way."""
    return timed(lambda: features(close), lambda: policy(close), ROUNDS["reference"])


def timed(part: Callable[[], Any], whole: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Return the median seconds of both, and the peak memory over what the process had before, bytes."""
    part()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {name: statistics.median(seconds(work) for _ in range(rounds)) for name, work in (("features", part),)}
    found["policy"] = statistics.median(seconds(whole) for _ in range(rounds))
    return found | {"bytes": 1024.0 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)}


def seconds(work: Callable[[], Any]) -> float:
    """Return the wall time of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def features(close: pd.DataFrame) -> pd.DataFrame:
    """Return the features, column by column."""
    return pd.DataFrame({name: describe(close[name].iloc[-505:]) for name in close.columns}).T


def describe(close: pd.Series) -> dict[str, float]:
    """Return the features of one symbol; volume, highs and lows are not there."""
    returns = close.pct_change().iloc[1:]
    worst = np.sort(returns.to_numpy())[: math.ceil(0.05 * len(returns))]
    return {
        "momentum": close.iloc[-22] / close.iloc[-253] - 1,
        "volatility": returns.std() * math.sqrt(252),
        "skewness": returns.skew(),
        "kurtosis": returns.kurt(),
        "cvar": -worst.mean(),
        "entropy": entropy(returns.to_numpy()),
        "efficiency": abs(close.iloc[-1] - close.iloc[0]) / close.diff().abs().sum(),
        "hurst": hurst(returns.to_numpy()),
        "drawdown": -(close / close.cummax() - 1).min(),
        "trend": close.iloc[-1] / close.rolling(200).mean().iloc[-1] - 1,
    }


def entropy(returns: np.ndarray) -> float:
    """Return the normalised permutation entropy of order 5."""
    patterns = np.argsort(np.lib.stride_tricks.sliding_window_view(returns, 5), axis=1) @ 5 ** np.arange(5)
    shares = np.unique(patterns, return_counts=True)[1] / len(patterns)
    return float(-(shares * np.log(shares)).sum() / math.log(120))


def hurst(returns: np.ndarray) -> float:
    """Return the slope of the log rescaled range."""
    sizes, ranges = [], []
    size = 8
    while size <= len(returns) // 2:
        blocks = returns[: len(returns) // size * size].reshape(-1, size)
        walks = np.cumsum(blocks - blocks.mean(axis=1, keepdims=True), axis=1)
        ranges.append(np.mean((walks.max(axis=1) - walks.min(axis=1)) / blocks.std(axis=1)))
        sizes.append(size)
        size *= 2
    return float(np.polyfit(np.log(sizes), np.log(ranges), 1)[0])


def policy(close: pd.DataFrame) -> pd.DataFrame:
    """Return the two best of each of 25 clusters by mean rank of the features."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    found = features(close)
    alpha = found[["momentum", "volatility", "cvar", "efficiency", "trend"]].rank(pct=True).mean(axis=1)
    returns = close.pct_change()
    distance = sum(np.sqrt((1 - returns.iloc[-window:].corr().to_numpy()).clip(0) / 2) for window in (63, 126, 252)) / 3
    np.fill_diagonal(distance, 0.0)
    labels = fcluster(linkage(squareform(distance, checks=False), "ward"), 25, "maxclust")
    table = pd.DataFrame({"alpha": alpha, "cluster": labels}, index=close.columns)
    return table.sort_values("alpha", ascending=False).groupby("cluster").head(2)


def main() -> None:
    """Print the rows; with a side's name, its figures as JSON."""
    symbols, sessions = (int(text) for text in (sys.argv[1:3] or ("5000", "2520")))
    if len(sys.argv) > 3:
        print(json.dumps({"ours": ours, "reference": reference}[sys.argv[3]](market(symbols, sessions))))
        return
    found = {}
    for side in ROUNDS:
        command = [sys.executable, __file__, str(symbols), str(sessions), side]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found[side] = json.loads(done.stdout)
    mine, theirs = found["ours"], found["reference"]
    size = f"{symbols:,} × {sessions:,}"
    row(f"features of {size} / column by column", mine["features"], theirs["features"], 1 / 30)
    row(f"features to policy of {size} / column by column", mine["policy"], theirs["policy"], 1 / 20)
    limit = 4 * symbols * sessions * 8 + symbols**2 * 4
    row("peak memory of that / (4 × the input + one N × N float32)", mine["bytes"] / 2**20, limit / 2**20, 1.0, "MiB")


if __name__ == "__main__":
    main()
