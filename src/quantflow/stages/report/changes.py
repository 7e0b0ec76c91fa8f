"""What changed: the weights beside those of the book before."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from quantflow.quant.turnover import traded
from quantflow.stages.report.facts import Inputs, column
from quantflow.stages.report.figures import DASH, percent, plural
from quantflow.stages.report.render import folded, nothing, section, shorten, table

SHOWN = 5e-5
"""Least change of weight that is listed: a hundredth of a per cent, once rounded."""
NAMES = 2
"""Most changes on a line."""


@dataclass(frozen=True)
class Changes:
    """How the weights differ from those of the book before.

    Attributes:
        run_id: The run whose weights that book holds.
        as_of: Its session.
        moves: (symbol, weight before, weight now) of each change from ``SHOWN`` on, the largest first.
        turnover: Sum of all absolute changes, both sides.
    """

    run_id: str
    as_of: str
    moves: tuple[tuple[str, float, float], ...]
    turnover: float

    @property
    def line(self) -> str:
        """How much changed since when, and how many names came and went."""
        came, went = ([move for move in self.moves if move[i] == 0.0] for i in (1, 2))
        names = f"{plural(len(came), 'name')} new, {len(went)} gone"
        return f"turnover {percent(self.turnover)} since the book of {self.as_of}: {names}"


def changes(inputs: Inputs) -> Changes | None:
    """Return what changed since the book before; None when there was none."""
    former = inputs["run"].get("former")
    if not former:
        return None
    before: dict[str, float] = former["weights"]
    now = dict(zip(inputs["weights"].index, map(float, column(inputs["weights"], "weight")), strict=True))
    moves = [(name, before.get(name, 0.0), now.get(name, 0.0)) for name in {**before, **now}]
    moves.sort(key=lambda move: (-abs(move[2] - move[1]), move[0]))
    listed = tuple(move for move in moves if abs(move[2] - move[1]) >= SHOWN)
    return Changes(former["run_id"], former["as_of"], listed, traded(before, now))


def changed(inputs: Inputs, top: int) -> Markup:
    """Return each weight that changed, before and now, the *top* largest changes at once."""
    title, found = "What changed", changes(inputs)
    if found is None:
        return section("changes", title, nothing("There is no earlier book of this profile to compare with."))
    lead = f"{found.line[0].upper()}{found.line[1:]}. That book is run {found.run_id}'s."
    if not found.moves:
        least = f" by {percent(SHOWN, 3)} or more" if found.turnover else ""
        return section("changes", title, nothing(f"No weight changed{least}."), lead=lead)
    rows = [
        [name, percent(old, 2) if old else DASH, percent(new, 2) if new else DASH, percent(new - old, 2, signed=True)]
        for name, old, new in found.moves
    ]
    head = ["Symbol", "Before", "Now", "Change"]
    rest = folded(f"{len(rows) - top} more", table("More changes", head, rows[top:])) if len(rows) > top else None
    return section("changes", title, table(title, head, rows[:top]), rest, lead=lead)


def line(inputs: Inputs, width: int) -> str:
    """Return the changes on a line of plain text, with as many of the largest as fit into *width* characters."""
    found = changes(inputs)
    if found is None:
        return "Changed: no earlier book to compare with"
    start = f"Changed: {found.line}"
    moved = [f"{shorten(name, 10)} {percent(new - old, signed=True)}" for name, old, new in found.moves]
    for shown in range(min(NAMES, len(moved)), 0, -1):
        more = f", {len(moved) - shown} more" if len(moved) > shown else ""
        if len(text := f"{start}; {', '.join(moved[:shown])}{more}") <= width:
            return text
    return start
