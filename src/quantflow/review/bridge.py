"""The turnover bridge: how much of the turnover from one run's weights to another's came from what.

One thing after the other is changed from what it was in the first run to what it is in the second, in the order of the
pipeline, and the weights are decided again after each step (see ``quantflow.review.hybrids``). Each step's part of the
turnover is the Euler allocation of ``quantflow.quant.turnover.contributions``: parts are signed, and add up to the
turnover. Beside it stands what the step moved by itself; where steps undo each other, these add up to more. Another
order of the steps would give other parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from quantflow.errors import ConfigError, QuantflowError, said
from quantflow.quant.turnover import contributions, turnover
from quantflow.review.hybrids import Book, Step, Tell, ways
from quantflow.runs.kinds import Meta
from quantflow.runs.run import Run
from quantflow.types import Json

BETWEEN = "between sleeves"


@dataclass(frozen=True)
class Part:
    """One step of the bridge.

    Attributes:
        term: What was changed: ``data``, ``universe``, ``scores``, ``clusters``, ``constraints``, ``allocation`` or
            ``code``; of meta runs ``sleeves`` or ``between sleeves``.
        through: Which part of it: the stages that were given the new data, the names that came or went, a sleeve.
        part: Signed part of the turnover; the parts of all steps add up to it.
        moved: The step's own turnover, at least the magnitude of *part*.
    """

    term: str
    through: str
    part: float
    moved: float


@dataclass(frozen=True)
class Bridge:
    """The steps from one run's weights to another's.

    Attributes:
        steps: In the order in which they were made.
        terms: The sum of the parts by term.
        mostly: For each name whose weight changed, the term that changed it most in the direction in which it went.
        unknown: Why there is no bridge; empty when there is one.
    """

    steps: tuple[Part, ...] = ()
    terms: Mapping[str, float] = field(default_factory=dict)
    mostly: Mapping[str, str] = field(default_factory=dict)
    unknown: str = ""

    def json(self) -> Json:
        """Return the bridge as JSON values."""
        return asdict(self)


def bridge_of(before: Run, after: Run, tell: Tell) -> Bridge:
    """Return the bridge between two runs of one kind; ``unknown`` says what cannot be replayed.

    Nothing is written: stages that the cache has are taken from there, the others are run in memory.

    Args:
        before: The one run.
        after: The other.
        tell: Called with a line per step.
    """
    try:
        for run in (before, after):
            _check_has_weights(run)
        path = _meta_path(before, after) if isinstance(before, Meta) else ways(before, after, tell)
    except QuantflowError as error:
        return Bridge(unknown=error.message)
    except Exception as error:  # noqa: BLE001  # a third-party stage raises anything, and the comparison itself is there
        return Bridge(unknown=f"{type(error).__name__}: {said(error)}")
    ends = [("code", "", before.weights), *path, ("code", "", after.weights)]
    return joined(ends)


def joined(path: Sequence[Step]) -> Bridge:
    """Return the bridge over books, each with the term and detail of the step that led to it; the first has none."""
    names = sorted({name for _, _, book in path for name in book})
    books = np.array([[book.get(name, 0.0) for name in names] for _, _, book in path])
    parts = contributions(books)
    steps = tuple(
        Part(term, through, float(part), turnover(old, new))
        for (term, through, _), part, old, new in zip(path[1:], parts, books[:-1], books[1:], strict=True)
    )
    terms = sorted(dict.fromkeys(step.term for step in steps), key=lambda term: term == "code")
    pushed = np.array([np.diff(books, axis=0)[[s.term == term for s in steps]].sum(axis=0) for term in terms])
    change = books[-1] - books[0]
    most = (pushed * np.sign(change)).argmax(axis=0)
    return Bridge(
        steps=steps,
        terms={term: sum(step.part for step in steps if step.term == term) for term in terms},
        mostly={name: terms[k] for name, k, d in zip(names, most, change, strict=True) if d != 0.0},
    )


def _check_has_weights(run: Run) -> None:
    if "weights" not in run.outputs:
        raise ConfigError(f"run {run.id} has no weights")
    if run.header.decision.hold:
        raise ConfigError(f"run {run.id} decided nothing: it holds what {run.decided_by} decided, and weights drift")


def _meta_path(before: Run, after: Run) -> list[Step]:
    """Return the way between two portfolios of sleeves: the books of those in both, one by one, then the capital."""
    old, new = _Sleeves.of(before), _Sleeves.of(after)
    path: list[Step] = [("code", "", old.book())]
    mixed = old
    for name in [name for name in old.books if name in new.books]:
        mixed = _Sleeves(mixed.capital, {**mixed.books, name: new.books[name]})
        path.append(("sleeves", name, mixed.book()))
    path.append((BETWEEN, "", new.book()))
    return path


@dataclass(frozen=True)
class _Sleeves:
    """The capital of each sleeve, and its book: weights by symbol that sum to the sleeve's own budget."""

    capital: Mapping[str, float]
    books: Mapping[str, Book]

    @classmethod
    def of(cls, run: Run) -> _Sleeves:
        capital, rows = run.load("sleeve_weights")["weight"], run.load("sleeve_books")
        books = {
            str(name): dict(zip(own["symbol"], own["weight"], strict=True)) for name, own in rows.groupby("sleeve")
        }
        return cls({str(name): float(weight) for name, weight in capital.items()}, books)

    def book(self) -> Book:
        """Return the net weights by symbol."""
        net: dict[str, float] = {}
        for name, book in self.books.items():
            for symbol, weight in book.items():
                net[symbol] = net.get(symbol, 0.0) + self.capital.get(name, 0.0) * weight
        return net
