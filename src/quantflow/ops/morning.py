"""A morning: what the night made of every profile, what is to be done, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from quantflow.data import calendars
from quantflow.data.track import Band
from quantflow.errors import QuantflowError
from quantflow.ops.sessions import Mark, Night, Nights, nights_of
from quantflow.quant.turnover import traded
from quantflow.review.why.path import path_of
from quantflow.runs.book import broken, stale
from quantflow.runs.decision import current_position
from quantflow.runs.find import find_run
from quantflow.runs.run import Run
from quantflow.types import Json

SESSIONS = 30
"""How many sessions back a missing one is still the morning's concern."""
LEAST_MOVE = 5e-5
"""Changes of weight below a hundredth of a per cent are none."""
MOST_MOVES = 8


@dataclass(frozen=True)
class Move:
    """A name that came, went, or whose weight changed by the last decision.

    Attributes:
        symbol: The name.
        before: Its weight before, drifted to the close that decided.
        now: Its weight now.
        why: What the run says of it; of names that came or went.
    """

    symbol: str
    before: float
    now: float
    why: str = ""


@dataclass(frozen=True)
class Orders:
    """What is still to be traded.

    Attributes:
        turnover: The sum of all absolute changes of weight, both sides.
        left: Sessions until the close at which the walk-forward trades.
        command: What makes the orders of it.
    """

    turnover: float
    left: int
    command: str


@dataclass(frozen=True)
class Morning:
    """One profile this morning.

    Attributes:
        profile: Its name.
        kind: ``selection`` or ``meta``.
        session: The last session that was to be run.
        state: How that went, as ``status`` has it.
        run_id: The run of it; None when there was none.
        age: Completed sessions since the data's last one; None where that is not known.
        decision: ``hold``, or why a portfolio was decided; empty when there was no run.
        next: The next session on which a decision is due, ISO.
        came, went: How many names the last session's decision added and dropped.
        moves: What it changed, the largest changes first, at most 8; empty when it held.
        moved: How many names it changed.
        band: The track beside what was promised.
        orders: What is still to be traded; None when nothing is.
        wrong: What is wrong, each with what to do.
    """

    profile: str
    kind: str
    session: str
    state: str
    run_id: str | None
    age: int | None
    decision: str
    next: str
    came: int
    went: int
    moves: tuple[Move, ...]
    moved: int
    band: Band | None
    orders: Orders | None
    wrong: tuple[str, ...]

    def json(self) -> Json:
        """Return it as JSON values."""
        return {**asdict(self), "outside": bool(self.band and self.band.outside)}


def mornings(workspace: Path, profiles: Sequence[str] = ()) -> list[Morning]:
    """Return how each profile that ever ran stands this morning, or those of *profiles*.

    Raises:
        ConfigError: If one of *profiles* was never run.
    """
    return [_morning(workspace, nights) for nights in nights_of(workspace, SESSIONS, profiles)]


def _morning(workspace: Path, nights: Nights) -> Morning:
    night = next((each for each in reversed(nights.nights) if each.mark is not Mark.CLOSED), None)
    run = find_run(workspace, night.run_id) if night and night.run_id else None
    moves = list(_moves(run)) if run and run.state == "completed" else []
    return Morning(
        nights.profile,
        nights.kind,
        night.day.isoformat() if night else "",
        night.mark.value if night else "",
        night.run_id if night else None,
        _age(run) if run else None,
        night.decision if night else "",
        nights.book.next if nights.book else "",
        sum(not move.before for move in moves),
        sum(not move.now for move in moves),
        tuple(_explained(run, move) for move in moves[:MOST_MOVES]) if run else (),
        len(moves),
        nights.band,
        _orders(workspace, nights.profile),
        tuple(_wrong(workspace, nights, night, run)),
    )


def _age(run: Run) -> int:
    """Return the number of sessions that were completed after the run's."""
    name = str(run.header.settings["calendar"]["name"])
    last = calendars.last_known(name, datetime.now(UTC))
    return max(0, len(calendars.sessions(name, run.as_of, last)) - 1) if last >= run.as_of else 0


def _moves(run: Run) -> Iterator[Move]:
    if run.header.decision.hold:
        return
    before = dict(run.header.position.held) if run.header.position else {}
    now = run.weights
    changes = {name: (before.get(name, 0.0), now.get(name, 0.0)) for name in {**before, **now}}
    order = sorted(changes, key=lambda name: (-abs(changes[name][1] - changes[name][0]), name))
    for name in order:
        old, new = changes[name]
        if abs(new - old) >= LEAST_MOVE:
            yield Move(name, old, new)


def _explained(run: Run, move: Move) -> Move:
    if move.before and move.now:
        return move
    return replace(move, why=_why(run, move.symbol, came=not move.before))


def _why(run: Run, symbol: str, *, came: bool) -> str:
    """Return what the run says of a name that came or went: its score, or what it failed."""
    try:
        path = path_of(run, symbol, changes=False)
    except QuantflowError:  # it is no name of this run's universe any more
        return "not in the universe"
    inner = next((each for each in path.sleeves.values() if bool(each.weight) == came), path)
    said = {step.stage: step.outcome for step in inner.steps}
    last = inner.steps[-1].outcome if inner.steps else ""
    return said.get("inference", last) if came else last


def _orders(workspace: Path, profile: str) -> Orders | None:
    position = current_position(workspace, profile)
    if position is None or not position.pending:
        return None
    decision = position.pending[-1]
    command = f"quantflow orders --profile {profile} --holdings FILE"
    return Orders(traded(position.held, decision.weights), decision.left, command)


def _wrong(workspace: Path, nights: Nights, night: Night | None, run: Run | None) -> Iterator[str]:
    if run is not None and night is not None and night.mark is Mark.FAILED:
        failed = run.failed
        reason = (failed.error or {}).get("message") if failed else (run.error or {}).get("message")
        yield f"{night.day} {run.state}: {reason or 'it was ended'}  quantflow resume {run.id}"
    missing = [each for each in nights.due if each is not night or each.mark is Mark.MISSED]
    if missing:
        yield f"{len(missing)} of the last sessions have no complete run, from {missing[0].day}  quantflow catchup"
    if nights.note:
        yield nights.note
    if said := stale(workspace, nights.profile):
        yield " ".join(said.split())
    if nights.band is not None and nights.band.outside:
        yield "the track is outside the promised band"
    for book in broken(workspace):
        if book.profile == nights.profile:
            yield f"{book.problem}  {book.fix}"
