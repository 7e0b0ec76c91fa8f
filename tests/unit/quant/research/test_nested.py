"""The choice among trials at each decision: against a loop, and blind to what follows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.errors import DataError
from quantflow.quant.research.nested import chosen, expanding_sharpe


def looped(net: np.ndarray, decided: list[int], first: int, least: int) -> list[int]:
    """Return the choices by the definition: a slice per decision and trial."""
    out = []
    for end in decided:
        parts = net[:, first : end + 1]
        if parts.shape[1] < least:
            out.append(-1)
            continue
        ratios = [p.mean() / p.std(ddof=1) if not np.isnan(p).any() and np.ptp(p) else -np.inf for p in parts]
        out.append(int(np.argmax(ratios)) if max(ratios) > -np.inf else -1)
    return out


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 5), st.integers(2, 9))
def test_it_is_the_definition(seed: int, trials: int, first: int, least: int) -> None:
    """Choices and ratios equal those of a slice per decision, with NaN, dead and equal streams among them."""
    rng = np.random.default_rng(seed)
    net = rng.normal(0.0003, 0.01, (trials, 40))
    net[rng.integers(trials), rng.integers(40)] = np.nan
    net[rng.integers(trials)] = 0.001
    net[rng.integers(trials)] = net[0]
    decided = np.sort(rng.choice(np.arange(first, 40), 7, replace=False))
    assert chosen(net, decided, first, least=least).tolist() == looped(net, decided.tolist(), first, least)
    for column, end in enumerate(decided):
        part = net[0, first : end + 1]
        if len(part) > 1 and not np.isnan(part).any() and np.ptp(part):
            assert expanding_sharpe(net, decided, first)[0, column] == pytest.approx(
                part.mean() / part.std(ddof=1), rel=1e-10
            )


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(10, 50))
def test_the_future_changes_no_choice(seed: int, end: int) -> None:
    """Whatever follows a decision, NaN included, the ratios at it are the same to the last bit."""
    rng = np.random.default_rng(seed)
    net, decided = rng.normal(0.0, 0.01, (5, 60)), np.arange(4, 60, 5)
    changed = net.copy()
    changed[:, end + 1 :] = rng.choice([np.nan, 1e6, -0.5], (5, 59 - end))
    known = decided <= end
    assert (expanding_sharpe(net, decided, 0)[:, known] == expanding_sharpe(changed, decided, 0)[:, known]).all()
    assert (chosen(net, decided, 0, least=5)[known] == chosen(changed, decided, 0, least=5)[known]).all()


def test_of_equal_ones_the_first() -> None:
    """Equal streams are equal at every decision: the lower position wins."""
    stream = np.random.default_rng(1).normal(0.001, 0.01, (1, 300))
    assert set(chosen(np.repeat(stream, 4, axis=0), np.arange(70, 300, 20), 0)) == {0}


def test_another_metric_decides() -> None:
    """A metric passed in is what is compared; a trial without a figure is not chosen."""
    net = np.array([[0.01, 0.02, 0.03, 0.04], [0.5, -0.5, 0.5, -0.3], [np.nan] * 4])

    def total(net: np.ndarray, decided: np.ndarray, first: int) -> np.ndarray:
        return np.stack([net[:, first : end + 1].sum(axis=1) for end in decided], axis=1)

    assert chosen(net, np.array([1, 2, 3]), 0, total, least=2).tolist() == [0, 1, 1 if 0.2 > 0.1 else 0]


def test_nothing_is_chosen_when_nothing_is_known() -> None:
    """Too few sessions, only failed trials, no trials, and no decisions."""
    net = np.random.default_rng(1).normal(0, 0.01, (3, 100))
    assert chosen(net, np.array([10, 61, 62]), 0).tolist()[:2] == [-1, -1]
    assert chosen(net, np.array([62]), 0)[0] >= 0
    assert chosen(np.full((3, 100), np.nan), np.array([90]), 0).tolist() == [-1]
    assert chosen(net[:0], np.array([90]), 0).tolist() == [-1]
    assert chosen(net, np.array([], dtype=np.int64), 0).tolist() == []
    assert chosen(net, np.array([3, 5]), 50).tolist() == [-1, -1]


@pytest.mark.parametrize("decided", [[5, 5], [9, 3], [100], [-1, 4]])
def test_decisions_are_ascending_positions(decided: list[int]) -> None:
    """A repeated, unordered or foreign position is refused."""
    with pytest.raises(DataError, match="ascending"):
        chosen(np.zeros((2, 100)), np.array(decided), 0)
