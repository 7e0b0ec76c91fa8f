"""Policy: vetoes, quotas and levels on pools small enough to decide by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from quantflow.config.sections import PolicyConfig
from quantflow.quant.policy import Decisions, Pool, Quotas, Veto, apply_level, undecided

NONE = Quotas(top_n=9, max_per_sector=None, min_alpha=None, min_winners=1, max_winners=99, relaxation=0.5)


def pool(alpha: Sequence[float], **columns: Sequence[float]) -> Pool:
    """Return a pool in one cluster, long, without sectors, unless said."""
    zeros = np.zeros(len(alpha), dtype=np.int64)
    return Pool(
        np.array(alpha, dtype=float),
        np.asarray(columns.get("undefined", zeros), dtype=float),
        np.asarray(columns.get("cluster", zeros + 1)),
        np.asarray(columns.get("short", zeros), dtype=bool),
        np.asarray(columns.get("sector", zeros - 1)),
    )


def volatility(values: Sequence[float], limit: float = 0.5) -> Veto:
    """Return a safety veto."""
    return Veto("max_volatility", np.array(values), limit, "cap")


def entropy(values: Sequence[float], limit: float = 0.8) -> Veto:
    """Return a spectral veto."""
    return Veto("max_entropy_z", np.array(values), limit, "cap", 1.0)


def levels(upto: int, symbols: Pool, vetoes: Sequence[Veto], quotas: Quotas) -> Decisions:
    """Return the decisions after the levels 1 to *upto*."""
    decided = undecided(symbols)
    for level in range(1, upto + 1):
        decided = apply_level(level, symbols, vetoes, quotas, decided)
    return decided


def row(decided: Decisions, i: int) -> tuple[str, str, float, float, float, int]:
    """Return one symbol's decision."""
    numbers = (round(float(a[i]), 12) for a in (decided.value, decided.limit, decided.margin))
    return (str(decided.outcome[i]), str(decided.rule[i]), *numbers, int(decided.level[i]))  # type: ignore[return-value]


def test_a_cap_may_be_touched_and_not_passed() -> None:
    """The margin is what is left below the cap."""
    decided = levels(1, pool([0.5, 0.5]), [volatility([0.5, 0.6])], NONE)
    assert decided.selected.tolist() == [True, False]
    assert row(decided, 1) == ("vetoed", "max_volatility", 0.6, 0.5, -0.1, 1)


def test_a_band_vetoes_what_lies_inside() -> None:
    """The limit is the edge on the value's own side, the margin the way to it."""
    limit, margin = Veto("min_hurst_z", np.array([-0.1, -0.02, 0.0, 0.03, 0.2]), 0.05, "band", 0.0).judge()
    np.testing.assert_allclose(limit, [-0.05, -0.05, 0.05, 0.05, 0.05])
    np.testing.assert_allclose(margin, [0.05, -0.03, -0.05, -0.02, 0.15])


def test_a_floor_is_read_from_below() -> None:
    """A value under its floor misses it."""
    _, margin = Veto("min_efficiency_z", np.array([0.01, 0.3]), 0.1, "floor").judge()
    np.testing.assert_allclose(margin, [-0.09, 0.2])


def test_the_first_veto_that_is_missed_decides() -> None:
    """Vetoes are looked at in their order."""
    decided = levels(1, pool([0.5, 0.5]), [volatility([0.9, 0.1]), entropy([0.9, 0.9])], NONE)
    assert decided.rule.tolist() == ["max_volatility", "max_entropy_z"]


def test_an_undefined_value_passes() -> None:
    """A market without volume has no friction to veto; undefined features are the health veto's part."""
    assert levels(1, pool([0.5]), [volatility([np.nan])], NONE).selected.all()


def test_a_symbol_without_score_never_wins() -> None:
    """It is unscored at every level, with the number of features that it lacks."""
    decided = levels(4, pool([np.nan, 0.2], undefined=[2, 0]), [volatility([9.0, 0.1])], replace(NONE, min_winners=2))
    assert row(decided, 0) == ("unscored", "scored", 2.0, 0.0, -2.0, 4)


def test_top_n_holds_per_cluster_and_direction() -> None:
    """Long and short of one cluster do not compete; the margins are the distances to the border."""
    symbols = pool([0.9, 0.8, 0.7, 0.6, 0.5], cluster=[1, 1, 1, 2, 2], short=[0, 0, 1, 0, 0])
    decided = levels(1, symbols, [], replace(NONE, top_n=1))
    assert decided.selected.tolist() == [True, False, True, True, False]
    assert row(decided, 1) == ("cut", "top_n", 0.8, 0.9, -0.1, 1)
    assert row(decided, 0) == ("selected", "top_n", 0.9, 0.8, 0.1, 1)
    assert row(decided, 2) == ("selected", "top_n", 0.7, 0.0, 0.7, 1)


def test_equal_scores_go_by_symbol() -> None:
    """A tie at the border is decided by the order of the symbols, with margin 0."""
    decided = levels(1, pool([0.5, 0.5, 0.5]), [], replace(NONE, top_n=2))
    assert decided.selected.tolist() == [True, True, False]
    assert decided.margin[2] == 0.0


def test_a_full_sector_passes_its_place_on() -> None:
    """The sector cap cuts a symbol, and the next of its cluster takes the slot; no sector is no cap."""
    symbols = pool([0.9, 0.8, 0.7, 0.6, 0.5], cluster=[1, 2, 2, 3, 4], sector=[7, 7, 8, -1, -1])
    decided = levels(1, symbols, [], replace(NONE, top_n=1, max_per_sector=1))
    assert decided.selected.tolist() == [True, False, True, True, True]
    assert row(decided, 1) == ("cut", "max_per_sector", 0.8, 0.9, -0.1, 1)


def test_max_winners_keeps_the_best() -> None:
    """The total cap cuts from below, at every level."""
    quotas = replace(NONE, max_winners=2, min_winners=2)
    decided = levels(1, pool([0.5, 0.7, 0.6], cluster=[1, 2, 3]), [], quotas)
    assert decided.selected.tolist() == [False, True, True]
    assert row(decided, 0) == ("cut", "max_winners", 0.5, 0.6, -0.1, 1)


def test_min_alpha_cuts_and_is_the_limit_of_unchallenged_winners() -> None:
    """A winner with no rival is measured against the least score."""
    decided = levels(1, pool([0.6, 0.2], cluster=[1, 2]), [], replace(NONE, min_alpha=0.3))
    assert row(decided, 0) == ("selected", "top_n", 0.6, 0.3, 0.3, 1)
    assert row(decided, 1) == ("cut", "min_alpha", 0.2, 0.3, -0.1, 1)


def test_level_two_relaxes_spectral_vetoes_only() -> None:
    """Half way to where it vetoes nothing: 0.8 becomes 0.9; the volatility cap stays."""
    vetoes = [volatility([0.1, 0.1, 0.6]), entropy([0.85, 0.95, 0.5])]
    decided = levels(2, pool([0.5, 0.5, 0.5]), vetoes, NONE)
    assert row(decided, 0)[0::5] == ("selected", 2)
    assert row(decided, 1) == ("vetoed", "max_entropy_z", 0.95, 0.9, -0.05, 2)
    assert row(decided, 2) == ("vetoed", "max_volatility", 0.6, 0.5, -0.1, 2)


def test_relaxation_of_one_switches_spectral_vetoes_off() -> None:
    """All the way: nothing is left of them."""
    decided = levels(2, pool([0.5]), [entropy([0.999])], replace(NONE, relaxation=1.0))
    assert decided.selected.all()


def test_a_relaxed_symbol_does_not_displace_a_strict_winner() -> None:
    """It keeps the veto of level 1 as its reason, since its score alone would have won."""
    decided = levels(2, pool([0.5, 0.9]), [entropy([0.5, 0.85])], replace(NONE, top_n=1))
    assert row(decided, 0)[0::5] == ("selected", 1)
    assert row(decided, 1) == ("vetoed", "max_entropy_z", 0.85, 0.8, -0.05, 2)


def test_the_border_is_the_weakest_winner() -> None:
    """A relaxed symbol between two strict winners beats the weaker, so its score is not what kept it out."""
    decided = levels(2, pool([0.4, 0.6, 0.5, 0.3]), [entropy([0.5, 0.5, 0.85, 0.85])], replace(NONE, top_n=2))
    assert row(decided, 2)[:2] == ("vetoed", "max_entropy_z")
    assert row(decided, 3) == ("cut", "top_n", 0.3, 0.4, -0.1, 2)


def test_level_three_gives_each_empty_cluster_its_best() -> None:
    """Spectral vetoes and the least score are given up for one of each cluster; safety is not."""
    symbols = pool([0.9, 0.2, 0.1, 0.4, 0.3], cluster=[1, 2, 2, 3, 1])
    vetoes = [volatility([0.1, 0.1, 0.1, 0.9, 0.1]), entropy([0.1, 0.99, 0.1, 0.1, 0.1])]
    decided = levels(3, symbols, vetoes, replace(NONE, min_alpha=0.5, top_n=1))
    assert decided.selected.tolist() == [True, True, False, False, False]
    assert row(decided, 1) == ("selected", "cluster_floor", 0.2, 0.1, 0.1, 3)
    assert row(decided, 2)[:2] == ("cut", "min_alpha")
    assert row(decided, 3)[:2] == ("vetoed", "max_volatility")


def test_level_four_fills_up_by_score_and_no_further() -> None:
    """Until there are min_winners, best first, sector cap kept, safety kept."""
    symbols = pool([0.9, 0.8, 0.7, 0.6, 0.5], sector=[1, 1, 2, 2, 3])
    quotas = replace(NONE, top_n=1, min_winners=3, max_per_sector=1)
    decided = levels(4, symbols, [volatility([0.1, 0.1, 0.9, 0.1, 0.1])], quotas)
    assert decided.selected.tolist() == [True, False, False, True, True]
    assert decided.level.tolist() == [1, 4, 4, 4, 4]
    assert row(decided, 3)[:2] == ("selected", "min_winners")
    assert row(decided, 1)[:2] == ("cut", "top_n")


def test_a_level_leaves_what_it_was_given() -> None:
    """Decisions before are not changed in place."""
    symbols = pool([0.5, 0.4])
    before = undecided(symbols)
    apply_level(1, symbols, [], replace(NONE, top_n=1), before)
    assert before.rule.tolist() == ["", ""]
    assert before.limit.tolist() == [0.0, 0.0]


def test_off_switches_a_limit_off() -> None:
    """TOML has no null; the word does, and for nothing else."""
    assert PolicyConfig.model_validate({"max_entropy_z": "off", "max_per_sector": "off"}).max_entropy_z is None
    with pytest.raises(ValueError, match="top_n"):
        PolicyConfig.model_validate({"top_n": "off"})


def test_the_minimum_fits_below_the_maximum() -> None:
    """A minimum that can never be met is refused."""
    with pytest.raises(ValueError, match="more than max_winners"):
        PolicyConfig(min_winners=9, max_winners=8)
