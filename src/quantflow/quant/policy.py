"""Policy: vetoes, quotas, and the levels of their relaxation.

Levels only ever add winners. Each one admits, best alpha score first, from the symbols that have not won yet:

| level | name | must pass | quota |
|---|---|---|---|
| 1 | strict | all vetoes, ``min_alpha`` | ``top_n`` per cluster and direction |
| 2 | spectral | the same, spectral vetoes relaxed | the same |
| 3 | cluster floor | safety vetoes | one for each cluster without a winner |
| 4 | alpha fallback | safety vetoes | until there are ``min_winners`` |

The caps per sector and in total hold at every level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
TextArray = npt.NDArray[np.str_]

LEVELS = (1, 2, 3, 4)
"""Strict, spectral, cluster floor, alpha fallback."""

CLUSTER_FLOOR = "cluster_floor"
"""The rule by which level 3 admits."""

UNSCORED = "scored"
"""The rule that a symbol without a score fails."""


@dataclass(frozen=True, eq=False)
class Pool:
    """N symbols, sorted, so that equal alpha scores go by symbol.

    Attributes:
        alpha: Alpha score, shape (N,), in (0, 1]; NaN where there is none.
        undefined: Number of features missing for the symbol and present for others, shape (N,).
        cluster: Cluster, shape (N,).
        short: Whether the scored direction is SHORT, shape (N,).
        sector: Sector code, shape (N,); -1 for none.
    """

    alpha: FloatArray
    undefined: FloatArray
    cluster: IntArray
    short: BoolArray
    sector: IntArray


@dataclass(frozen=True, eq=False)
class Veto:
    """A limit on one value of each symbol. An undefined value passes; the health veto handles missing values.

    Attributes:
        rule: Its name.
        values: Shape (N,).
        limit: A cap or floor that may be touched, or the half width of a band around 0 that may not be entered; one for
            all, or each symbol's own, shape (N,).
        side: Which of these.
        vacuous: For a spectral veto the limit, or limits, at which it vetoes nothing; None for a safety veto, never
            relaxed.
        whole: Whether the values are whole numbers.
    """

    rule: str
    values: FloatArray
    limit: float | FloatArray
    side: Literal["cap", "floor", "band"]
    vacuous: float | FloatArray | None = None
    whole: bool = False

    def relaxed(self, share: float) -> Veto:
        """Return the veto with its limit moved by *share* of the way to the vacuous one; a safety veto unchanged."""
        if self.vacuous is None:
            return self
        return replace(self, limit=self.limit + share * (self.vacuous - self.limit))

    def judge(self) -> tuple[FloatArray, FloatArray]:
        """Return the limit of each symbol and its margin, (N,) each: negative is vetoed, NaN is undefined."""
        if self.side == "band":
            away = np.where(self.values < 0.0, -1.0, 1.0)
            limit = away * self.limit
            return limit, (self.values - limit) * away
        margin = self.values - self.limit
        return np.broadcast_to(self.limit, margin.shape), margin if self.side == "floor" else -margin


@dataclass(frozen=True)
class Quotas:
    """How many may win.

    Attributes:
        top_n: Most winners per cluster and direction.
        max_per_sector: Most winners per sector; None for no cap.
        min_alpha: Least alpha score at levels 1 and 2; None is none.
        min_winners: Winners that level 4 fills up to.
        max_winners: Most winners.
        relaxation: Share by which level 2 relaxes the spectral vetoes, in (0, 1].
        max_undefined: Features that may be missing for a symbol that is scored; None for any number.
    """

    top_n: int
    max_per_sector: int | None
    min_alpha: float | None
    min_winners: int
    max_winners: int
    relaxation: float
    max_undefined: int | None = 0


@dataclass(frozen=True, eq=False)
class Decisions:
    """The decision on each of N symbols, with its margin; every array has shape (N,).

    Attributes:
        outcome: ``selected``, ``vetoed``, ``cut`` (by a quota) or ``unscored``.
        rule: The rule that decided: the first veto that is missed, else the first quota that is full; of a winner,
            the quota that it entered by.
        value: What the rule looked at.
        limit: What it was held against. For a quota that is an alpha score: the lowest one admitted for a symbol
            left out; for a winner the next one left out, or the least that is allowed.
        margin: How far the value is on the right side of the limit; negative when missed, in units of the value.
        level: Of a winner the level that admitted it, of the others the last level that was tried.
    """

    outcome: TextArray
    rule: TextArray
    value: FloatArray
    limit: FloatArray
    margin: FloatArray
    level: IntArray

    @property
    def selected(self) -> BoolArray:
        """Which symbols have won."""
        return np.asarray(self.outcome == "selected")


@dataclass(frozen=True)
class _Quota:
    """At most *cap* winners in each group; group -1 is not limited."""

    rule: str
    group: IntArray
    cap: int


def undecided(pool: Pool, most: int | None = 0) -> Decisions:
    """Return the state before level 1: unscored symbols are excluded for good, the others are undecided.

    Args:
        pool: The symbols.
        most: How many features may be missing for a symbol that is scored; None for any number.
    """
    unscored, allowed = np.isnan(pool.alpha), float(most or 0)
    return Decisions(
        outcome=np.where(unscored, "unscored", "cut").astype("<U8"),
        rule=np.where(unscored, UNSCORED, "").astype("<U16"),
        value=np.where(unscored, pool.undefined, pool.alpha),
        limit=np.where(unscored, allowed, 0.0),
        margin=np.where(unscored, allowed - pool.undefined, 0.0),
        level=np.zeros(len(unscored), dtype=np.int64),
    )


Apply = Callable[[int, Pool, Sequence[Veto], Quotas, Decisions], Decisions]


def decide(pool: Pool, vetoes: Sequence[Veto], quotas: Quotas, apply: Apply | None = None) -> Decisions:
    """Return who wins, at the lowest level that gives ``min_winners``; at the last one if none does.

    Args:
        pool: The symbols.
        vetoes: In the order in which they are looked at, safety vetoes first.
        quotas: How many may win.
        apply: Called in place of ``apply_level``.
    """
    decided = undecided(pool, quotas.max_undefined)
    for level in LEVELS:
        decided = (apply or apply_level)(level, pool, vetoes, quotas, decided)
        if int(decided.selected.sum()) >= quotas.min_winners:
            break
    return decided


def apply_level(level: int, pool: Pool, vetoes: Sequence[Veto], quotas: Quotas, before: Decisions) -> Decisions:
    """Return the decisions after *level*: those before, and what it adds.

    Who has won stays. Who has not keeps the reason of the last level whose limits it missed: levels 3 and 4 give no
    new ones, and a symbol that level 2 would take but for an earlier, weaker winner keeps that of level 1.

    Args:
        level: 1 to 4.
        pool: The symbols.
        vetoes: In the order in which they are looked at, safety vetoes first.
        quotas: How many may win.
        before: What the level before returned; ``undecided`` for level 1.
    """
    found = _judged(pool, _active(level, pool, vetoes, quotas), before)
    eligible = (found.rule == "") & ~before.selected & ~np.isnan(pool.alpha)
    found = _admitted(pool.alpha, eligible, _quotas(level, pool, quotas), found, _least(level, quotas))
    takes_over = found.selected & ~before.selected
    if level <= 2:
        takes_over |= (before.outcome != "selected") & (before.outcome != "unscored") & (found.margin <= 0.0)
    fields = ("outcome", "rule", "value", "limit", "margin")
    merged = {name: np.where(takes_over, getattr(found, name), getattr(before, name)) for name in fields}
    return Decisions(**merged, level=np.where(before.selected, before.level, level))


def _least(level: int, quotas: Quotas) -> float:
    return (quotas.min_alpha or 0.0) if level <= 2 else 0.0


def _active(level: int, pool: Pool, vetoes: Sequence[Veto], quotas: Quotas) -> list[Veto]:
    """Return the vetoes that hold at *level*, ``min_alpha`` last among them."""
    if level >= 3:
        return [veto for veto in vetoes if veto.vacuous is None]
    share = quotas.relaxation if level == 2 else 0.0
    active = [veto.relaxed(share) for veto in vetoes]
    if quotas.min_alpha is not None:
        active.append(Veto("min_alpha", pool.alpha, quotas.min_alpha, "floor"))
    return active


def _quotas(level: int, pool: Pool, quotas: Quotas) -> list[_Quota]:
    everyone = np.zeros(len(pool.alpha), dtype=np.int64)
    group = pool.cluster * 2 + pool.short
    own = {
        1: _Quota("top_n", group, quotas.top_n),
        2: _Quota("top_n", group, quotas.top_n),
        3: _Quota(CLUSTER_FLOOR, pool.cluster, 1),
        4: _Quota("min_winners", everyone, quotas.min_winners),
    }
    found = [own[level]]
    if quotas.max_per_sector is not None:
        found.append(_Quota("max_per_sector", pool.sector, quotas.max_per_sector))
    return [*found, _Quota("max_winners", everyone, quotas.max_winners)]


def _judged(pool: Pool, vetoes: Sequence[Veto], before: Decisions) -> Decisions:
    """Return the first veto that each symbol misses; no rule, and the winners of before, where it misses none."""
    found = Decisions(
        outcome=before.outcome.copy(),
        rule=np.full(len(pool.alpha), "", dtype="<U16"),
        value=pool.alpha.copy(),
        limit=np.zeros(len(pool.alpha)),
        margin=np.zeros(len(pool.alpha)),
        level=before.level,
    )
    for veto in vetoes:
        limit, margin = veto.judge()
        missed = (margin < 0.0) & (found.rule == "") & ~before.selected
        found.outcome[missed] = "cut" if veto.rule == "min_alpha" else "vetoed"
        found.rule[missed] = veto.rule
        for own, new in ((found.value, veto.values), (found.limit, limit), (found.margin, margin)):
            own[missed] = new[missed]
    return found


def _admitted(
    alpha: FloatArray, eligible: BoolArray, quotas: Sequence[_Quota], found: Decisions, least: float
) -> Decisions:
    """Fill the quotas with the eligible symbols, best first; those that have won before already count."""
    index = np.flatnonzero(eligible)
    order = index[np.argsort(-alpha[index], kind="stable")].tolist()
    scores, groups = alpha.tolist(), [quota.group.tolist() for quota in quotas]
    taken: list[dict[int, int]] = [{} for _ in quotas]
    lowest: list[dict[int, float]] = [{} for _ in quotas]

    def count(i: int) -> None:
        for group, number, low in zip(groups, taken, lowest, strict=True):
            number[group[i]] = number.get(group[i], 0) + 1
            low[group[i]] = min(low.get(group[i], 1.0), scores[i])

    for i in np.flatnonzero(found.selected).tolist():
        count(i)
    for i in order:
        full = _first_full(i, quotas, groups, taken)
        if full is None:
            count(i)
            found.outcome[i], found.rule[i] = "selected", quotas[0].rule
        else:
            found.outcome[i], found.rule[i] = "cut", quotas[full].rule
            found.limit[i] = lowest[full][groups[full][i]]
    _runners_up(order, scores, groups[0], found, least)
    found.margin[index] = alpha[index] - found.limit[index]
    return found


def _first_full(
    i: int, quotas: Sequence[_Quota], groups: Sequence[list[int]], taken: Sequence[dict[int, int]]
) -> int | None:
    for k, quota in enumerate(quotas):
        if groups[k][i] >= 0 and taken[k].get(groups[k][i], 0) >= quota.cap:
            return k
    return None


def _runners_up(order: list[int], scores: list[float], group: list[int], found: Decisions, least: float) -> None:
    """Set the limit of each new winner to the score of the best symbol excluded from its group."""
    below: dict[int, float] = {}
    for i in reversed(order):
        if found.outcome[i] == "selected":
            found.limit[i] = below.get(group[i], least)
        else:
            below[group[i]] = scores[i]
