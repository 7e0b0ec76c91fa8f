"""The sleeves of a meta run: which run each one is, and what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quantflow.data.sealed import sealed, unsealed
from quantflow.data.store import ArtifactRef, write_atomic
from quantflow.errors import IntegrityError
from quantflow.runs.record import RunRecord
from quantflow.runs.status import RunStatus, status

HANDED_ON: tuple[str, ...] = ("oos_returns", "weights", "metrics")
"""The artifacts of a sleeve's run that the portfolio is made of."""


@dataclass(frozen=True)
class SleeveLink:
    """One sleeve of a meta run: ``runs/<meta>/sleeves/<id>.json``.

    Attributes:
        id: The sleeve's name in the portfolio.
        run_id: The run that is the sleeve.
        profile: Its profile, or meta profile.
        kind: ``profile`` or ``meta``.
        config_hash: Hash of the settings that the run must have; of those it had, when it is pinned.
        pinned: Whether the run was there before, and is used as it is.
    """

    id: str
    run_id: str
    profile: str
    kind: str
    config_hash: str
    pinned: bool = False

    def write(self, meta: RunRecord) -> None:
        """Write the link into the meta run's folder."""
        data = json.dumps(sealed({"schema_version": 1, **vars(self)}), indent=1, sort_keys=True)
        write_atomic(meta.folder / "sleeves" / f"{self.id}.json", data.encode())


def links(meta: RunRecord) -> tuple[SleeveLink, ...]:
    """Return the sleeves of a meta run, in the order of its profile.

    Raises:
        IntegrityError: If a link cannot be read.
    """
    return tuple(_link(meta.folder / "sleeves" / f"{name}.json") for name in meta.header["sleeves"])


def complete_sleeves(meta: RunRecord) -> list[str]:
    """Return the ids of the sleeves whose runs are complete; none of a selection run."""
    if meta.header["kind"] != "meta":
        return []
    return [link.id for link in links(meta) if result_of(link, meta.workspace) is not None]


def with_sleeves(run: RunStatus) -> list[RunStatus]:
    """Return a run after all that it is made of: its sleeves' runs, and theirs; a selection run alone."""
    if run.record.header["kind"] != "meta":
        return [run]
    inner = [status(RunRecord(run.record.workspace, link.run_id)) for link in links(run.record)]
    return [*(each for sleeve in inner for each in with_sleeves(sleeve)), run]


@dataclass(frozen=True)
class Leaf:
    """A sleeve that is a profile, at any depth.

    Attributes:
        name: Its path of sleeve ids, ``outer/inner``.
        link: Which run it is.
        workspace: Where that run is recorded.
    """

    name: str
    link: SleeveLink
    workspace: Path


def leaves(meta: RunRecord, path: str = "") -> list[Leaf]:
    """Return all sleeves that are profiles, those of nested meta profiles too, in order; none of a selection run."""
    if meta.header["kind"] != "meta":
        return []
    found: list[Leaf] = []
    for link in links(meta):
        name = f"{path}{link.id}"
        if link.kind == "meta":
            found += leaves(RunRecord(meta.workspace, link.run_id), f"{name}/")
        else:
            found.append(Leaf(name, link, meta.workspace))
    return found


def due(meta: RunRecord) -> list[Leaf]:
    """Return the sleeves that are profiles whose runs are not complete."""
    return [leaf for leaf in leaves(meta) if result_of(leaf.link, leaf.workspace) is None]


def leaf_stages(meta: RunRecord) -> dict[str, tuple[str, ...]]:
    """Return the stages of each sleeve that is a profile, by its path of ids."""
    return {leaf.name: tuple(RunRecord(leaf.workspace, leaf.link.run_id).stages) for leaf in leaves(meta)}


def _link(path: Path) -> SleeveLink:
    try:
        found = unsealed(json.loads(path.read_bytes()))
        found.pop("schema_version")
        return SleeveLink(**found)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise IntegrityError(
            f"The sleeve link {path} cannot be read: {error}.", hint="Start the meta run again with a new --run-id."
        ) from error


def config_hash(settings: Mapping[str, Any], as_of: str) -> str:
    """Return a hash of all settings of a run, and its as-of."""
    text = json.dumps({**settings, "as_of": as_of}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class SleeveResult:
    """What a sleeve hands to the portfolio; it says which sleeve it is, so that none is taken for another.

    Attributes:
        sleeve: The sleeve's id.
        run_id: Its run.
        config_hash: Hash of the settings under which the run was made.
        as_of: The run's as-of session, ISO.
        degraded: Whether the run ended well but not as asked.
        outputs: Refs of ``HANDED_ON``.
    """

    sleeve: str
    run_id: str
    config_hash: str
    as_of: str
    degraded: bool = False
    outputs: Mapping[str, ArtifactRef] = field(default_factory=dict)


def result_of(link: SleeveLink, workspace: Path) -> SleeveResult | None:
    """Return what a sleeve's run hands on; None when it is not complete."""
    record = RunRecord(workspace, link.run_id)
    run = status(record) if record.exists else None
    if run is None or run.state != "completed":
        return None
    made = {name: ref for stage in run.stages.values() if stage for name, ref in stage.outputs.items()}
    header = record.header
    return SleeveResult(
        sleeve=link.id,
        run_id=link.run_id,
        config_hash=config_hash(header["settings"], header["as_of"]),
        as_of=header["as_of"],
        degraded=run.degraded,
        outputs={name: made[name] for name in HANDED_ON},
    )


@dataclass(frozen=True)
class SleeveFailure:
    """Why a sleeve has no result.

    Attributes:
        sleeve: The sleeve's id, with those of the meta profiles around it: ``outer/inner``.
        run_id: Its run.
        stage: The stage that failed; empty when the worker died between stages.
        message: What happened.
        log: The file to read.
    """

    sleeve: str
    run_id: str
    stage: str
    message: str
    log: str


def failure_of(sleeve: str, run: RunStatus, error: str) -> SleeveFailure:
    """Return why the sleeve's run did not complete: its own record's words, else *error*."""
    failed = run.failed
    message = str((failed.error or {}).get("message", error)) if failed else error
    log = str(run.record.folder / "log.txt")
    return SleeveFailure(sleeve, run.record.run_id, failed.stage if failed else "", message, log)
