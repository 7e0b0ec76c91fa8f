"""A sweep of 100 trials of the demo beside one uncached ``select``, and beside skfolio's ``GridSearchCV``.

The grid is of policy and allocation settings. ``GridSearchCV`` refits skfolio's hierarchical risk parity on as many
settings of the estimator, on walk-forward folds of the same months, with as many workers; it knows no features, scores,
policy or costs. It takes minutes: it is measured once, on a fifth of its settings, and taken times five.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from timing import quantflow, row, run

ROUNDS = 3
OVER = {
    "policy.top_n": "1,2,3,4,5",
    "allocation.method": "hrp,equal_weight,inverse_volatility,min_variance,risk_parity",
    "allocation.lookback": "252,504",
    "policy.relaxation": "0.5,0.8",
}
TRIALS = 100


def main() -> None:
    """Print the rows."""
    selects, sweeps = list[float](), list[float]()
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            run(quantflow("select", "-p", "demo", "--no-progress"), home)  # the API's database is there from now on
            selects.append(_took(home, "select", "-p", "demo", "--force"))
            over = [word for name, values in OVER.items() for word in ("--over", f"{name}={values}")]
            runner = ("--set", "execution.runner=local")
            sweeps.append(_took(home, "sweep", "-p", "demo", *over, *runner, "--run-id", "sweep"))
            _check(home)
    select, sweep, grid = statistics.median(selects), statistics.median(sweeps), _grid_search()
    row(f"sweep of {TRIALS} trials / one select, both uncached", sweep, select, 6)
    row(f"the same / {TRIALS} selects, extrapolated", sweep, TRIALS * select)
    row(f"the same / skfolio's GridSearchCV on {TRIALS} settings of the estimator, extrapolated", sweep, grid)


def _took(home: Path, *arguments: str) -> float:
    begin = time.perf_counter()
    run(quantflow(*arguments, "--no-progress"), home)
    return time.perf_counter() - begin


def _check(home: Path) -> None:
    results = [json.loads(path.read_bytes()) for path in (home / "runs" / "sweep" / "trials").glob("*.json")]
    assert len(results) == TRIALS
    assert all(result["state"] == "completed" for result in results)


def _grid_search() -> float:
    from skfolio import RiskMeasure
    from skfolio.datasets import load_sp500_dataset
    from skfolio.distance import KendallDistance, PearsonDistance
    from skfolio.model_selection import WalkForward
    from skfolio.optimization import HierarchicalRiskParity
    from skfolio.preprocessing import prices_to_returns
    from sklearn.model_selection import GridSearchCV, ParameterGrid

    returns = prices_to_returns(load_sp500_dataset().loc["2013":])
    grid = {
        "risk_measure": [
            RiskMeasure.VARIANCE,
            RiskMeasure.STANDARD_DEVIATION,
            RiskMeasure.SEMI_VARIANCE,
            RiskMeasure.MEAN_ABSOLUTE_DEVIATION,
            RiskMeasure.CVAR,
        ],
        "distance_estimator": [PearsonDistance(), KendallDistance()],
        "max_weights": [0.3, 0.5],
    }
    folds = WalkForward(train_size=24, test_size=1, freq="MS")
    begin = time.perf_counter()
    GridSearchCV(HierarchicalRiskParity(), grid, cv=folds, n_jobs=os.cpu_count()).fit(returns)
    return (time.perf_counter() - begin) * TRIALS / len(ParameterGrid(grid))


if __name__ == "__main__":
    main()
