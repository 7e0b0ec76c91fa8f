"""The walk-forward of HRP on 20 symbols × 33 years, monthly, against skfolio's own on the same estimator and dates.

``WalkForward`` with ``cross_val_predict`` refits and predicts; quantflow replays its stages, holds with drift and
takes costs off. Both see two years of returns at each rebalance and hold all 20 names.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from timing import row

ROUNDS = 5
WINDOW = 504


def main() -> None:
    """Print the row."""
    import numpy as np
    import pandas as pd
    from skfolio.datasets import load_sp500_dataset
    from skfolio.model_selection import WalkForward, cross_val_predict
    from skfolio.optimization import HierarchicalRiskParity
    from skfolio.preprocessing import prices_to_returns

    from quantflow.config.load import load_profile
    from quantflow.data.panel import Panel
    from quantflow.data.quality.roster import roster
    from quantflow.pipeline.registry import StageRegistry
    from quantflow.pipeline.stage import one_blas_thread

    close = load_sp500_dataset()
    returns = prices_to_returns(close)
    panel = Panel(
        tuple(close.columns),
        close.index.to_numpy().astype("datetime64[D]"),
        {"close": np.ascontiguousarray(close.to_numpy().T)},
    )
    all_names = [
        "policy.max_per_sector=20",
        "policy.top_n=20",
        "policy.max_winners=20",
        f"allocation.lookback={WINDOW}",
    ]
    vetoes = [f"policy.{name}='off'" for name in ("max_kurtosis", "max_volatility")]
    profile = load_profile("demo", workspace=Path.cwd(), overrides=all_names + vetoes)
    settings = {**profile.settings(), "as_of": "2022-12-28"}
    instruments = pd.DataFrame(
        {
            "name": list(close.columns),
            "exchange": "",
            "sector": "all",
            "tick": 0.01,
            "lot": 1.0,
            "min_notional": 0.0,
            "currency": "USD",
        },
        index=pd.Index(close.columns, name="symbol"),
    )
    stage = StageRegistry.get("validation")
    past = Panel((), panel.sessions, {"close": np.empty((0, len(panel.sessions)))})
    inputs = {
        "prices": panel,
        "instruments": instruments,
        "past": past,
        "roster": roster(instruments, panel.symbols, None),
    }

    def ours() -> None:
        with one_blas_thread():
            stage.run(inputs, stage.configured(settings))

    def theirs(cores: int) -> None:
        with one_blas_thread():
            folds = WalkForward(train_size=24, test_size=1, freq="MS")
            cross_val_predict(HierarchicalRiskParity(), returns, cv=folds, n_jobs=cores)

    mine, one_core, two_cores = medians(ours, lambda: theirs(1), lambda: theirs(2))
    row("walk-forward, 20 symbols × 33 years, monthly, HRP / skfolio", mine, one_core, 0.5)
    row("the same, which uses one core / skfolio on two", mine, two_cores, 0.6)


def medians(*works: Callable[[], None]) -> list[float]:
    """Return the median seconds of each, interleaved; the first round is not counted."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS + 1):
        for found, work in zip(times, works, strict=True):
            begin = time.perf_counter()
            work()
            found.append(time.perf_counter() - begin)
    return [statistics.median(found[1:]) for found in times]


if __name__ == "__main__":
    main()
