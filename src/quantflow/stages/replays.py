"""The rebalances of a walk-forward: what was known at each, and what stages made of it that others share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from quantflow.data.panel import Panel
from quantflow.data.quality.usable import BoolArray
from quantflow.errors import InfeasibleError
from quantflow.pipeline.arrange import INCUMBENT
from quantflow.pipeline.play import play
from quantflow.pipeline.replay import known_at, seen
from quantflow.pipeline.sharing import Replays, Shelf, shelf
from quantflow.pipeline.stage import Artifacts, Outputs, Stage
from quantflow.types import Settings

if TYPE_CHECKING:
    import pandas as pd

HISTORY = ("prices", "instruments", "past", "roster")
"""What ingestion gives of the past: see ``quantflow.data.quality.history``."""


@dataclass(frozen=True, eq=False)
class Past:
    """What a walk-forward's stages are given at each rebalance.

    Attributes:
        prices: The whole history of N symbols.
        instruments: Their rows of the roster.
        sources: Other artifacts that stages need, by name.
        settings: The profile's sections, and the last session as ``as_of``.
        reach: How many sessions stages look back on; None for all.
        able: Whether each symbol could be used, shape (N,), by position of the session that decides, increasing.
    """

    prices: Panel
    instruments: pd.DataFrame
    sources: Artifacts
    settings: Settings
    reach: int | None
    able: Mapping[int, BoolArray]
    _latest: dict[tuple[str, ...], pd.DataFrame] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def number(self) -> dict[int, int]:
        """The number of the rebalance at each position."""
        return {position: number for number, position in enumerate(self.able)}

    @cached_property
    def positions(self) -> tuple[int, ...]:
        """The position of each rebalance."""
        return tuple(self.able)

    def at(self, position: int) -> dict[str, Any]:
        """Return what was known at the close of a session, by artifact name.

        Raises:
            InfeasibleError: If no symbol could be used.
        """
        then = seen(self.prices, position, self.reach, self.able[position])
        if not then.symbols:
            raise InfeasibleError("No symbol could be used.")
        session = self.prices.sessions[position]
        known = {name: known_at(name, value, session, then.symbols, self.reach) for name, value in self.sources.items()}
        return {"prices": then, "instruments": self._rows(then.symbols), **known}

    def _rows(self, symbols: tuple[str, ...]) -> pd.DataFrame:
        """Return the rows of some instruments, a copy; those that were looked up last are kept."""
        if symbols not in self._latest:
            self._latest.clear()
            self._latest[symbols] = self.instruments.loc[list(symbols)]
        return self._latest[symbols].copy()

    def settings_at(self, position: int) -> Settings:
        """Return the settings with that session as ``as_of``."""
        return {**self.settings, "as_of": str(self.prices.sessions[position])}

    def marks(self, given: Mapping[str, str]) -> list[str]:
        """Return what ``at`` depends on, in short texts, besides the settings of stages.

        Args:
            given: sha256 of the artifacts that this was made of, by name.
        """
        digest = hashlib.sha256(repr((self.positions, self.reach)).encode())
        for able in self.able.values():
            digest.update(able.tobytes())
        return [f"{name} {given[name]}" for name in (*HISTORY, *sorted(self.sources))] + [digest.hexdigest()]


def shared_replays(chain: Sequence[Stage], past: Past) -> list[Replays]:
    """Return what the first stages of a walk-forward make at each rebalance, where walk-forwards share that; else none.

    These are the stages before the one that chooses the winners: their outputs are the same for all policies and
    allocations. They end before a stage that needs what is held, or whose outputs cannot be kept as tables.

    Args:
        chain: The stages that weights come from, in order.
        past: What they are given.
    """
    kept = shelf.get()
    found: list[Replays] = []
    if kept is None:
        return found
    for stage in _shareable(chain):
        replays = _shared(stage, chain, found, past, kept)
        if not replays.frames:
            break
        found.append(replays)
    return found


def made_at(shared: Sequence[Replays], number: int) -> dict[str, Any] | None:
    """Return all that was shared of one rebalance; None when one of the stages gave nothing there."""
    made: dict[str, Any] = {}
    for replays in shared:
        outputs = replays.at(number)
        if outputs is None:
            return None
        made |= outputs
    return made


def _shareable(chain: Sequence[Stage]) -> list[Stage]:
    found: list[Stage] = []
    for stage in chain:
        if INCUMBENT in stage.needs or {"winners", "weights"} & set(stage.makes):
            break
        found.append(stage)
    return found


def _shared(stage: Stage, chain: Sequence[Stage], before: Sequence[Replays], past: Past, kept: Shelf) -> Replays:
    made_by = {name: replays for other, replays in zip(chain, before, strict=False) for name in other.makes}
    facts = past.marks(kept.given) + [f"{name} {made_by[name].key}" for name in stage.needs if name in made_by]

    def replay(number: int) -> Outputs:
        position = past.positions[number]
        known = made_at(before, number)
        if known is None:
            raise InfeasibleError("A stage before it found nothing feasible.")
        played = play([stage], past.at(position) | known, past.settings_at(position), replay=True)
        return {name: played[name] for name in stage.makes}

    return kept.replays(stage, past.settings, facts, len(past.positions), replay)
