"""What an account is to hold: the weights of a run, or a profile's current book."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantflow.config.documents import check_name
from quantflow.desk.publish import doubts
from quantflow.errors import ConfigError, DataError, DegradedError, unknown_name
from quantflow.runs.book import books, broken, current, stale
from quantflow.runs.find import find_portfolio
from quantflow.runs.run import Run


@dataclass(frozen=True)
class Target:
    """What an account is to hold.

    Attributes:
        run: The run that decided it, and whose closes it is bought at.
        weights: Signed fraction of capital, by symbol.
        book: Whether it is its profile's current book.
        stale: Why a newer run did not replace that book; None when none failed to.
        notes: Why the weights of this run would not be published as a book.
    """

    run: Run
    weights: Mapping[str, float]
    book: bool
    stale: str | None = None
    notes: Sequence[str] = ()


def target_of(workspace: Path, run_id: str | None, profile: str | None, *, stale_ok: bool = False) -> Target:
    """Return the target weights: those of a run, or of a profile's book; of the only book when neither is given.

    Raises:
        ConfigError: If there is no such run or book, *profile* is not a valid name, the run is not complete, or
            there are several books and none was named.
        DataError: If there are no weights, or not all are finite.
        DegradedError: If a newer run did not replace the book, unless *stale_ok*.
    """
    if run_id is not None:
        if profile is not None:
            raise ConfigError("A run and --profile are both given.", hint="Give one: a run, or the book of a profile.")
        run = _complete(find_portfolio(workspace, run_id))
        run_id = run.id
        weights = _sound(run.weights, f"Run {run_id}", f"quantflow inspect {run_id}")
        return Target(run, weights, book=False, notes=tuple(doubts(run)))
    if profile is not None:
        check_name(profile, "A profile")
    name = profile or _only(workspace)
    book = current(workspace, name)
    if book is None:
        for each in broken(workspace):
            if each.profile == name:
                raise ConfigError(f"The book of {name!r} is broken: {each.problem}.", hint=f"Publish again: {each.fix}")
        near = unknown_name("book", name, books(workspace)).hint
        raise ConfigError(f"{name!r} has no book.", hint=f"{near} A complete run of the profile makes one.")
    reason = stale(workspace, name)
    if reason is not None and not stale_ok:
        raise DegradedError(
            f"The book of {name} is stale. {' '.join(reason.split())}",
            hint="Fix that and run again, or take the old book as it is with --stale-ok.",
        )
    run = _run_of(workspace, name, book.run_id)
    weights = _sound(book.weights, f"The book of {name}", "Run the profile again, with --force.")
    return Target(run, weights, book=True, stale=reason)


def _sound(weights: Mapping[str, float], whose: str, hint: str) -> Mapping[str, float]:
    if not weights or not all(isinstance(weight, int | float) and math.isfinite(weight) for weight in weights.values()):
        raise DataError(f"{whose} has no weights, or not all are finite numbers.", hint=hint)
    return weights


def _run_of(workspace: Path, name: str, run_id: str) -> Run:
    try:
        return _complete(find_portfolio(workspace, run_id))
    except ConfigError as error:
        raise ConfigError(
            f"The book of {name} has no prices: {error.message}", hint="Run the profile again, with --force."
        ) from error


def _only(workspace: Path) -> str:
    found = sorted({*books(workspace), *(each.profile for each in broken(workspace))})
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError("There are several books.", hint=f"Name one with --profile: {', '.join(found)}.")
    raise ConfigError(f"There is no book in {workspace}.", hint="Make one: quantflow select --profile demo")


def _complete(run: Run) -> Run:
    if run.state != "completed":
        name = run.id
        raise ConfigError(f"Run {name} is {run.state}, not complete.", hint=f"quantflow resume {name}")
    return run
