"""Tables of results, as people see them."""

from __future__ import annotations

from typing import Any

import pytest

from quantflow.runs.outcome import Outcome
from quantflow.ui.tables import _metrics


def block(sharpe: float, lag: int | None = None) -> dict[str, Any]:
    """A block of figures."""
    figures = {"sharpe": sharpe, "cagr": 0.1, "start": "2020-01-02", "end": "2020-12-31"}
    return figures if lag is None else {**figures, "lag": lag}


def rows(metrics: dict[str, Any]) -> dict[str, str]:
    """Sharpe ratio by name, in order."""
    table = _metrics(Outcome({}, [], [], [], metrics, [], [], {}))
    names, ratios = (list(table.columns[at].cells) for at in (0, 3))
    return dict(zip(map(str, names), map(str, ratios), strict=True))


def test_every_lag_that_is_asked_for_is_shown() -> None:
    """The strategy's own first, named by its lag, then the others, then the benchmarks."""
    metrics = {
        "equal_weight": block(0.9),
        "strategy": block(0.5, 1),
        "lags": {"10": block(0.2, 10), "2": block(0.4, 2), "0": block(1.3, 0)},
        "annualisation": 252,
    }
    expected = {"strategy, lag 1": "0.50", "strategy, lag 0": "1.30", "strategy, lag 2": "0.40"}
    assert list(rows(metrics).items()) == [*expected.items(), ("strategy, lag 10", "0.20"), ("equal weight", "0.90")]


@pytest.mark.parametrize("more", [{}, {"lags": {}}])
def test_without_other_lags_the_strategy_is_called_so(more: dict[str, Any]) -> None:
    """Nobody is bothered with lags who does not ask for them."""
    assert list(rows({"strategy": block(0.5, 1), "equal_weight": block(0.9), **more})) == ["strategy", "equal weight"]


def test_a_benchmark_is_shown_with_its_name() -> None:
    """A figure says what it is of."""
    metrics = {"strategy": block(0.5, 1), "benchmark": {**block(0.7), "symbol": "SPY"}}
    assert rows(metrics) == {"strategy": "0.50", "benchmark SPY": "0.70"}
