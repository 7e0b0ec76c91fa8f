"""What walk-forwards share: the outputs of a stage at all rebalances, kept once for all that replay it alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from quantflow.data.cache import StageCache, refs
from quantflow.data.store import ArtifactRef, ArtifactStore, private_folder
from quantflow.errors import DataError, InfeasibleError
from quantflow.locks import FileLock
from quantflow.pipeline.code_version import code_version
from quantflow.pipeline.stage import Outputs, Stage
from quantflow.types import Settings

if TYPE_CHECKING:
    import pandas as pd

COUNTS = ".counts"
"""What follows an artifact's name in that of the table with its number of rows at each rebalance."""

Frames: TypeAlias = "Mapping[str, Sequence[pd.DataFrame | None]]"
"""A table per rebalance, by artifact name; None where the stage found nothing feasible."""

Replay: TypeAlias = Callable[[int], Outputs]
"""Replays a stage at the rebalance of that number."""


@dataclass(frozen=True)
class Shelf:
    """Where replays are kept, and what the walk-forward that asks for them was given.

    Attributes:
        cache: The workspace's results by key.
        locks: The folder with a lock per key, so that nothing is made twice at a time.
        given: sha256 of what the walk-forward needs, by artifact name.
        scope: The run for which alone replays are kept; empty for those that all runs may take.
    """

    cache: StageCache
    locks: Path
    given: Mapping[str, str]
    scope: str = ""

    def replays(self, stage: Stage, settings: Settings, facts: Sequence[str], count: int, replay: Replay) -> Replays:
        """Return what *stage* makes at each of *count* rebalances; it is replayed here if nobody has done that yet.

        Args:
            stage: The stage.
            settings: The profile's sections and ``as_of``.
            facts: What its outputs depend on besides its code and settings.
            count: How many rebalances there are.
            replay: Replays it at one of them.

        Raises:
            QuantflowError: What the stage raises, unless it is that nothing is feasible.
        """
        key = self.scope + _key(stage, settings, facts)
        with one_at_a_time(self.locks, key):
            found = self.cache.lookup(key)
            if found is None:
                stored = self._kept(stage.makes, [_attempt(replay, number) for number in range(count)])
                found = {"outputs": {name: ref.json() for name, ref in stored.items()}, "summary": {}}
                self.cache.write(key, found)
        return Replays(key, self._frames(refs(found)))

    def _kept(self, names: Sequence[str], made: Sequence[Outputs | None]) -> dict[str, ArtifactRef]:
        """Store tables of all rebalances; return none where one would not come back as it was made."""
        try:
            stored = {name: self.cache.store.put(name, table) for name, table in _stacked(names, made).items()}
        except (DataError, ValueError, TypeError):  # what cannot be a stored table: the two are pandas' and pyarrow's
            return {}
        same = (
            _same(frame, outputs[name])
            for name, frames in self._frames(stored).items()
            for frame, outputs in zip(frames, made, strict=True)
            if frame is not None and outputs is not None
        )
        return stored if all(same) else {}

    def _frames(self, stored: Mapping[str, ArtifactRef]) -> Frames:
        marks = sorted((name, ref.uri, ref.sha256) for name, ref in stored.items())
        return _taken_apart(self.cache.store.uri, tuple(marks))


@dataclass(frozen=True, eq=False)
class Replays:
    """A stage's outputs at each rebalance.

    Attributes:
        key: A hash of what they depend on.
        frames: The outputs; empty where they are not tables that are alike, so that they were not kept.
    """

    key: str
    frames: Frames

    def at(self, number: int) -> Outputs | None:
        """Return the outputs at one rebalance, a copy; None when the stage found nothing feasible there."""
        made: dict[str, Any] = {}
        for name, tables in self.frames.items():
            table = tables[number]
            if table is None:
                return None
            made[name] = table.copy()
        return made


shelf: ContextVar[Shelf | None] = ContextVar("shelf", default=None)
"""Where the walk-forward that runs shares replays; None for one that shares nothing."""


@contextmanager
def sharing(where: Shelf) -> Iterator[None]:
    """Share the replays of a walk-forward that runs inside."""
    token = shelf.set(where)
    try:
        yield
    finally:
        shelf.reset(token)


@contextmanager
def one_at_a_time(folder: Path, key: str) -> Iterator[None]:
    """Let one process of this machine at a time work on what *key* names; *folder* holds the lock files."""
    private_folder(folder)
    with FileLock(folder / f"{key}.lock") as lock:
        lock.take(seconds=None)
        yield


def _key(stage: Stage, settings: Settings, facts: Sequence[str]) -> str:
    config = stage.configured(settings).model_dump(mode="json")
    config.pop("as_of", None)  # each rebalance has its own
    depends = [code_version(stage), config, sorted(stage.read_marks(settings).items()), *facts]
    return f"replays.{stage.id}-{hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:32]}"


def _attempt(replay: Replay, number: int) -> Outputs | None:
    try:
        return replay(number)
    except InfeasibleError:  # comes again, with its message, when that rebalance is decided
        return None


def _stacked(names: Sequence[str], made: Sequence[Outputs | None]) -> dict[str, pd.DataFrame]:
    """Return a table of all rebalances per artifact, and one of its rows at each (-1: none); nothing if unlike."""
    import pandas as pd

    tables: dict[str, pd.DataFrame] = {}
    for name in names:
        frames = [outputs[name] for outputs in made if outputs is not None]
        if not frames or not all(_alike(frame, frames[0]) for frame in frames):
            return {}
        tables[name] = pd.concat(frames)
        counts = [-1 if outputs is None else len(outputs[name]) for outputs in made]
        tables[name + COUNTS] = pd.DataFrame({"rows": counts})
    return tables


def _alike(frame: Any, first: Any) -> bool:
    """Whether tables can be put below one another."""
    if type(frame).__name__ != "DataFrame" or type(first).__name__ != "DataFrame":
        return False
    if frame.index.nlevels > 1 or frame.index.name is None:
        return False
    return bool(frame.columns.equals(first.columns) and (frame.dtypes == first.dtypes).all())


def _same(frame: pd.DataFrame, made: pd.DataFrame) -> bool:
    """Whether a table that was stored is the one that was made: values, types, names, and their order in memory.

    Sums depend on that order: a table that was made by rows would come back by columns.
    """
    by_columns = len(made) < 2 or all(
        values.strides == (values.itemsize,) for values in (column.to_numpy() for _, column in made.items())
    )
    types = made.index.dtype == frame.index.dtype and bool((made.dtypes == frame.dtypes).all())
    names = made.index.name == frame.index.name and made.columns.name == frame.columns.name
    return bool(by_columns and types and names and made.equals(frame))


@lru_cache(maxsize=8)  # a worker plays one trial after the other
def _taken_apart(store: str, stored: tuple[tuple[str, str, str], ...]) -> Frames:
    tables = {name: ArtifactStore(store).get(ArtifactRef(name, uri, sha256)) for name, uri, sha256 in stored}
    return {
        name: _split(table, tables[name + COUNTS]["rows"].tolist())
        for name, table in tables.items()
        if not name.endswith(COUNTS)
    }


def _split(table: pd.DataFrame, counts: Sequence[int]) -> list[pd.DataFrame | None]:
    out: list[pd.DataFrame | None] = []
    row = 0
    for count in counts:
        out.append(None if count < 0 else table.iloc[row : row + count])
        row += max(count, 0)
    return out
