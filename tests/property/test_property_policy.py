"""Invariants of the policy."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.quant.policy import LEVELS, Decisions, Pool, Quotas, Veto, apply_level, undecided

Case = tuple[Pool, list[Veto], Quotas]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Return a pool with many ties, a safety and two spectral vetoes, and quotas of every tightness."""
    n = draw(st.integers(1, 25))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    alpha = np.where(rng.random(n) < 0.1, np.nan, rng.integers(1, 12, n) / 12)
    pool = Pool(
        alpha,
        rng.integers(0, 3, n).astype(float),
        rng.integers(1, 5, n),
        rng.random(n) < 0.3,
        rng.integers(-1, 3, n),
    )
    values = np.where(rng.random((3, n)) < 0.1, np.nan, rng.random((3, n)))
    vetoes = [
        Veto("max_volatility", values[0], draw(st.floats(0.2, 1.0)), "cap"),
        Veto("max_entropy_z", values[1], draw(st.floats(0.1, 0.9)), "cap", np.full(n, 1.0)),
        Veto("min_hurst_z", values[2] - 0.5, draw(st.floats(0.01, 0.3)), "band", 0.0),
    ]
    most = draw(st.integers(1, 25))
    quotas = Quotas(
        top_n=draw(st.integers(1, 4)),
        max_per_sector=draw(st.none() | st.integers(1, 4)),
        min_alpha=draw(st.none() | st.floats(0.1, 0.9)),
        min_winners=draw(st.integers(1, most)),
        max_winners=most,
        relaxation=draw(st.sampled_from([0.25, 0.5, 1.0])),
    )
    return pool, vetoes, quotas


def every_level(case: Case) -> list[Decisions]:
    """Return the decisions after each level."""
    decided, found = undecided(case[0]), []
    for level in LEVELS:
        decided = apply_level(level, *case, decided)
        found.append(decided)
    return found


@settings(max_examples=60)
@given(case=cases())
def test_caps_and_safety_hold_at_every_level(case: Case) -> None:
    """No relaxation takes an unscored or unsafe symbol, or more than the caps allow."""
    pool, vetoes, quotas = case
    unsafe = np.isnan(pool.alpha) | (vetoes[0].values > vetoes[0].limit)
    for decided in every_level(case):
        won = decided.selected
        assert not (won & unsafe).any()
        assert won.sum() <= quotas.max_winners
        sectors = Counter(pool.sector[won & (pool.sector >= 0)].tolist())
        assert max(sectors.values(), default=0) <= (quotas.max_per_sector or len(won))


@settings(max_examples=60)
@given(case=cases())
def test_levels_only_add(case: Case) -> None:
    """A winner stays one, with the level, limit and margin that admitted it."""
    found = every_level(case)
    for before, after in pairwise(found):
        kept = before.selected
        assert after.selected[kept].all()
        for name in ("rule", "value", "limit", "margin", "level"):
            np.testing.assert_array_equal(getattr(after, name)[kept], getattr(before, name)[kept])


@settings(max_examples=60)
@given(case=cases())
def test_every_symbol_has_a_reason_of_the_right_sign(case: Case) -> None:
    """Winners passed by at least 0, the vetoed missed, the cut did not pass; margins are differences."""
    for level, decided in zip(LEVELS, every_level(case), strict=True):
        assert (decided.rule != "").all()
        assert (decided.margin[decided.selected] >= 0.0).all()
        assert (decided.margin[decided.outcome == "vetoed"] < 0.0).all()
        assert (decided.margin[decided.outcome == "cut"] <= 0.0).all()
        assert (decided.level[~decided.selected] == level).all()
        np.testing.assert_allclose(np.abs(decided.margin), np.abs(decided.value - decided.limit), atol=1e-12)


@settings(max_examples=60)
@given(case=cases())
def test_level_one_matches_the_plain_definition(case: Case) -> None:
    """Without sector and total caps the strict winners are the best top_n of each group that pass everything."""
    pool, vetoes, quotas = case
    loose = Quotas(quotas.top_n, None, quotas.min_alpha, 1, 99, 0.5)
    passing = [
        i
        for i in range(len(pool.alpha))
        if pool.alpha[i] >= (quotas.min_alpha or 0.0)
        and not vetoes[0].values[i] > vetoes[0].limit
        and not vetoes[1].values[i] > vetoes[1].limit
        and not abs(vetoes[2].values[i]) < vetoes[2].limit
    ]
    expected = set()
    for group in {(pool.cluster[i], pool.short[i]) for i in passing}:
        own = [i for i in passing if (pool.cluster[i], pool.short[i]) == group]
        expected |= set(sorted(own, key=lambda i: (-pool.alpha[i], i))[: quotas.top_n])
    decided = apply_level(1, pool, vetoes, loose, undecided(pool))
    assert set(np.flatnonzero(decided.selected)) == expected


@settings(max_examples=60)
@given(case=cases())
def test_level_four_falls_short_only_when_it_must(case: Case) -> None:
    """If there are fewer than min_winners, every safe symbol is in or its sector is full."""
    pool, vetoes, quotas = case
    won = every_level(case)[-1].selected
    if won.sum() >= quotas.min_winners:
        return
    full = Counter(pool.sector[won].tolist())
    for i in np.flatnonzero(~won & ~np.isnan(pool.alpha) & ~(vetoes[0].values > vetoes[0].limit)):
        assert pool.sector[i] >= 0
        assert full[int(pool.sector[i])] == quotas.max_per_sector
