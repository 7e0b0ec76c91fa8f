"""A figure over two settings: the grid, the neighbours, and the lonely peak."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.quant.research.surface import levels, surface


def spread_out(grid: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a grid as trials, one per cell."""
    rows, columns = np.indices(grid.shape).reshape(2, -1)
    return grid.ravel(), rows, columns


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 5), st.integers(1, 40))
def test_cells_and_neighbours_are_those_of_loops(seed: int, height: int, width: int, trials: int) -> None:
    """Means, counts, and the neighbours' mean and deviation equal a rebuild by loops, with holes and failures."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, trials)
    values[rng.random(trials) < 0.2] = np.nan
    rows, columns = rng.integers(height, size=trials), rng.integers(width, size=trials)
    found = surface(values, rows, columns, 0.1)
    cells: dict[tuple[int, int], list[float]] = {}
    for value, row, column in zip(values, rows, columns, strict=True):
        if not np.isnan(value):
            cells.setdefault((row, column), []).append(value)
    for row, column in np.ndindex(found.mean.shape):
        own = cells.get((row, column), [])
        assert found.count[row, column] == len(own)
        near = [
            float(np.mean(cells[i, j]))
            for i in range(row - 1, row + 2)
            for j in range(column - 1, column + 2)
            if (i, j) != (row, column) and (i, j) in cells
        ]
        wanted = (
            np.mean(own) if own else np.nan,
            np.mean(near) if near else np.nan,
            np.std(near, ddof=1) if len(near) > 1 else np.nan,
        )
        got = found.mean[row, column], found.around[row, column], found.spread[row, column]
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)
        peak = len(near) > 1 and bool(own) and np.mean(own) > max(near) and np.mean(own) - np.mean(near) > 0.2
        assert found.lonely[row, column] == peak


def test_a_plateau_is_no_lonely_peak() -> None:
    """The top of a smooth hill is not marked, a spike on bad ground is, and only at the size of the error."""
    place = np.arange(7) - 3.0
    hill = 1.0 - 0.02 * (place[:, None] ** 2 + place[None, :] ** 2)
    assert not surface(*spread_out(hill), 0.1).lonely.any()
    spike = hill - 1.0
    spike[2, 5] = 1.0
    assert np.argwhere(surface(*spread_out(spike), 0.1).lonely).tolist() == [[2, 5]]
    assert not surface(*spread_out(spike), 1.0).lonely.any()


def test_one_row_is_enough() -> None:
    """Over one setting alone neighbours are left and right; an end has one, which is too few to stand alone among."""
    found = surface(*spread_out(np.array([[0.0, 2.0, 0.0, 0.0, 5.0]])), 0.1)
    assert found.lonely.tolist() == [[False, True, False, False, False]]


def test_values_are_in_the_order_of_numbers_or_of_text() -> None:
    """10 comes after 9; text, truth values, lists and nothing are ordered as JSON."""
    assert levels([10, 9.5, 10, 1])[0] == [1, 9.5, 10]
    assert levels([10, 9.5, 10, 1])[1].tolist() == [2, 1, 2, 0]
    assert levels(["hrp", "equal", "hrp"])[0] == ["equal", "hrp"]
    assert levels([True, False])[0] == [False, True]
    found, positions = levels([["a"], None, 3, ["a"]])
    assert [found[position] for position in positions] == [["a"], None, 3, ["a"]]


@pytest.mark.parametrize("values", [[1, 1.0], [2.0, 2]])
def test_equal_numbers_are_one_value(values: list[float]) -> None:
    """An integer and the float that equals it share a position; the first one's spelling is kept."""
    found, positions = levels(values)
    assert positions.tolist() == [0, 0]
    assert repr(found) == repr(values[:1])
