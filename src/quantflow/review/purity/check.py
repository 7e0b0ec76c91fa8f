"""The purity check: each stage runs in two fresh processes that share its inputs and nothing else.

The first process is as this one is. In the second the variables that nobody declares are gone, the working folder, the
home folder, the time zone, the language and the seed of Python's hashes are others, and the later date comes before the
earlier one, so that what a stage remembers is of another date. The bytes of all outputs must be the same; what stages
read of the machine without declaring it is listed as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from pathlib import Path

from quantflow.pipeline.arrange import pipeline_of
from quantflow.pipeline.play import play
from quantflow.pipeline.stage import Artifacts, Kind, SelectionContext, Stage
from quantflow.review.differences import mismatch
from quantflow.review.lookahead import Tell
from quantflow.review.purity.bench import Answer, Bench
from quantflow.review.purity.task import Day, Done
from quantflow.types import Json, Settings

CHANCE = "chance: it gives something else in the same surroundings"
MEMORY = "memory: it keeps something of another date"
SURROUNDINGS = "surroundings: a variable, folder, time zone, language or the order of a set"
UNDECLARED = "undeclared: it is read, and not part of the key"

Where = tuple[str, str]
"""A date and a stage."""


@dataclass(frozen=True)
class Impurity:
    """Something on which a stage's result depends, or may depend, and that is not in its key.

    Attributes:
        stage: The stage.
        as_of: The date on which it was found.
        artifact: What came out differently; empty when it raised an error in one of two processes, or only read.
        column: The first column or key that differs.
        symbol: The row's symbol or name; empty when it has none.
        first: The value in the first process; what was read, when that is all.
        second: The value in the second process.
        cause: Why, most likely.
    """

    stage: str
    as_of: str
    artifact: str
    column: str
    symbol: str
    first: str
    second: str
    cause: str


@dataclass(frozen=True)
class Purity:
    """The result of a check.

    Attributes:
        profile: What was checked.
        as_of: The later date.
        earlier: The earlier date.
        stages: The stages that were compared, in order.
        left_out: Those that were not: they fetch, or read the run.
        found: What is wrong, by stage and date.
    """

    profile: str
    as_of: str
    earlier: str
    stages: tuple[str, ...]
    left_out: tuple[str, ...]
    found: tuple[Impurity, ...]

    def json(self) -> Json:
        """Return the result as JSON values."""
        return {**asdict(self), "impurities": len(self.found)}


def fetched(settings: Settings) -> Artifacts:
    """Return what the stages that come first and fetch give now.

    Raises:
        QuantflowError: What they raise.
    """
    return play(fetching(pipeline_of(settings)), {}, settings)


def fetching(stages: Sequence[Stage]) -> list[Stage]:
    """Return the stages that come first and fetch."""
    return list(takewhile(lambda stage: stage.kind is Kind.NETWORK, stages))


def check_purity(context: SelectionContext, given: Artifacts, folder: Path, workspace: Path, tell: Tell) -> Purity:
    """Return on what the stages of a profile depend beside their inputs, their settings and what they declare.

    Args:
        context: The profile and its settings.
        given: What the stages that come first and fetch have given.
        folder: An empty folder.
        workspace: Where modules lie that are not installed.
        tell: Called with the progress.

    Raises:
        DataError: If no session has enough history before it.
        StageError: If a process of the check dies.
    """
    stages = pipeline_of(context.settings)
    compared = [stage for stage in stages[len(fetching(stages)) :] if stage.kind is not Kind.CONTROL]
    bench = Bench(folder, workspace, context.settings, compared)
    days = bench.days(given)
    tell("running each stage here")
    first = bench.here(days)
    tell("running each stage elsewhere")
    same = tuple(replace(day, inputs={name: one.inputs for name, one in first[day.as_of].items()}) for day in days)
    second = bench.elsewhere(same[::-1])
    wrong = _differing(first, second)
    causes = _causes(bench, same, first, wrong, tell)
    found = [
        *(one for where in wrong for one in _differences(bench, where, first, second, causes[where])),
        *_undeclared(first, second),
    ]
    order = {stage.id: number for number, stage in enumerate(compared)}
    found.sort(key=lambda one: (order[one.stage], one.as_of))
    left_out = tuple(stage.id for stage in stages if stage.id not in order)
    return Purity(context.profile, days[1].as_of, days[0].as_of, tuple(order), left_out, tuple(found))


def _differing(first: Answer, second: Answer) -> list[Where]:
    """Return where two processes disagree."""
    return [
        (day, name)
        for day, stages in first.items()
        for name, one in stages.items()
        if _result(one) != _result(second[day].get(name, Done({}, {})))
    ]


def _result(one: Done) -> tuple[dict[str, str], str]:
    return {name: ref.sha256 for name, ref in one.outputs.items()}, one.error


def _causes(bench: Bench, days: Sequence[Day], first: Answer, wrong: Sequence[Where], tell: Tell) -> dict[Where, str]:
    """Return why each of these differs: what is enough to make it do so, of the least first."""
    causes = dict.fromkeys(wrong, SURROUNDINGS)
    if wrong:
        tell("looking for the cause")
        for cause, order in ((MEMORY, days[::-1]), (CHANCE, days)):
            causes |= dict.fromkeys(set(wrong) & set(_differing(first, bench.here(order))), cause)
    return causes


def _differences(bench: Bench, where: Where, first: Answer, second: Answer, cause: str) -> Iterator[Impurity]:
    """Yield an entry for each artifact that differs, or one for the error that only one process met."""
    day, name = where
    one, other = first[day][name], second[day].get(name, Done({}, {}, "it did not run"))
    if one.error or other.error:
        yield Impurity(name, day, "", "error", "", one.error or "ran", other.error or "ran", cause)
        return
    store = bench.store(day)
    for artifact, ref in one.outputs.items():
        if ref.sha256 != other.outputs[artifact].sha256:
            place = mismatch(store.get(ref), store.get(other.outputs[artifact]))
            words = (place.column, place.row, place.left, place.right) if place else ("bytes", "", "", "")
            yield Impurity(name, day, artifact, *words, cause)


def _undeclared(first: Answer, second: Answer) -> Iterator[Impurity]:
    """Yield what stages read of the machine, each thing once."""
    read: Mapping[tuple[str, str], str] = {
        (name, what): day
        for answer in (second, first)
        for day, stages in answer.items()
        for name, one in stages.items()
        for what in one.read
    }
    for (name, what), day in read.items():
        yield Impurity(name, day, "", "", "", what, "", UNDECLARED)
