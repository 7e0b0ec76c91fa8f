"""The look-ahead check of a meta profile: each sleeve, then the division of capital."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from quantflow.config.load import load_meta
from quantflow.quant import allocation
from quantflow.review.lookahead_sleeves import check_sleeves

AS_OF = date(2022, 12, 28)


@pytest.fixture(scope="module")
def sleeves(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Three sleeves, of which one sells short."""
    return load_meta("demo_long_short", workspace=tmp_path_factory.mktemp("sleeves"))


def test_each_sleeve_and_the_division_of_capital_are_checked(sleeves: Any) -> None:
    """Every profile that is a sleeve has a check of its own, and the weights of the sleeves one more; none differs."""
    found = list(check_sleeves(sleeves, AS_OF, 2, 0, lambda line: None))
    assert [one.profile for one in found] == [*sleeves.resolved, "demo_long_short"]
    assert found[-1].stages == ("meta.aggregation", "meta.optimisation")
    assert all(one.differences == () and len(one.probes) == 2 for one in found)
    assert all(probe.held == len(sleeves.resolved) for probe in found[-1].probes)


def test_a_division_that_remembers_is_caught(sleeves: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An allocation method that keeps what it saw at another date shows in the weights of the sleeves."""
    called: list[int] = []

    def remembering(returns: Any, limits: Any, estimators: Any) -> Any:
        called.append(1)
        weights = np.arange(1.0, limits.names + 1.0) + len(called)
        return weights / weights.sum()

    monkeypatch.setitem(allocation.RULES, sleeves.allocation.method, remembering)
    *_, last = check_sleeves(sleeves, AS_OF, 2, 0, lambda line: None)
    assert {(one.stage, one.artifact) for one in last.differences} >= {("meta.optimisation", "sleeve_weights")}
