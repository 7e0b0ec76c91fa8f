"""Which variants a sweep tries: in which order, how many, and never one twice."""

from __future__ import annotations

import json
from itertools import product
from math import prod
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.config.sweeps.design import Design, Variant, variants

OVER = {"policy.top_n": [1, 2, 3], "allocation.method": ["hrp", "equal_weight"]}
HUGE = {f"s.k{number}": list(range(10)) for number in range(6)}
overs = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(
    lambda sizes: {f"s.k{number}": list(range(size)) for number, size in enumerate(sizes)}
)
drawn = st.sampled_from(["random", "sobol"])


def keys(found: list[Variant]) -> list[str]:
    """The variants as texts, which can be compared."""
    return [json.dumps(variant) for variant in found]


def test_a_grid_is_in_the_order_of_its_values_the_last_setting_fastest() -> None:
    """Trial numbers can be told from the settings alone."""
    found = variants(OVER, "grid", None, 0)
    assert [tuple(variant.values()) for variant in found] == list(product(*OVER.values()))
    assert all(list(variant) == list(OVER) for variant in found)


@settings(max_examples=60)
@given(over=overs, design=drawn, trials=st.integers(2, 40), seed=st.integers(0, 2**32 - 1))
def test_a_draw_is_of_distinct_combinations_as_many_as_asked_for(
    over: dict[str, list[int]], design: Design, trials: int, seed: int
) -> None:
    """All combinations where there are no more; each is one of the grid; the same seed draws the same."""
    found = variants(over, design, trials, seed)
    combinations = prod(map(len, over.values()))
    assert len(found) == min(trials, combinations)
    assert len(set(keys(found))) == len(found)
    assert set(keys(found)) <= set(keys(variants(over, "grid", None, 0)))
    assert keys(variants(over, design, trials, seed)) == keys(found)
    if trials >= combinations:
        assert keys(found) == keys(variants(over, "grid", None, 0))


@pytest.mark.parametrize("design", ["random", "sobol"])
def test_another_seed_draws_others(design: Design) -> None:
    """The seed is what chooses."""
    assert keys(variants(HUGE, design, 50, 1)) != keys(variants(HUGE, design, 50, 2))


@pytest.mark.parametrize("design", ["random", "sobol"])
def test_a_draw_out_of_a_million_combinations_is_as_long_as_asked_for(design: Design) -> None:
    """They are not listed first, and none comes twice."""
    found = variants(HUGE, design, 300, 0)
    assert len(set(keys(found))) == 300


def test_sobol_spreads_evenly() -> None:
    """Each value of each setting is tried about as often as any other."""
    found = variants({f"s.k{number}": list(range(8)) for number in range(3)}, "sobol", 64, 3)
    for name in found[0]:
        counts = [sum(variant[name] == value for variant in found) for value in range(8)]
        assert max(counts) - min(counts) <= 4, counts


@pytest.mark.parametrize("sizes", [(2, 2, 2, 2, 2, 2), (1, 1, 40), (100, 100), (3, 5, 7)])
@pytest.mark.parametrize("left_out", [1, 2])
def test_sobol_finds_nearly_all_of_a_small_grid(sizes: tuple[int, ...], left_out: int) -> None:
    """Also the last combinations, which most points of the sequence do not fall on."""
    over: dict[str, Any] = {f"s.k{number}": list(range(size)) for number, size in enumerate(sizes)}
    wanted = prod(sizes) - left_out
    assert len(variants(over, "sobol", wanted, 5)) == wanted
