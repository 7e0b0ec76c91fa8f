"""What each setting explains: known decompositions, chance, failures, and designs without pairs."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.quant.research.importance import importance


def full(*sizes: int) -> np.ndarray:
    """Return a full grid of positions."""
    return np.array(list(product(*map(range, sizes))))


def test_sums_and_products_are_known() -> None:
    """Of a + 2 b the shares are 1/5 and 4/5 and there is no concert; of a product of centred factors all is concert."""
    grid = full(5, 5)
    a, b = (grid - 2.0).T
    first, second = importance(a + 2.0 * b, grid)
    assert [first.share, second.share, first.total, second.total] == pytest.approx([0.2, 0.8, 0.2, 0.8], rel=1e-12)
    for each in importance(a * b, grid):
        assert [each.share, each.total] == pytest.approx([0.0, 1.0], abs=1e-12)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_in_a_full_grid_they_are_sobols_indices(seed: int, sizes: list[int]) -> None:
    """Shares equal those from an array's means over axes, lie between 0 and 1, and a total is at least its share."""
    cube = np.random.default_rng(seed).normal(0.5, 1.0, sizes)
    found = importance(cube.ravel(), full(*sizes))
    if cube.size < 2:
        assert all(np.isnan(each.share) for each in found)
        return
    axes = range(len(sizes))
    for axis, each in enumerate(found):
        alone = cube.mean(axis=tuple(other for other in axes if other != axis)).var() / cube.var()
        if 2 * sizes[axis] <= cube.size:
            assert each.share == pytest.approx(alone, rel=1e-10, abs=1e-12)
        assert each.total == pytest.approx(1.0 - cube.mean(axis=axis).var() / cube.var(), rel=1e-10, abs=1e-10)
        assert each.total >= alone - 1e-10


def test_failed_trials_are_left_out() -> None:
    """A NaN is as if the trial had not been made."""
    grid, rng = full(4, 3), np.random.default_rng(4)
    values = rng.normal(0, 1, 12)
    values[[2, 7]] = np.nan
    kept = ~np.isnan(values)
    assert importance(values, grid) == importance(values[kept], grid[kept])


def test_noise_explains_what_chance_gives() -> None:
    """On average over draws a setting without effect has the share that is stated for chance."""
    rng, grid = np.random.default_rng(5), full(5, 8)
    found = [importance(rng.normal(0, 1, 40), grid)[0] for _ in range(400)]
    assert found[0].chance == pytest.approx(4 / 39)
    assert np.mean([each.share for each in found]) == pytest.approx(4 / 39, abs=0.01)


def test_a_value_per_trial_does_not_explain_itself() -> None:
    """In a random design over numbers shares are by neighbourhoods: noise explains little, a trend much; no totals."""
    rng = np.random.default_rng(6)
    places = np.stack([rng.permutation(200), rng.permutation(200)], axis=1)
    values = places[:, 0] / 200.0 + rng.normal(0, 0.05, 200)
    trend, noise = importance(values, places)
    assert trend.share > 0.9
    assert noise.share < 3.0 * noise.chance
    assert np.isnan([trend.total, noise.total]).all()


def test_without_difference_nothing_is_explained() -> None:
    """Equal figures, one trial and no trial have no shares."""
    for values in (np.full(6, 0.1), np.array([1.0]), np.array([]), np.full(6, np.nan)):
        found = importance(values, np.zeros((len(values), 2), dtype=np.int64))
        assert [np.isnan(each.share) for each in found] == [True, True]
