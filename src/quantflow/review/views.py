"""What stages make on several views of the past, and where these differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quantflow.errors import LookAheadError, QuantflowError, StageError
from quantflow.pipeline.play import played
from quantflow.pipeline.stage import Artifact, Artifacts, Kind, Stage
from quantflow.review.differences import Day, Mismatch, is_dated, mismatch, up_to
from quantflow.types import Settings


@dataclass(frozen=True)
class Difference:
    """What one stage made of other data than there was at a probe.

    Attributes:
        probe: The session.
        stage: The first stage that differs; those after it build on it.
        artifact: What it made; empty when it raised an error in one of the two.
        column: The first column or key that differs.
        symbol: The row's symbol or name; empty when it has none.
        date: The date of the first difference.
        view: What was compared with the cut: ``walk-forward`` or ``history``; ``cut`` for what was refused there.
        cut: The value on data that ends at the probe.
        full: The value with all history at hand.
        columns: How many columns differ.
    """

    probe: str
    stage: str
    artifact: str
    column: str
    symbol: str
    date: str
    view: str
    cut: str
    full: str
    columns: int = 1


@dataclass(frozen=True)
class Step:
    """What one stage made of what it was given; or the error that it raised, after which there is no other step."""

    stage: Stage
    outputs: Artifacts
    error: Exception | None = None

    @property
    def words(self) -> str:
        """The error in words; ``ran`` when there is none."""
        if self.error is None:
            return "ran"
        known = isinstance(self.error, QuantflowError)
        return str(self.error) if known else f"{type(self.error).__name__}: {self.error}"


def steps(stages: Sequence[Stage], values: Artifacts, settings: Settings, *, replay: bool) -> list[Step]:
    """Return what each of *stages* makes of *values* and of what those before it made, up to an error.

    Args:
        stages: In order.
        values: Artifacts by name.
        settings: The sections that the stages read, and ``as_of``.
        replay: Whether all stages do what they do in a walk-forward; if not, network stages alone, which never fetch.
    """
    made: list[Step] = []
    try:
        for stage, outputs in played(stages, values, settings, replay=replay or Kind.NETWORK):
            made.append(Step(stage, outputs))
    except Exception as error:  # noqa: BLE001  # what a third-party stage raises is compared too
        made.append(Step(stages[len(made)], {}, error))
    return made


def count(made: Sequence[Step], name: str) -> int | None:
    """Return how many rows the artifact *name* has; None when it was not made."""
    found = next((step.outputs[name] for step in made if name in step.outputs), None)
    return None if found is None else len(found)


def refused(day: Day, cut: Sequence[Step]) -> list[Difference]:
    """Return that a stage asked for later bars, if the last one did."""
    last = cut[-1]
    if not isinstance(last.error, LookAheadError):
        return []
    return [Difference(str(day), last.stage.id, "", "error", "", str(day), "cut", last.words, "")]


def refuse_broken(cut: Sequence[Step], history: Sequence[Step], day: str) -> None:
    """Refuse a stage that raises the same unexpected error on any data.

    Raises:
        StageError: Naming it.
    """
    mine, other = cut[-1], history[-1]
    unexpected = mine.error is not None and not isinstance(mine.error, QuantflowError)
    if unexpected and mine.stage.id == other.stage.id and type(mine.error) is type(other.error):
        raise StageError(
            f"Stage {mine.stage.id!r} fails on data up to {day}, and on all of it: {mine.words}.",
            hint="Fix the stage, then check again.",
        ) from mine.error


def differences(view: str, day: Day, cut: Sequence[Step], full: Sequence[Step]) -> list[Difference]:
    """Return how the first stage that differs does: an entry per artifact.

    Whether a date is feasible at all may differ on the whole history; that a stage breaks where history ends may not.
    """
    for mine, other in zip(cut, full, strict=False):
        if mine.error or other.error:
            if mine.words == other.words or (
                view == "history" and isinstance(mine.error or other.error, QuantflowError)
            ):
                return []
            return [Difference(str(day), mine.stage.id, "", "error", "", str(day), view, mine.words, other.words)]
        found = [
            (name, first)
            for name in mine.stage.makes
            if (first := _first(view, day, mine.outputs.get(name), other.outputs.get(name))) is not None
        ]
        if found:
            return [_difference(view, day, mine.stage.id, name, first) for name, first in found]
    return []


def _first(view: str, day: Day, cut: Artifact, full: Artifact) -> Mismatch | None:
    """Return where two artifacts differ first.

    On the whole history only rows with a date can be distinguished.
    """
    if view == "walk-forward":
        return mismatch(cut, full)
    return mismatch(cut, up_to(full, day)) if is_dated(cut) or is_dated(full) else None


def _difference(view: str, day: Day, stage: str, artifact: str, first: Mismatch) -> Difference:
    where = (first.column, first.row, first.date or str(day))
    return Difference(str(day), stage, artifact, *where, view, first.left, first.right, first.columns)
