"""What would have changed the policy's mind about a name: claims, each of which was applied through the policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from quantflow.config.sections import PolicyConfig
from quantflow.quant import random_walk
from quantflow.quant.policy import decide
from quantflow.review.why.nearest import SCORE, SETTINGS, Case, Change, Part, nearest_changes
from quantflow.runs.run import Run
from quantflow.stages.policy import HEALTH, VETOES, PolicyStage, posed, table_of

_DIGITS = range(4, 18)
"""Significant digits that a claim may need to be true as it is printed."""


@dataclass(frozen=True)
class Claim:
    """A change that alters whether a name wins.

    Attributes:
        parts: What changes together: the name's own figures, or one setting; with a hair less nothing changes.
        says: The claim in words; its numbers are rounded so that it is true of them as well.
    """

    parts: Change
    says: str


def claims_of(run: Run, symbol: str) -> tuple[Claim, ...]:
    """Return what would have changed whether *symbol* wins in *run*: its own figures first, nearest first.

    Nothing where another policy decided, or the same one decides otherwise under today's code.
    """
    case = _case(run, symbol)
    return () if case is None else tuple(Claim(change, _says(case, change)) for change in nearest_changes(case))


def _case(run: Run, symbol: str) -> Case | None:
    stage = next((stage for stage in run.pipeline() if "decisions" in stage.makes), None)
    if type(stage) is not PolicyStage or "decisions" not in run.outputs:
        return None
    table = table_of({name: run.load(name) for name in stage.needs})
    pool, vetoes, quotas = posed(table, PolicyConfig(**run.settings["policy"]))
    recorded = run.load("decisions")["outcome"]
    if decide(pool, vetoes, quotas).outcome.tolist() != recorded.loc[list(table.symbols)].tolist():
        return None
    return Case(pool, vetoes, quotas, table.symbols.tolist().index(symbol)) if symbol in recorded.index else None


def _says(case: Case, change: Change) -> str:
    wins = case.wins
    rounded = next((each for each in _rounded(change) if _holds(case, each, wins)), change)
    words = (f"{_name(part.figure)} were {part.to:.{_digits(part.to)}g} instead of {_number(part)}" for part in rounded)
    return f"It would {'drop out' if wins else 'be selected'} if {' and '.join(words)}."


def _rounded(change: Change) -> Iterator[Change]:
    """Yield the change with ever more digits, each number rounded away from what it is now."""
    for digits in _DIGITS:
        yield tuple(part if part.whole else replace(part, to=_away(part, digits)) for part in change)


def _away(part: Part, digits: int) -> float:
    context = Context(prec=digits, rounding=ROUND_CEILING if part.to > part.value else ROUND_FLOOR)
    return float(context.create_decimal(Decimal(part.to)))


def _holds(case: Case, change: Change, wins: bool) -> bool:
    possible = all(0.0 < part.to <= 1.0 for part in change if part.figure == SCORE)
    return possible and case.with_change(change).wins != wins


def _digits(number: float) -> int:
    """Return with how many significant digits a number is printed in full."""
    return max(len(Decimal(repr(float(number))).normalize().as_tuple().digits), _DIGITS[0])


def _number(part: Part) -> str:
    """Return what a figure is, with so many digits that it reads otherwise than what it would be."""
    return next(text for digits in _DIGITS if float(text := f"{part.value:.{digits}g}") != part.to)


def _name(figure: str) -> str:
    if figure == SCORE:
        return "its score"
    if figure in SETTINGS:
        return f"policy.{figure}"
    if figure == HEALTH:
        return "the number of its undefined features"
    feature = next(feature for rule, feature, *_ in VETOES if rule == figure)
    return f"its {feature}, in standard errors," if feature in random_walk.FEATURES else f"its {feature}"
