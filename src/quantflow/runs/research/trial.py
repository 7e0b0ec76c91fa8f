"""A trial of a sweep on disk: one file, ``runs/<sweep>/trials/<number>.json``, written once, when it has ended."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from quantflow.config.credentials import scrubbed
from quantflow.config.load import vary_settings
from quantflow.config.sweeps.design import Variant
from quantflow.data.sealed import refuse_newer, sealed, unsealed
from quantflow.data.store import ArtifactRef, write_atomic
from quantflow.errors import InfrastructureError, IntegrityError, LockedError, QuantflowError
from quantflow.pipeline.code_version import package_version
from quantflow.runs.record import Failure, now
from quantflow.types import Json, Settings

SCHEMA_VERSION = 1
FOLDER = "trials"
NOT_OF_ITS_SETTINGS = (InfrastructureError, IntegrityError, LockedError)
"""Errors after which a trial may succeed when it is played again."""
PROVEN = ("weights", "oos_returns", "oos_weights", "metrics")
"""What a trial is played for: no report is written of it, and no book."""


@dataclass(frozen=True)
class TrialResult:
    """What became of a trial.

    Attributes:
        number: The trial, from 1 on.
        state: ``completed``, ``failed``, or ``lost``: it failed for a reason that has nothing to do with its settings.
        outputs: Refs of what it made, by artifact name.
        keys: The cache key of each stage, in order: what the trial's result depends on.
        computed: The stages that ran for it; the others were reused.
        settings: A hash of the settings that change weights.
        ratio: The Sharpe ratio of its walk-forward after costs, per session; None where it took no risk.
        seconds: Wall time.
        ended: When, ISO, UTC.
        made_by: The quantflow that ran it.
        worker: The process that ran it: host and id.
        error: Why it failed.
    """

    number: int
    state: str
    outputs: Mapping[str, ArtifactRef] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    computed: tuple[str, ...] = ()
    settings: str = ""
    ratio: float | None = None
    seconds: float = 0.0
    ended: str = ""
    made_by: str = ""
    worker: str = ""
    error: Failure | None = None

    def json(self) -> Json:
        """Return the result as JSON values."""
        outputs = {name: ref.json() for name, ref in self.outputs.items()}
        return {**vars(self), "outputs": outputs, "keys": list(self.keys.items())}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrialResult:
        """Return the result that ``json`` gave.

        Raises:
            TypeError, KeyError: If it is not one.
        """
        outputs = {name: ArtifactRef(**ref) for name, ref in data["outputs"].items()}
        return cls(**{**data, "outputs": outputs, "keys": dict(data["keys"]), "computed": tuple(data["computed"])})


def failed(trial: SweepTrial, error: QuantflowError, seconds: float) -> TrialResult:
    """Return the result of a trial that an error ended after some seconds."""
    lost = error.retryable or isinstance(error, NOT_OF_ITS_SETTINGS)
    why = Failure(type=type(error).__name__, message=error.message, hint=error.hint, exit_code=error.exit_code)
    state = "lost" if lost else "failed"
    return TrialResult(
        trial.number,
        state,
        seconds=seconds,
        ended=now(),
        made_by=package_version(),
        worker=this_process(),
        error=why,
    )


def this_process() -> str:
    """Return host and id of this process."""
    return f"{socket.gethostname()} {os.getpid()}"


@dataclass(frozen=True)
class SweepTrial:
    """One variant of a sweep's profile, played in a worker.

    Attributes:
        number: Its number, from 1 on.
        variant: The values that it has of the settings that the sweep varies.
        run_id: The sweep's run.
        profile: The profile.
        base: The profile's frozen settings.
        workspace: Where that run is recorded.
    """

    number: int
    variant: Variant
    run_id: str
    profile: str
    base: Settings
    workspace: Path

    @property
    def name(self) -> str:
        """What it is called: its number."""
        return str(self.number)

    @property
    def file(self) -> Path:
        """Where its result is recorded."""
        return self.workspace / "runs" / self.run_id / FOLDER / f"{self.number:05d}.json"

    @cached_property
    def settings(self) -> Settings:
        """The settings that it is played with: the profile's sections.

        Raises:
            ConfigError: If the combination of values is not valid.
        """
        return vary_settings(self.profile, self.base, self.variant, self.workspace).settings()

    @property
    def result(self) -> TrialResult | None:
        """What became of it; None when it has not ended, or its file is damaged, so that it is played again.

        Raises:
            NewerRecordError: If a newer quantflow has written it.
        """
        try:
            read = json.loads(self.file.read_bytes())
            refuse_newer(read, SCHEMA_VERSION, f"Trial {self.number} of {self.run_id}")
            found = unsealed(read)
            found.pop("schema_version")
            return TrialResult.from_json(found)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    @property
    def is_due(self) -> bool:
        """Whether it is still to be played: it has not ended, or was lost."""
        result = self.result
        return result is None or result.state == "lost"

    def forget(self) -> None:
        """Remove its result."""
        self.file.unlink(missing_ok=True)

    def write(self, result: TrialResult) -> None:
        """Record what became of it, atomically."""
        data = sealed(json.loads(scrubbed(json.dumps({"schema_version": SCHEMA_VERSION, **result.json()}))))
        write_atomic(self.file, json.dumps(data, indent=1, sort_keys=True).encode())
