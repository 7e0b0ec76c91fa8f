"""The header of a run: what ``run.json`` holds, frozen when the run is created."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from quantflow.config.source import Source
from quantflow.data.position import Position
from quantflow.types import Json, Settings

SCHEMA_VERSION = 1
KINDS = ("selection", "meta", "sweep")
_META_ONLY = ("sleeves", "failed")


class Kind(StrEnum):
    """Why a run decides a portfolio, or that it decides none."""

    FIRST = "first"
    REBALANCE = "rebalance"
    LATE = "late"
    BY_HAND = "by hand"
    APART = "apart"
    HOLD = "hold"


@dataclass(frozen=True)
class Decided:
    """Whether a run decides a portfolio.

    Attributes:
        kind: ``first`` (there is no book), ``rebalance`` (one is due), ``late`` (one was due on an earlier session),
            ``by hand``, ``apart`` (the run is none of the book's: an experiment), or ``hold``.
        next: The next session on which a decision is due, ISO.
        due: The session on which this one was due, ISO; that of the run where none was.
    """

    kind: Kind
    next: str
    due: str

    @property
    def hold(self) -> bool:
        """Whether nothing is decided."""
        return self.kind is Kind.HOLD

    def json(self) -> Json:
        """Return it as JSON values."""
        return {**asdict(self), "kind": self.kind.value}

    @classmethod
    def from_json(cls, data: Mapping[str, str]) -> Decided:
        """Return what ``json`` gave.

        Raises:
            ValueError, KeyError: If it is not one.
        """
        return cls(Kind(data["kind"]), data["next"], data["due"])


DECIDES = Decided(Kind.APART, "", "")
"""What a run does of which nothing is recorded."""


@dataclass(frozen=True)
class RunOptions:
    """How a run differs from one that cron starts.

    Attributes:
        by_hand: Whether it decides a portfolio also where none is due.
        fresh: Whether compute stages, those of sleeves too, run again although the cache has their results.
        until: The last stage of a run that is never published; empty for all stages, and for any run but of a profile.
    """

    by_hand: bool = False
    fresh: bool = False
    until: str = ""


ORDINARY = RunOptions()


@dataclass(frozen=True)
class Parent:
    """The meta run of a sleeve.

    Attributes:
        run_id: The meta run.
        sleeve: The sleeve's id in it.
        scope: The run that network stages fetch for: the outermost portfolio, so that its sleeves fetch once.
    """

    run_id: str
    sleeve: str
    scope: str


@dataclass(frozen=True)
class SleeveFailure:
    """Why a sleeve has no result.

    Attributes:
        sleeve: The sleeve's id, with those of the meta profiles around it: ``outer/inner``.
        run_id: Its run.
        stage: The stage that failed; empty when the worker died between stages.
        message: What happened.
        log: The log file.
    """

    sleeve: str
    run_id: str
    stage: str
    message: str
    log: str


@dataclass(frozen=True)
class Trial:
    """Settings that were tried, and how they did.

    Attributes:
        settings: A hash of the settings that change weights.
        run_id: The newest complete run of them.
        ratio: The Sharpe ratio of its walk-forward after costs, per session.
    """

    settings: str
    run_id: str
    ratio: float


@dataclass(frozen=True)
class Header:
    """What was asked for, and where and when.

    Attributes:
        kind: ``selection``, ``meta`` or ``sweep``.
        profile: The profile, or meta profile.
        as_of: The last session that the run may see.
        stages: The ids of its stages, in order.
        settings: The profile's sections, as JSON values.
        sources: Where each setting came from, by ``"section.key"``.
        store: Where artifacts lie, when the profile names a place.
        parent: The meta run that this run is a sleeve of; None for others.
        scope: The run that network stages fetch for.
        source: A mark that changes with the source data; None when nothing is known of them.
        decision: Whether the run decides a portfolio, and why.
        position: What the profile's book held before the run; None where nothing was.
        stale: How old its prices were when it was created, in words, where that was too old; else empty.
        sleeves: The ids of a meta run's sleeves, in order.
        failed: The sleeves that a meta run goes on without.
        until: The last stage that was asked for; empty for all. A run of part of the stages is never published.
        fresh: Whether compute stages run again although the cache has their results.
        trials: Other settings that had been tried when a selection run was created; see ``runs.research.counted``.
        run_id: The run.
        created: When, ISO, UTC.
        sequence: A number larger than that of any run created before in the workspace.
        token: Random, so that runs of one name in several workspaces have tags of their own.
        versions: Versions of Python and of the packages that can change a result.
        cpu: The CPU and its linear algebra kernel.
        flow_runs: Ids of the flow runs in Prefect's API that have worked on the run.
    """

    kind: str
    profile: str
    as_of: date
    stages: tuple[str, ...] = ()
    settings: Settings = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    store: str | None = None
    parent: Parent | None = None
    scope: str | None = None
    source: str | None = None
    decision: Decided = DECIDES
    position: Position | None = None
    stale: str = ""
    sleeves: tuple[str, ...] = ()
    failed: tuple[SleeveFailure, ...] = ()
    until: str = ""
    fresh: bool = False
    trials: tuple[Trial, ...] = ()
    run_id: str = ""
    created: str = ""
    sequence: int = 0
    token: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    cpu: str = ""
    flow_runs: tuple[str, ...] = ()

    def json(self) -> Json:
        """Return the header as ``run.json`` has it, without its seal."""
        values = {
            **asdict(self),
            "decision": self.decision.json(),
            "schema_version": SCHEMA_VERSION,
            "as_of": self.as_of.isoformat(),
        }
        return {name: value for name, value in values.items() if self.kind == "meta" or name not in _META_ONLY}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Header:
        """Return the header that ``json`` gave.

        Raises:
            ValueError, TypeError, KeyError: If it is not one of this version.
        """
        if data["schema_version"] != SCHEMA_VERSION or data["kind"] not in KINDS:
            raise ValueError("it is not a run record of this version")
        parent, position = data.get("parent"), data.get("position")
        typed = {
            "as_of": date.fromisoformat(data["as_of"]),
            "parent": Parent(**parent) if parent else None,
            "decision": Decided.from_json(data["decision"]) if "decision" in data else DECIDES,
            "position": Position.from_json(position) if position else None,
            "sources": {name: _source(found) for name, found in data.get("sources", {}).items()},
            "failed": tuple(SleeveFailure(**failure) for failure in data.get("failed", ())),
            "trials": tuple(Trial(**trial) for trial in data.get("trials", ())),
            **{name: tuple(data.get(name, ())) for name in ("stages", "sleeves", "flow_runs")},
        }
        return cls(**{**{name: data[name] for name in cls.__dataclass_fields__ if name in data}, **typed})


def _source(found: Mapping[str, str] | str) -> Source:
    """Return where a setting came from; the records of version 0.1 have that in words."""
    if not isinstance(found, str):
        return Source(**found)  # type: ignore[arg-type]
    return Source("flag" if found.startswith("--set") else "env" if found.startswith("env") else "file", found)
