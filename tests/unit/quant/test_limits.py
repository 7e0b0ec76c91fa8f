from __future__ import annotations

import re

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.errors import InfeasibleError
from quantflow.quant.limits import GroupCap, Limits, binding, capacity, check_feasible, project, water_fill


def cap(name: str, labels: list[int], value: float) -> GroupCap:
    """One cap on groups given by any labels."""
    return GroupCap(name, name.split("_")[1] + "s", np.unique(labels, return_inverse=True)[1], value)


@st.composite
def limited(draw: st.DrawFn) -> tuple[np.ndarray, Limits]:
    """Weights, and limits that need not be feasible."""
    n = draw(st.integers(1, 9))
    labels = st.lists(st.integers(0, 3), min_size=n, max_size=n)
    groups = [
        cap(name, draw(labels), draw(st.sampled_from([0.2, 0.34, 0.5, 0.75, 1.0])))
        for name in ("max_cluster_weight", "max_sector_weight")
        if draw(st.booleans())
    ]
    low = draw(st.sampled_from([0.0, 0.0, 0.05, 0.2]))
    high = max(low, draw(st.sampled_from([0.1, 0.25, 0.4, 1.0])))
    weights = np.array(draw(st.lists(st.floats(0.001, 1.0), min_size=n, max_size=n)))
    return weights / weights.sum(), Limits(n, 1.0, low, high, tuple(groups))


def solved(weights: np.ndarray, limits: Limits) -> np.ndarray | None:
    """The same projection by a general convex solver; None when it finds the limits infeasible."""
    w = cp.Variable(limits.names)
    constraints = [w >= limits.low, w <= limits.high, cp.sum(w) == limits.budget]
    if limits.groups:
        constraints.append(limits.matrix @ w <= limits.caps)
    problem = cp.Problem(cp.Minimize(cp.sum(cp.multiply(cp.square(w - weights), 1 / weights))), constraints)
    problem.solve(solver=cp.CLARABEL)
    return None if w.value is None else np.asarray(w.value)


@settings(max_examples=60)
@given(limited())
def test_projection_is_the_nearest_feasible_point(case: tuple[np.ndarray, Limits]) -> None:
    """``project`` finds what a general convex solver finds, within the limits, or both find nothing."""
    weights, limits = case
    expected = solved(weights, limits)
    if expected is None:
        with pytest.raises(InfeasibleError):
            project(weights, limits)
        return
    found = project(weights, limits)
    assert found.sum() == pytest.approx(1.0, abs=1e-10)
    assert found.min() >= limits.low - 1e-12
    assert found.max() <= limits.high + 1e-12
    assert (limits.matrix @ found <= limits.caps + 1e-9).all()
    np.testing.assert_allclose(found, expected, atol=2e-4)


@settings(max_examples=60)
@given(limited())
def test_the_named_relaxation_is_enough(case: tuple[np.ndarray, Limits]) -> None:
    """Following the error's advice, as often as it is given, leads to limits that can be kept."""
    limits = case[1]
    for _ in range(6):
        try:
            return check_feasible(limits)
        except InfeasibleError as error:
            limits = relaxed(limits, str(error.context["relaxation"]))
    raise AssertionError("six relaxations were not enough")


def relaxed(limits: Limits, advice: str) -> Limits:
    """The limits after following an advice such as "max_weight >= 0.2"."""
    name, value = re.fullmatch(r"(\w+) [<>]= ([\d.e-]+)", advice).groups()
    new = float(value)
    groups = tuple(GroupCap(g.name, g.noun, g.labels, new if g.name == name else g.cap) for g in limits.groups)
    return Limits(
        limits.names,
        new if name == "budget" else limits.budget,
        new if name == "min_weight" else limits.low,
        new if name == "max_weight" else limits.high,
        groups,
    )


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(6, high=0.1), "max_weight 0.1 x 6 names = 0.6 < budget 1; needs max_weight >= 0.1667"),
        (Limits(6, low=0.2), "min_weight 0.2 x 6 names = 1.2 > budget 1; needs min_weight <= 0.1666"),
        (
            Limits(4, groups=(cap("max_cluster_weight", [1, 1, 2, 3], 0.3),)),
            "max_cluster_weight 0.3 x 3 clusters = 0.9 < budget 1; needs max_cluster_weight >= 0.3334",
        ),
        (
            Limits(4, low=0.2, groups=(cap("max_sector_weight", [1, 1, 2, 3], 0.35),)),
            "min_weight 0.2 x 2 names of one group = 0.4 > max_sector_weight 0.35; needs max_sector_weight >= 0.4",
        ),
        (
            Limits(3, high=0.45, groups=(cap("max_cluster_weight", [1, 1, 2], 0.5),)),
            "max_cluster_weight 0.5 with the other limits admits 0.95 of budget 1; needs max_cluster_weight >= 0.55",
        ),
        (
            Limits(2, groups=(cap("max_cluster_weight", [1, 1], 0.6), cap("max_sector_weight", [1, 1], 0.5))),
            "all limits together admit 0.5 of budget 1; needs budget <= 0.5",
        ),
    ],
)
def test_infeasible_limits_are_named(limits: Limits, said: str) -> None:
    """An infeasible set of limits says which limit stands in the way and the smallest change that fixes it."""
    with pytest.raises(InfeasibleError, match="No portfolio keeps the limits") as caught:
        check_feasible(limits)
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("low", "high", "groups", "said"),
    [
        ([0.0, 0.5], [1.0, 0.4], (), "min_weight 0.5 > max_weight 0.4 of a name; needs max_weight >= 0.5"),
        ([0.6, 0.5], [1.0, 1.0], (), "the min_weight of 2 names sum to 1.1 > budget 1; needs sum of min_weight <= 1"),
        ([0.0, 0.0], [0.3, 0.4], (), "the max_weight of 2 names sum to 0.7 < budget 1; needs budget <= 0.7"),
        (
            [0.3, 0.3],
            [1.0, 1.0],
            (cap("max_sector_weight", [1, 1], 0.5),),
            "the min_weight of one group sum to 0.6 > max_sector_weight 0.5; needs max_sector_weight >= 0.6",
        ),
        (
            [0.0, 0.0, 0.0],
            [0.2, 0.9, 0.1],
            (cap("max_sector_weight", [1, 1, 2], 0.5),),
            "all limits together admit 0.6 < budget 1; needs budget <= 0.6",
        ),
    ],
)
def test_infeasible_limits_of_each_name_are_told(
    low: list[float], high: list[float], groups: tuple[GroupCap, ...], said: str
) -> None:
    """Where each name has limits of its own, the error tells which sums cannot be met."""
    with pytest.raises(InfeasibleError) as caught:
        check_feasible(Limits(len(low), 1.0, np.array(low), np.array(high), groups))
    assert said in caught.value.message


@settings(max_examples=40)
@given(limited())
def test_equal_limits_of_each_name_are_common_limits(case: tuple[np.ndarray, Limits]) -> None:
    """Limits written out name by name admit and project what the same limits for all names do."""
    weights, common = case
    n = common.names
    each = Limits(n, 1.0, np.full(n, common.low), np.full(n, common.high), common.groups)
    try:
        expected = project(weights, common)
    except InfeasibleError:
        with pytest.raises(InfeasibleError):
            project(weights, each)
        return
    assert project(weights, each).tobytes() == expected.tobytes()
    assert binding(expected, each) == binding(expected, common)
    assert capacity(each) == capacity(common)


def test_each_name_keeps_its_own_limits() -> None:
    """Water-filling clips each name at its own bounds; a limit binds when any name touches its own."""
    limits = Limits(3, 1.0, np.array([0.0, 0.2, 0.0]), np.array([0.5, 1.0, 1.0]))
    found = project(np.array([0.8, 0.1, 0.1]), limits)
    np.testing.assert_allclose(found, [0.5, 0.25, 0.25], atol=1e-15)
    assert binding(found, limits) == ("max_weight",)


def test_nothing_to_allocate() -> None:
    """No atoms is infeasible, not a division by zero."""
    with pytest.raises(InfeasibleError, match="nothing to allocate"):
        check_feasible(Limits(0))


def test_crossing_groups_need_a_flow() -> None:
    """Capacity under clusters that cross sectors is the maximum flow, below either family's own sum."""
    clusters = cap("max_cluster_weight", [0, 0, 1, 1], 0.5)
    sectors = cap("max_sector_weight", [0, 1, 1, 1], 0.5)
    assert capacity(Limits(4, groups=(clusters,))) == pytest.approx(1.0)
    assert capacity(Limits(4, high=0.3, groups=(clusters, sectors))) == pytest.approx(0.8)


def test_what_a_cap_cuts_is_shared_in_proportion() -> None:
    """Water-filling gives a capped name's excess to the others in proportion to their weights."""
    found = water_fill(np.array([0.6, 0.3, 0.1]), Limits(3, high=0.5))
    np.testing.assert_allclose(found, [0.5, 0.375, 0.125], atol=1e-15)


def test_feasible_weights_are_left_alone() -> None:
    """Weights that keep the limits come back unchanged."""
    weights = np.array([0.5, 0.3, 0.2])
    limits = Limits(3, high=0.6, groups=(cap("max_sector_weight", [0, 1, 1], 0.6),))
    np.testing.assert_allclose(project(weights, limits), weights, atol=1e-15)


def test_binding_names_only_limits_that_are_touched() -> None:
    """A limit binds when a weight or sum touches it; one that cannot bind (the whole budget) is never named."""
    groups = (cap("max_cluster_weight", [0, 0, 1], 0.7), cap("max_sector_weight", [0, 0, 0], 1.0))
    weights = np.array([0.5, 0.2, 0.3])
    assert binding(weights, Limits(3, low=0.2, high=0.5, groups=groups)) == (
        "min_weight",
        "max_weight",
        "max_cluster_weight",
    )
    assert binding(weights, Limits(3)) == ()


@given(st.sampled_from([0.02, 0.1, 0.2, 0.35, 0.8]), st.floats(0.5, 5.0))
def test_a_larger_budget_with_larger_limits_is_the_same_problem(share: float, factor: float) -> None:
    """To the bit: what a solver makes of it does not depend on the rounding of a division."""
    each = np.array([share, 0.5, 1.0])
    groups = tuple(
        GroupCap("max_sector_weight", "sectors", np.array([0, 0, 1]), value) for value in (0.7, 0.7 * factor)
    )
    one = Limits(3, 1.0, 0.01, each, groups[:1]).unit()
    other = Limits(3, factor, 0.01 * factor, each * factor, groups[1:]).unit()
    assert (one.low, one.groups[0].cap) == (other.low, other.groups[0].cap) == (0.01, 0.7)
    assert np.array_equal(one.high, each)
    assert np.array_equal(other.high, each)
