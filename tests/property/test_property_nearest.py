"""What would have changed the policy's mind: each claim is applied, in random pools under all rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.quant.policy import Pool, Quotas, Veto
from quantflow.review.why.nearest import SCORE, SETTINGS, Case, Part, nearest_changes


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Return a symbol of a pool with many ties, vetoes of each kind, long and short, and quotas of every tightness."""
    n = draw(st.integers(1, 14))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    alpha = np.where(rng.random(n) < 0.1, np.nan, rng.integers(1, 13, n) / 12)
    pool = Pool(
        alpha, rng.integers(0, 3, n).astype(float), rng.integers(1, 4, n), rng.random(n) < 0.3, rng.integers(-1, 3, n)
    )
    values = np.where(rng.random((4, n)) < 0.1, np.nan, rng.random((4, n)))
    possible = [
        Veto("max_undefined", pool.undefined, draw(st.integers(0, 2)), "cap", whole=True),
        Veto("max_volatility", values[0], draw(st.floats(0.2, 1.0)), "cap"),
        Veto("min_liquidity", values[1], draw(st.floats(0.01, 0.5)), "floor"),
        Veto("max_entropy_z", values[2], draw(st.floats(0.1, 0.9)), "cap", np.full(n, 1.0)),
        Veto("min_hurst_z", values[3] - 0.5, draw(st.floats(0.01, 0.3)), "band", 0.0),
    ]
    vetoes = [veto for veto in possible if draw(st.booleans())]
    most = draw(st.integers(1, 14))
    quotas = Quotas(
        top_n=draw(st.integers(1, 4)),
        max_per_sector=draw(st.none() | st.integers(1, 4)),
        min_alpha=draw(st.none() | st.sampled_from([0.25, 0.4, 0.5])),
        min_winners=draw(st.integers(1, most)),
        max_winners=most,
        relaxation=draw(st.sampled_from([0.25, 0.5, 1.0])),
    )
    return Case(pool, vetoes, quotas, draw(st.integers(0, n - 1)))


@settings(max_examples=300)
@given(case=cases())
def test_each_claim_is_true_and_nearest(case: Case) -> None:
    """Applied, the policy decides the other way; with any part of it a hair smaller it decides as it did."""
    before = case.wins
    for change in nearest_changes(case):
        assert case.with_change(change).wins != before
        for number, part in enumerate(change):
            assert part.whole == (part.figure in (*SETTINGS, "max_undefined"))
            less = part.to - np.sign(part.to - part.value) if part.whole else np.nextafter(part.to, part.value)
            less_change = (*change[:number], replace(part, to=float(less)), *change[number + 1 :])
            assert case.with_change(less_change).wins == before, change


def alone(case: Case, figure: str) -> Iterator[Part]:
    """Every value of one figure at which an outcome may change, nearest first; found without bisection."""
    if figure == SCORE:
        value, points = case.score, [*case.pool.alpha[np.isfinite(case.pool.alpha)].tolist(), 0.25, 0.4, 0.5, 1.0]
    else:
        veto = next(veto for veto in case.vetoes if veto.rule == figure)
        value = float(veto.values[case.number])
        both = (veto.relaxed(share).limit for share in (0.0, case.quotas.relaxation))
        limits = [np.broadcast_to(limit, veto.values.shape)[case.number] for limit in both]
        points = [sign * limit for limit in limits for sign in (1.0, -1.0)]
        if veto.whole:
            points = [float(number) for number in range(5)]
    near = points if figure == "max_undefined" else [np.nextafter(p, d) for p in points for d in (-9.0, 9.0)] + points
    if figure == SCORE:
        near = [point for point in near if 0.0 < point <= 1.0]
    parts = (Part(figure, value, float(point)) for point in near if point != value)
    yield from sorted(parts, key=lambda part: abs(Fraction(part.to) - Fraction(value)))


@settings(max_examples=150)
@given(case=cases())
def test_no_nearer_change_of_one_figure_is_missed(case: Case) -> None:
    """A scan of all points of the score, and of each veto's figure, finds nothing nearer, and nothing where none is."""
    if np.isnan(case.score):
        assert nearest_changes(case) == []
        return
    before = case.wins
    claimed = {change[0].figure: change[0].to for change in nearest_changes(case) if len(change) == 1}
    rules = [veto.rule for veto in case.vetoes if np.isfinite(veto.values[case.number])]
    for figure in (SCORE, *rules):
        found = next((part.to for part in alone(case, figure) if case.with_change((part,)).wins != before), None)
        assert claimed.get(figure) == found, figure
