"""Invariants of the scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quantflow.quant.scores import MAPS, alpha_scores, log_mps

VALUES = arrays(np.float64, st.integers(1, 30), elements=st.integers(-1_000, 1_000).map(lambda i: i / 8))


@pytest.mark.parametrize("name", sorted(MAPS))
@settings(max_examples=50)
@given(values=VALUES)
def test_maps_give_probabilities_in_the_order_of_the_values(name: str, values: np.ndarray) -> None:
    """Every map is a probability in (0, 1], rises with the value, and treats equals alike."""
    found = MAPS[name](values)
    assert ((found > 0.0) & (found <= 1.0)).all()
    order = np.argsort(values, kind="stable")
    rising = np.diff(found[order])
    assert (rising >= 0.0).all()
    assert (rising[np.diff(values[order]) == 0.0] == 0.0).all()


@pytest.mark.parametrize("name", sorted(MAPS))
@settings(max_examples=50)
@given(values=VALUES)
def test_the_other_side_has_the_other_probability(name: str, values: np.ndarray) -> None:
    """Reading a feature the other way round gives 1 - p, down to the floor."""
    np.testing.assert_allclose(MAPS[name](-values), 1.0 - MAPS[name](values), atol=1e-8)


@pytest.mark.parametrize("name", sorted(MAPS))
@settings(max_examples=50)
@given(values=VALUES, scale=st.sampled_from([0.25, 2.0, 1024.0]), shift=st.integers(-50, 50))
def test_units_do_not_matter(name: str, values: np.ndarray, scale: float, shift: int) -> None:
    """A feature in other units, or from another zero, scores the same."""
    np.testing.assert_allclose(MAPS[name](values * scale + shift), MAPS[name](values), rtol=1e-6, atol=1e-9)


@settings(max_examples=50)
@given(
    data=st.data(), symbols=st.integers(1, 20), names=st.lists(st.sampled_from(sorted(MAPS)), min_size=1, max_size=4)
)
def test_scores_are_bounded_and_follow_the_symbols(data: st.DataObject, symbols: int, names: list[str]) -> None:
    """Alpha lies between a symbol's least and greatest probability, whatever order the symbols come in."""
    shape = (symbols, len(names))
    values = data.draw(arrays(np.float64, shape, elements=st.integers(-99, 99).map(float)))
    weights = data.draw(arrays(np.float64, len(names), elements=st.floats(0.1, 10.0)))
    parts = log_mps(values, weights, names)
    alpha, probabilities = alpha_scores(parts, weights), np.exp(parts / weights)
    assert (alpha >= probabilities.min(axis=1) * (1 - 1e-12)).all()
    assert (alpha <= probabilities.max(axis=1) * (1 + 1e-12)).all()
    turn = data.draw(st.permutations(range(symbols)))
    np.testing.assert_allclose(alpha_scores(log_mps(values[turn], weights, names), weights), alpha[turn], rtol=1e-9)
