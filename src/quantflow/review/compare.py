"""What differs between two runs: settings, data, code, counts, weights, and the first stage with another result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias, TypedDict

from quantflow.errors import ConfigError
from quantflow.quant.turnover import traded
from quantflow.runs.find import list_runs
from quantflow.runs.kinds import Meta
from quantflow.runs.run import Run
from quantflow.types import Json

Pair: TypeAlias = tuple[Any, Any]  # values of a kind: texts, numbers or JSON


class Data(TypedDict):
    """How the data of two runs differ: the as-of, the names that came and went, and whether prices are the same bytes.

    Of meta runs it is the sleeves' streams that are the same or not.
    """

    as_of: tuple[str, str]
    came: list[str]
    went: list[str]
    same_prices: bool


@dataclass(frozen=True)
class Comparison:
    """The differences from one run to another; each pair is (before, after), None where there is none.

    Attributes:
        before: The one run.
        after: The other.
        settings: By dotted key.
        data: How their data differ.
        environment: By package, and ``cpu``.
        counts: By stage: symbols left over.
        weights: By symbol: signed fractions of capital, largest change first.
        turnover: Sum of the absolute changes of weight, both sides.
        first: The first stage whose results differ; empty when none does.
        because: What that stage's key says: its code, its settings, or its inputs.
    """

    before: str
    after: str
    settings: Mapping[str, Pair]
    data: Data
    environment: Mapping[str, Pair]
    counts: Mapping[str, Pair]
    weights: Mapping[str, Pair]
    turnover: float
    first: str
    because: str

    def json(self) -> Json:
        """Return the comparison as JSON values."""
        return asdict(self)


def previous(run: Run) -> Run:
    """Return the complete run of the same profile before *run*; before one that decided, the last that decided.

    Raises:
        ConfigError: If there is none.
    """
    same = [
        each
        for each in list_runs(run.workspace)
        if each.state == "completed" and each.profile == run.profile and each.header.kind == run.header.kind
        if each.header.sequence < run.header.sequence
        if run.header.decision.hold or not each.header.decision.hold
        if run.header.until or not each.header.until
    ]
    if not same:
        raise ConfigError(
            f"There is no complete run of {run.profile} before {run.id}.",
            hint="Name both runs: quantflow diff A B",
        )
    return same[-1]


def compare(before: Run, after: Run) -> Comparison:
    """Return what differs from *before* to *after*.

    Raises:
        ConfigError: If one is a meta run and the other is not.
    """
    one, two = before.header, after.header
    if one.kind != two.kind:
        raise ConfigError(f"{before.id} and {after.id} are runs of different kinds.")
    left, right = before.weights, after.weights
    moved = {name: (left.get(name), right.get(name)) for name in left | right if left.get(name) != right.get(name)}
    sizes = {name: abs((new or 0.0) - (old or 0.0)) for name, (old, new) in moved.items()}
    first = _first(before, after)
    return Comparison(
        before=before.id,
        after=after.id,
        settings=_differing(_flat(one.settings), _flat(two.settings)),
        data=_data(before, after),
        environment=_differing({**one.versions, "cpu": one.cpu}, {**two.versions, "cpu": two.cpu}),
        counts=_differing(_left(before), _left(after)),
        weights={name: moved[name] for name in sorted(moved, key=lambda name: (-sizes[name], name))},
        turnover=traded(left, right),
        first=first,
        because=_because(before, after, first),
    )


def _differing(left: Mapping[str, object], right: Mapping[str, object]) -> dict[str, Pair]:
    names = [*left, *(name for name in right if name not in left)]
    return {name: (left.get(name), right.get(name)) for name in names if left.get(name) != right.get(name)}


def _flat(settings: object, path: str = "") -> Json:
    if not isinstance(settings, Mapping):
        return {path: settings}
    found: Json = {}
    for key, value in settings.items():
        found |= _flat(value, f"{path}.{key}" if path else key)
    return found


def _left(run: Run) -> Json:
    return {name: stage.summary.left for name, stage in run.stages.items() if stage is not None}


def _data(before: Run, after: Run) -> Data:
    old, new = _symbols(before), _symbols(after)
    source = "sleeve_streams" if isinstance(after, Meta) else "prices"
    shas = [run.outputs[source].sha256 if source in run.outputs else None for run in (before, after)]
    return {
        "as_of": (before.as_of.isoformat(), after.as_of.isoformat()),
        "came": sorted(new - old),
        "went": sorted(old - new),
        "same_prices": shas[0] == shas[1],
    }


def _symbols(run: Run) -> set[str]:
    return set(run.load("features").index) if "features" in run.outputs else set()


def _first(before: Run, after: Run) -> str:
    """Return the first stage whose results differ; a report names its own run, and is left out."""
    for name in after.stages:
        one, two = before.stages.get(name), after.stages[name]
        if name.endswith("report"):
            continue
        left = {key: ref.sha256 for key, ref in one.outputs.items()} if one else None
        right = {key: ref.sha256 for key, ref in two.outputs.items()} if two else None
        if left != right:
            return name
    return ""


def _because(before: Run, after: Run, first: str) -> str:
    one, two = before.stages.get(first), after.stages.get(first)
    if not one or not two:
        return "one of the runs did not come so far" if first else ""
    said = (name for name in two.fingerprint if name != "scope")  # each run fetches for itself
    parts = [name for name in said if one.fingerprint.get(name) != two.fingerprint[name]]
    return ", ".join(parts) or "its source"
