"""Hybrids of two runs: each stage with the data of the one and the settings of the other, up to the weights.

The way from run A to run B has these steps, each on top of those before it:

1. *universe*: the names that B does not have are removed.
2. *data*: the stages are given B's prices of the names that are left, and B's as-of: those that the scores come from
   first, then those of the clusters, of the winners, and of the weights.
3. *universe*: the names that A does not have come in, and all instruments are B's.
4. *scores*, *clusters*, *constraints*, *allocation*: the stages up to the scores, the clusters, the winners and the
   weights take the settings that they have in B.

Prices and instruments are the runs' own; what other network stages fetched counts as data, and so does what was held.
A network stage in between is replayed without fetching. Stages run under today's code: where that gives other weights
than a run recorded, the difference is the term *code*.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from quantflow.data.cache import StageCache, refs
from quantflow.data.store import ArtifactRef, ArtifactStore
from quantflow.errors import ConfigError, StageError, said
from quantflow.pipeline.arrange import INCUMBENT
from quantflow.pipeline.keys import fingerprint
from quantflow.pipeline.play import in_the_background, play
from quantflow.pipeline.replay import ancestors
from quantflow.pipeline.stage import Artifact, Kind, Stage
from quantflow.runs.run import Run
from quantflow.types import Settings

GROUPS: Mapping[str, str] = {
    "scores": "scores",
    "clusters": "clusters",
    "constraints": "winners",
    "allocation": "weights",
}
"""Terms of settings, in order, and the artifact up to which the stages of each lead."""
GIVEN = ("prices", "instruments")

Book = Mapping[str, float]
Step = tuple[str, str, Book]
"""What was changed, which part of it, and the weights after that."""
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Held:
    """An artifact of a replay.

    Attributes:
        token: Equal for what is made of the same things: the sha256 of its bytes where it is stored.
        load: Returns it.
        ref: Where it is stored; None when it is in memory alone.
    """

    token: str
    load: Callable[[], Artifact]
    ref: ArtifactRef | None = None

    @cached_property
    def value(self) -> Artifact:
        """The artifact, loaded once."""
        return self.load()


@dataclass(frozen=True)
class Data:
    """What stages are given: the as-of, and artifacts by name."""

    as_of: str
    artifacts: Mapping[str, Held]


@dataclass(frozen=True)
class Move:
    """A change of what some stages are given: new data, or the settings of the second run."""

    term: str
    through: str
    stages: frozenset[str]
    data: Data | None = None


def ways(before: Run, after: Run, tell: Tell) -> list[Step]:
    """Return the books on the way from one selection run to another, the two ends replayed as well.

    Raises:
        ConfigError: If the runs have other stages, one of them cannot be replayed, or an artifact is missing.
        StageError: If a stage fails on a step between the runs.
    """
    replays = _Replays(before, after)
    state = dict.fromkeys(replays.chain, (replays.data[0], 0))
    path: list[Step] = [("code", "", replays.book(state))]
    for move in replays.moves():
        change = {name: (move.data or state[name][0], state[name][1] if move.data else 1) for name in move.stages}
        state = {**state, **change}
        tell(" ".join(word for word in ("replaying", move.term, move.through) if word))
        try:
            path.append((move.term, move.through, replays.book(state)))
        except Exception as error:  # a third-party stage may raise anything on a mixture
            done = f"{move.term}{f' ({move.through})' if move.through else ''}"
            raise StageError(f"a stage fails on the way, with {done} of {after.id}: {said(error)}") from error
    return path


class _Replays:
    """The stages of two runs up to the weights, and what they make of what they are given."""

    def __init__(self, before: Run, after: Run) -> None:
        runs = (before, after)
        self._stages = [{stage.id: stage for stage in run.pipeline()} for run in runs]
        self._settings = [run.settings for run in runs]
        found = [ancestors(list(stages.values()), "weights", (*GIVEN, INCUMBENT)) for stages in self._stages]
        ids = [[stage.id for stage in chain] for chain, _ in found]
        if ids[0] != ids[1]:
            raise ConfigError(f"the runs have other stages: {', '.join(sorted(set(ids[0]) ^ set(ids[1]))) or 'order'}")
        self.chain = ids[1]
        names = [*GIVEN, *(name for name in found[1][1] if name not in GIVEN)]
        self.data = _either_book([_data_of(run, [*names, *_book_in(run)]) for run in runs])
        self._cache = _cache_of(runs)
        self._memo: dict[str, Mapping[str, Held]] = {}

    def moves(self) -> Iterator[Move]:
        """Yield what is changed, step by step."""
        everything, groups = frozenset(self.chain), self._groups()
        was, new = self.data
        common = sorted(set(was.artifacts["prices"].value.symbols) & set(new.artifacts["prices"].value.symbols))
        yield Move("universe", "names that went", everything, _of(was, common))
        rest = _of(new, common)
        kept = Data(new.as_of, {**rest.artifacts, "instruments": _of(was, common).artifacts["instruments"]})
        for term, stages in groups.items():
            yield Move("data", term, stages, kept)
        yield Move("universe", "names that came", everything, new)
        for term, stages in groups.items():
            yield Move(term, "", stages)

    def _groups(self) -> dict[str, frozenset[str]]:
        """Return the stages of each term: those that its artifact comes from and no earlier one does."""
        groups: dict[str, frozenset[str]] = {}
        seen: set[str] = set()
        for term, goal in GROUPS.items():
            chain, _ = ancestors(list(self._stages[1].values()), goal, (*GIVEN, INCUMBENT))
            groups[term] = frozenset({stage.id for stage in chain} & set(self.chain) - seen)
            seen |= groups[term]
        return groups

    def book(self, state: Mapping[str, tuple[Data, int]]) -> Book:
        """Return the weights by symbol that the stages decide, each with its own data and settings."""
        made: dict[str, Held] = {}
        for name in self.chain:
            data, side = state[name]
            stage = self._stages[side][name]
            inputs = {need: made.get(need) or data.artifacts[need] for need in stage.needs}
            made |= self._made(stage, {**self._settings[side], "as_of": data.as_of}, inputs)
        return {str(symbol): float(weight) for symbol, weight in made["weights"].value["weight"].items()}

    def _made(self, stage: Stage, settings: Settings, inputs: Mapping[str, Held]) -> Mapping[str, Held]:
        config = stage.configured(settings)
        tokens = sorted((name, held.token) for name, held in inputs.items())
        kind = f"{type(stage).__module__}.{type(stage).__qualname__}"
        token = hashlib.sha256(json.dumps([kind, config.model_dump_json(), tokens]).encode()).hexdigest()
        if token not in self._memo:
            self._memo[token] = self._cached(stage, settings, inputs) or _played(stage, settings, inputs, token)
        return self._memo[token]

    def _cached(self, stage: Stage, settings: Settings, inputs: Mapping[str, Held]) -> Mapping[str, Held] | None:
        stored = {name: held.ref for name, held in inputs.items() if held.ref is not None}
        if stage.kind is not Kind.COMPUTE or len(stored) < len(inputs):
            return None
        result = self._cache.lookup(fingerprint(stage, "", settings, stored).key)
        store = self._cache.store
        return result and {name: Held(ref.sha256, partial(store.get, ref), ref) for name, ref in refs(result).items()}


def _played(stage: Stage, settings: Settings, inputs: Mapping[str, Held], token: str) -> Mapping[str, Held]:
    values = {name: held.value for name, held in inputs.items()}
    with in_the_background():
        made = play([stage], values, settings, replay=Kind.NETWORK)
    return {name: Held(f"{token}.{name}", partial(_same, made[name])) for name in stage.makes}


def _same(value: Artifact) -> Artifact:
    return value


def _data_of(run: Run, names: Sequence[str]) -> Data:
    store = run.store
    if missing := [name for name in names if name not in run.outputs]:
        raise ConfigError(f"run {run.id} has no {missing[0]}")
    held = {name: run.outputs[name] for name in names}
    if lost := [name for name, ref in held.items() if not store.verify(ref)]:
        raise ConfigError(f"the stored {', '.join(lost)} of run {run.id} is missing or damaged")
    artifacts = {name: Held(ref.sha256, partial(store.get, ref), ref) for name, ref in held.items()}
    return Data(run.as_of.isoformat(), artifacts)


def _book_in(run: Run) -> list[str]:
    """Return the artifact of what was held, of a run whose decision depends on that."""
    return [INCUMBENT] if INCUMBENT in run.outputs else []


def _either_book(both: list[Data]) -> list[Data]:
    """Return the data of two runs, where one alone has an incumbent with that one in both."""
    known = [held for data in both if (held := data.artifacts.get(INCUMBENT)) is not None]
    other = {INCUMBENT: known[0]} if known else {}
    return [replace(data, artifacts={**other, **data.artifacts}) for data in both]


def _of(data: Data, symbols: Sequence[str]) -> Data:
    """Return the data with the prices and instruments of *symbols* alone; as it is when there are no others."""
    prices, instruments = (data.artifacts[name] for name in GIVEN)
    if list(prices.value.symbols) == list(symbols):
        return data
    if len(symbols) < 2:
        raise ConfigError("the runs have fewer than two names in common")
    mark = hashlib.sha256("\n".join(symbols).encode()).hexdigest()
    fewer = {
        "prices": Held(f"{prices.token}/{mark}", lambda: prices.value.select(symbols)),
        "instruments": Held(f"{instruments.token}/{mark}", lambda: instruments.value.loc[list(symbols)]),
    }
    return replace(data, artifacts={**data.artifacts, **fewer})


def _cache_of(runs: Sequence[Run]) -> StageCache:
    """Return the cache of the second run's store, which hands out what either run may see."""
    layout = runs[1].layout
    return StageCache(layout.cache, ArtifactStore(layout.store, as_of=max(run.as_of for run in runs)))
