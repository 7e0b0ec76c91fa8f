"""The nearest changes that alter what the policy decides of one symbol: each is found, and proved, by deciding again.

Outcomes are piecewise constant: of the symbol's own score they change only where it passes another score or the least
that is allowed, of another of its figures only at a limit. So a change that goes just past such a point is the nearest.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from quantflow.quant.policy import FloatArray, Pool, Quotas, Veto, decide

SCORE = "alpha_score"
"""The figure that is the symbol's own score; any other is a veto's rule, or a field of ``Quotas``."""
SETTINGS = ("top_n", "max_per_sector", "max_winners", "min_winners")
"""The quotas that are changed."""
MOST_STEPS = 20
"""How far a quota is changed."""


@dataclass(frozen=True)
class Part:
    """One figure of the symbol, or one quota, that is another.

    Attributes:
        figure: ``SCORE``, a veto's rule, or one of ``SETTINGS``.
        value: What it is.
        to: What it would be.
        whole: Whether it is a whole number.
    """

    figure: str
    value: float
    to: float
    whole: bool = False

    @property
    def nearer(self) -> float:
        """What it would be if it changed by a hair less."""
        if self.whole:
            return self.to - float(np.sign(self.to - self.value))
        return float(np.nextafter(self.to, self.value))


Change = tuple[Part, ...]
"""What changes together."""


@dataclass(frozen=True, eq=False)
class Case:
    """A symbol in its pool.

    Attributes:
        pool: The symbols.
        vetoes: As ``decide`` takes them.
        quotas: Likewise.
        number: Which symbol.
    """

    pool: Pool
    vetoes: Sequence[Veto]
    quotas: Quotas
    number: int

    @property
    def wins(self) -> bool:
        """Whether the policy selects the symbol."""
        return bool(decide(self.pool, self.vetoes, self.quotas).selected[self.number])

    @property
    def score(self) -> float:
        """Its alpha score; NaN where there is none."""
        return float(self.pool.alpha[self.number])

    def with_change(self, change: Change) -> Case:
        """Return the case with other figures of the symbol, or other quotas."""
        case = self
        for part in change:
            case = case._with(part)
        return case

    def _with(self, part: Part) -> Case:
        if part.figure in SETTINGS:
            return replace(self, quotas=replace(self.quotas, **{part.figure: int(part.to)}))
        if part.figure == SCORE:
            return replace(self, pool=replace(self.pool, alpha=self._put(self.pool.alpha, part.to)))
        vetoes = [
            replace(veto, values=self._put(veto.values, part.to)) if veto.rule == part.figure else veto
            for veto in self.vetoes
        ]
        return replace(self, vetoes=vetoes)

    def _put(self, values: FloatArray, value: float) -> FloatArray:
        changed = values.copy()
        changed[self.number] = value
        return changed


def nearest_changes(case: Case) -> list[Change]:
    """Return changes each of which alters whether the symbol wins, those of its own figures first, nearest first.

    Of each figure it is the nearest one: with any part a hair smaller the outcome is what it was. How near a figure is
    counts in standard deviations of that figure over the pool. A symbol that misses several limits changes several
    figures together. Nothing is changed of a symbol without a score.
    """
    if np.isnan(case.score):
        return []
    wins = case.wins
    own = _losing(case) if wins else _winning(case)
    found = [*sorted(own, key=lambda change: _distance(case, change)), *_settings(case, wins)]
    return [change for change in dict.fromkeys(found) if _is_nearest(case, change, wins)]


def _is_nearest(case: Case, change: Change, wins: bool) -> bool:
    less = [(*change[:i], replace(part, to=part.nearer), *change[i + 1 :]) for i, part in enumerate(change)]
    return case.with_change(change).wins != wins and all(case.with_change(each).wins == wins for each in less)


def _losing(case: Case) -> Iterator[Change]:
    """Yield for each figure of a winner the change that loses."""
    yield from ((part,) for part in _score(case, wins=True))
    for veto in case.vetoes:
        value = float(veto.values[case.number])
        parts = [Part(veto.rule, value, to, veto.whole) for to in _beyond(case, veto)] if value == value else []
        parts.sort(key=lambda part: abs(part.to - part.value))
        yield from ((part,) for part in parts if not case.with_change((part,)).wins)


def _winning(case: Case) -> Iterator[Change]:
    """Yield for a symbol that does not win the change of its score, with what it needs to pass the vetoes.

    Levels 3 and 4 look at safety vetoes alone, level 2 at relaxed spectral ones, level 1 at all.
    """
    for share in (None, case.quotas.relaxation, 0.0):
        parts = tuple(part for veto in case.vetoes for part in _within(case, veto, share))
        there = case.with_change(parts)
        if parts and there.wins:
            yield parts
        else:
            yield from ((*parts, part) for part in _score(there, wins=False))


def _score(case: Case, *, wins: bool) -> list[Part]:
    """Return the nearest score at which the outcome is another; none if there is none in (0, 1].

    A better score never loses: what is filled by better ones only grows on the way down. So this is a bisection.
    """
    others = [*case.pool.alpha[np.isfinite(case.pool.alpha)].tolist(), case.quotas.min_alpha or 1.0, 1.0]
    points = sorted({near for a in others for near in (a, float(np.nextafter(a, 0.0)), float(np.nextafter(a, 2.0)))})
    points = [a for a in points if 0.0 < a <= 1.0 and (a < case.score if wins else a > case.score)]
    ordered = points[::-1] if wins else points
    at = bisect_left(ordered, True, key=lambda a: case.with_change((Part(SCORE, case.score, a),)).wins != wins)
    return [Part(SCORE, case.score, a) for a in ordered[at : at + 1]]


def _limits(case: Case, veto: Veto, share: float) -> list[float]:
    limit = float(veto.relaxed(share).judge()[0][case.number])
    return [limit, -limit] if veto.side == "band" else [limit]


def _beyond(case: Case, veto: Veto) -> list[float]:
    """Return the values that just miss a limit of levels 1 and 2."""
    found = []
    for limit in {limit for share in (0.0, case.quotas.relaxation) for limit in _limits(case, veto, share)}:
        toward = {"cap": np.inf, "floor": -np.inf, "band": 0.0}[veto.side]
        if veto.whole:
            found.append(float(np.floor(limit) + 1.0 if veto.side == "cap" else np.ceil(limit) - 1.0))
        elif limit != toward:
            found.append(float(np.nextafter(limit, toward)))
    return found


def _within(case: Case, veto: Veto, share: float | None) -> list[Part]:
    """Return the change that takes a value to the limit that it misses; none where it misses none, or is not asked.

    Args:
        case: The symbol.
        veto: The veto.
        share: By how much spectral vetoes are relaxed; None when only safety vetoes count.
    """
    if share is None and veto.vacuous is not None:
        return []
    value = float(veto.values[case.number])
    limit, margin = (float(each[case.number]) for each in veto.relaxed(share or 0.0).judge())
    if not margin < 0.0:
        return []
    if veto.whole:
        limit = float(np.floor(limit) if veto.side == "cap" else np.ceil(limit))
    return [Part(veto.rule, value, limit, veto.whole)]


def _settings(case: Case, wins: bool) -> Iterator[Change]:
    """Yield for each quota the nearest number with another outcome."""
    for name in SETTINGS:
        value = getattr(case.quotas, name)
        if value is None:
            continue
        for to in (value + sign * by for by in range(1, MOST_STEPS + 1) for sign in (-1, 1)):
            change = (Part(name, value, to, whole=True),)
            if _is_allowed(name, to, case.quotas) and case.with_change(change).wins != wins:
                yield change
                break


def _is_allowed(name: str, to: int, quotas: Quotas) -> bool:
    if name == "min_winners":
        return 1 <= to <= quotas.max_winners
    return to >= (quotas.min_winners if name == "max_winners" else 1)


def _distance(case: Case, change: Change) -> float:
    """Return how far a change goes, in standard deviations of each figure over the pool, added up."""
    total = 0.0
    for part in change:
        values = case.pool.alpha if part.figure == SCORE else _values(case, part.figure)
        known = values[np.isfinite(values)]
        spread = float(known.std()) if len(known) else 0.0
        total += abs(part.to - part.value) / (spread or 1.0)
    return total


def _values(case: Case, rule: str) -> FloatArray:
    return next(veto.values for veto in case.vetoes if veto.rule == rule)
