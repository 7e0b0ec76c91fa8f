"""A run: what was asked for, how far it has come, what it has made, and which runs it is made of."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from quantflow.config.profile import MetaProfile, Profile
from quantflow.config.source import as_json
from quantflow.data.cache import StageCache
from quantflow.data.store import ArtifactRef, ArtifactStore
from quantflow.errors import StageError
from quantflow.pipeline.stage import PROFILE, Artifact, SelectionContext, Stage
from quantflow.runs.exports import FILES
from quantflow.runs.header import SCHEMA_VERSION
from quantflow.runs.layout import Layout
from quantflow.runs.lock import owner
from quantflow.runs.plan import Planned, Planner
from quantflow.runs.record import BEGUN, ENDED, FAILED, Event, RunRecord, StageRecord
from quantflow.runs.sleeves import config_hash
from quantflow.types import Json, Settings

if TYPE_CHECKING:
    from quantflow.runs.kinds import Sleeve

_PICKED = ("kind", "profile", "as_of", "decision", "created", "parent", "versions", "cpu", "flow_runs", "settings")
"""What ``inspect RUN --json`` shows of the header."""


class Part(Protocol):
    """Something that a worker does for a run: a sleeve, or a trial."""

    @property
    def name(self) -> str:
        """What it is called in the run."""

    @property
    def settings(self) -> Settings:
        """The profile's sections that it runs with."""


class Run(RunRecord, ABC):
    """A run as its folder describes it: a ``Selection``, a ``Meta``, a ``Sweep``, or one that is ``Unreadable``.

    What is read is kept until this object writes to the folder; ``again`` reads what others have written since.
    """

    @cached_property
    def _read(self) -> tuple[Mapping[str, object] | None, dict[str, StageRecord | None]]:
        who = owner(self.folder)  # first: a run that ends meanwhile must not be taken for an interrupted one
        return who, {name: self.stage(name) for name in self.header.stages}

    @property
    def stages(self) -> Mapping[str, StageRecord | None]:
        """One record per planned stage, in order; None for one that was never started."""
        return self._read[1]

    @cached_property
    def _last_event(self) -> Event:
        return next((event for event in reversed(self.events()) if event.get("event") in (*BEGUN, *ENDED)), Event())

    @cached_property
    def state(self) -> str:
        """``running`` (its owner is working on it), ``completed``, ``failed``, ``interrupted`` or ``unreadable``.

        An interrupted run was ended by a signal, or its owner died. A run is never ``running`` when its owner is dead
        or has ended the run.
        """
        who, stages = self._read
        if who is not None and self._last_event.get("event") not in ENDED:
            return "running"
        files = [file for name, file in FILES.items() if name in self.outputs]
        complete = all(stage is not None and stage.state == "done" for stage in stages.values())
        if complete and all((self.folder / file).is_file() for file in files):
            return "completed"
        return "failed" if self._last_event.get("event") == FAILED or self.failed else "interrupted"

    @property
    def begun(self) -> bool:
        """Whether its flow is at work: its process has the API server, and has begun."""
        events = [event.get("event") for event in self.events() if event.get("event") in (*BEGUN, *ENDED)]
        return bool(events) and events[-1] == BEGUN[-1]

    @property
    def owner(self) -> Mapping[str, object] | None:
        """Who is working on it (pid, host, since); None when it is not running."""
        return self._read[0] if self.state == "running" else None

    @property
    def error(self) -> Json | None:
        """What ended a failed run: type, message, hint; None when it did not fail, or only a stage's record knows."""
        last = self._last_event
        if self.state != "failed" or last.get("event") != FAILED:
            return None
        return {"type": last.get("error"), "message": last.get("message"), "hint": last.get("hint")}

    @property
    def degraded(self) -> bool:
        """Whether a stage completed with fallbacks, or the prices were too old."""
        return bool(self.header.stale) or any(
            stage is not None and stage.summary.degraded for stage in self.stages.values()
        )

    @property
    def done(self) -> tuple[str, ...]:
        """The ids of the stages that are complete."""
        return tuple(name for name, stage in self.stages.items() if stage is not None and stage.state == "done")

    @property
    def failed(self) -> StageRecord | None:
        """The stage that failed; None when none did."""
        return next((stage for stage in self.stages.values() if stage is not None and stage.state == "failed"), None)

    def stage_state(self, stage_id: str) -> str:
        """Return ``pending``, ``running``, ``interrupted``, ``cached``, ``completed`` or ``failed``."""
        stage = self.stages[stage_id]
        if stage is None:
            return "pending"
        if stage.state == "running" and self.state != "running":
            return "interrupted"
        if stage.state == "done":
            return "cached" if stage.cached else "completed"
        return stage.state

    @property
    def profile(self) -> str:
        """The name of its profile, or meta profile."""
        return self.header.profile

    @property
    def as_of(self) -> date:
        """The last session that the run may see."""
        return self.header.as_of

    @property
    def settings(self) -> Settings:
        """The frozen profile sections, ``as_of``, and the profile's name."""
        return {**self.header.settings, "as_of": self.as_of.isoformat(), PROFILE: self.profile}

    @property
    def config_hash(self) -> str:
        """A hash of its settings and its as-of."""
        return config_hash(self.header.settings, self.as_of.isoformat())

    @property
    def scope(self) -> str:
        """The run that network stages fetch for: a sleeve's portfolio, so that its sleeves fetch once."""
        return self.header.scope or self.id

    @property
    def layout(self) -> Layout:
        """Where its artifacts and cached results lie."""
        return Layout.of(self.workspace, self.header.store)

    @property
    def store(self) -> ArtifactStore:
        """Its artifact store, which refuses to read anything dated after the as-of."""
        return ArtifactStore(self.layout.store, as_of=self.as_of)

    @property
    def outputs(self) -> dict[str, ArtifactRef]:
        """What it has made so far, by artifact name."""
        return {name: ref for stage in self.stages.values() if stage is not None for name, ref in stage.outputs.items()}

    def load(self, name: str) -> Artifact:
        """Return the artifact *name* in memory: a ``Panel``, a ``DataFrame``, a JSON mapping or a ``str``.

        Raises:
            StageError: If the run has not made it.
            IntegrityError: If it is missing from the store, or damaged.
        """
        return self.store.get(self._made(name))

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the small table *name* as its rows, by column, index included; what is undefined is None.

        Raises:
            StageError: If the run has not made it.
            IntegrityError: If it is missing from the store, or damaged.
        """
        return self.store.rows(self._made(name))

    def _made(self, name: str) -> ArtifactRef:
        if name not in self.outputs:
            raise StageError(f"Run {self.id} has no artifact {name!r}.", hint=f"It has: {sorted(self.outputs)}.")
        return self.outputs[name]

    @property
    def weights(self) -> dict[str, float]:
        """Its weights by symbol, signed fractions of capital, NaN where undefined; empty when it has none."""
        if "weights" not in self.outputs:
            return {}
        known = ((row["symbol"], row["weight"]) for row in self.rows("weights"))
        return {name: math.nan if weight is None else weight for name, weight in known}

    @property
    def decided_by(self) -> str:
        """The run that decided what this one is to hold: itself, unless it decided nothing."""
        before = self.header.position
        if before is None or not self.header.decision.hold:
            return self.id
        return before.pending[-1].run_id if before.pending else before.by

    @property
    def sleeves(self) -> tuple[Sleeve, ...]:
        """The sleeves of a meta run, in the order of its profile; a selection run has none.

        Raises:
            IntegrityError: If a link cannot be read.
        """
        return ()

    def leaves(self) -> list[Sleeve]:
        """Return all sleeves that are profiles, those of nested meta profiles too, in order."""
        return [leaf for sleeve in self.sleeves for leaf in sleeve.leaves()]

    def due(self) -> Sequence[Part]:
        """Return what workers have to do before its own stages: its sleeves, or trials, that are not complete."""
        return [leaf for leaf in self.leaves() if leaf.run.state != "completed"]

    def parts(self) -> list[Run]:
        """Return the runs that it is made of, at any depth, each after its own sleeves, and itself last."""
        return [*(part for sleeve in self.sleeves for part in sleeve.run.parts()), self]

    @abstractmethod
    def pipeline(self) -> tuple[Stage, ...]:
        """Return its stages, in order.

        Raises:
            ConfigError: If a third-party stage cannot be found, or the profile has other stages now.
        """

    @abstractmethod
    def _changed(self, overrides: Sequence[str]) -> tuple[Settings, Profile | MetaProfile]:
        """Return its settings with *overrides*, and the profile that validated them."""

    def context(self) -> SelectionContext:
        """Return the context in which its first stage can run."""
        return SelectionContext(self.id, self.profile, self.as_of, self.settings, self.layout.store)

    def planner(self, forced: Sequence[str] = ()) -> Planner:
        """Return the planner for the rest of the run; the stages *forced* run again in any case."""
        cache = StageCache(self.layout.cache, self.store)
        return Planner(self.scope, self.settings, cache, self.stages, frozenset(forced), self.header.fresh)

    def plan(self, forced: Sequence[str] = ()) -> list[Planned]:
        """Return what a resume of the run would do."""
        return self.planner(forced).plan(self.pipeline())

    def tag(self, attempt: int) -> str:
        """Return the tag that all task runs of the run's *attempt*-th flow run carry, in any workspace's API."""
        return f"quantflow:{self.id}#{attempt}:{self.header.token}"

    def again(self) -> Run:
        """Return the run as its folder describes it now."""
        return type(self)(self.workspace, self.id)

    def with_settings(self, overrides: Sequence[str], *, write: bool) -> Run:
        """Return the run with some settings changed; only stages that read them will run again.

        Args:
            overrides: ``section.key=value`` lines; for a meta run only ``execution.…``, which changes no result.
            write: Whether the run's record is changed too, or only the copy that is returned.

        Raises:
            ConfigError: If a value is wrong.
        """
        settings, profile = self._changed(overrides)
        sources = {**self.header.sources, **profile.sources}
        if write:
            self.update(settings=settings, sources=as_json(sources))
            return self.again()
        copy = self.again()
        copy.header = replace(self.header, settings=settings, sources=sources)
        return copy

    def json(self) -> Json:
        """Return the documented, versioned form of ``inspect RUN --json``."""
        header = self.header.json() if self.state != "unreadable" else {}
        return {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.id,
            "state": self.state,
            "degraded": self.degraded,
            "owner": dict(self.owner) if self.owner else None,
            "error": self.error,
            "folder": str(self.folder),
            **{name: header.get(name) for name in _PICKED},
            "stages": [self.stage_json(name) for name in self.stages],
        }

    def stage_json(self, name: str) -> Json:
        """Return one stage of that form."""
        state = self.stage_state(name)
        return {**(self.stages[name] or StageRecord(name, state)).json(), "state": state}
