"""The record of one run: a folder that tells the whole story to a person with no server."""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import secrets
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict, cast

from quantflow.config.credentials import scrubbed
from quantflow.data.sealed import refuse_newer, sealed, unsealed
from quantflow.data.store import ArtifactRef, private_folder, sweep, write_atomic
from quantflow.errors import ConfigError, InfrastructureError, IntegrityError
from quantflow.locks import FileLock
from quantflow.pipeline.code_version import NUMERIC_PACKAGES
from quantflow.pipeline.stage import Summary
from quantflow.runs.header import SCHEMA_VERSION, Header
from quantflow.types import Json

FAILED, INTERRUPTED = "run.failed", "run.interrupted"
BEGUN: tuple[str, ...] = ("run.created", "run.started")
ENDED: tuple[str, ...] = ("run.completed", FAILED, INTERRUPTED)
"""The events of a run's life: after the last of ``ENDED`` its owner only drains, shows and publishes."""

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def is_run_id(name: str) -> bool:
    """Whether *name* is a safe folder name on every system."""
    plain = bool(_RUN_ID.fullmatch(name)) and not name.endswith(".") and ".." not in name
    return plain and not _RESERVED.fullmatch(name)


def check_run_id(run_id: str) -> str:
    """Return *run_id* if it is a safe folder name on every system.

    Raises:
        ConfigError: If it is not.
    """
    if not is_run_id(run_id):
        raise ConfigError(
            f"--run-id {run_id[:60]!r} cannot name a run.",
            hint="Use letters, digits, '.', '_' and '-', starting with a letter or digit, at most 128.",
        )
    return run_id


def now() -> str:
    """Return the current time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Event(TypedDict, total=False):
    """A line of ``events.jsonl``: when, what, and facts as the event has them."""

    at: str
    event: str
    run_id: str
    stage: str
    attempt: int
    cached: bool
    header: Json
    error: str
    message: str
    hint: str | None


class Failure(TypedDict, total=False):
    """Why a stage failed."""

    type: str
    message: str
    hint: str | None
    exit_code: int
    context: Json
    traceback: str


@dataclass(frozen=True)
class StageRecord:
    """What is known of one stage of a run.

    Attributes:
        stage: The stage's id.
        state: ``running``, ``done`` or ``failed``; only the lock shows whether a running one is alive.
        key: The cache key under which it ran.
        fingerprint: What the key was made of.
        attempt: 1 for the first try.
        cached: True when the result was reused.
        outputs: Refs by artifact name.
        summary: Symbols in and out, and a note.
        started: ISO time.
        ended: ISO time; None while running.
        seconds: Wall time; None while running.
        max_rss_mb: Peak memory of the process when the stage ended, MiB.
        error: Why it failed.
        made_by: The quantflow that ran it: version and hash of its sources.
    """

    stage: str
    state: str
    key: str = ""
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    attempt: int = 1
    cached: bool = False
    outputs: Mapping[str, ArtifactRef] = field(default_factory=dict)
    summary: Summary = field(default_factory=Summary)
    started: str = ""
    ended: str | None = None
    seconds: float | None = None
    max_rss_mb: float | None = None
    error: Failure | None = None
    made_by: str = ""

    def json(self) -> Json:
        """Return the record as JSON values."""
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "fingerprint": dict(self.fingerprint),
            "outputs": {name: ref.json() for name, ref in self.outputs.items()},
            "summary": vars(self.summary),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StageRecord:
        """Return the record that ``json`` gave.

        Raises:
            TypeError, KeyError: If it is not one.
        """
        outputs = {name: ArtifactRef(**ref) for name, ref in data["outputs"].items()}
        return cls(**{**data, "outputs": outputs, "summary": Summary(**data["summary"])})


class RunRecord:
    """The folder ``runs/<run_id>`` of a workspace, to be written; ``quantflow.runs.run.Run`` says what is in it.

    Args:
        workspace: The folder that holds ``runs/``.
        run_id: The run.

    Raises:
        ConfigError: If the run id is not a safe folder name.
    """

    def __init__(self, workspace: Path, run_id: str) -> None:
        self.workspace = workspace
        self.id = check_run_id(run_id)
        self.folder = workspace / "runs" / run_id

    @property
    def exists(self) -> bool:
        """Whether the run has been created."""
        return (self.folder / "run.json").is_file()

    def sweep(self) -> None:
        """Remove what processes that died in the middle of a write have left in its folder."""
        sweep([self.folder, self.folder / "stages", self.folder / "sleeves", self.folder / "trials"])

    def create(self, header: Header) -> None:
        """Write ``run.json``: what was asked for, frozen, with its id, number and environment.

        Raises:
            InfrastructureError: If the folder cannot be written.
        """
        private_folder(self.folder / "stages")
        number = _next_number(private_folder_of(self.workspace) / "sequence")
        token = secrets.token_hex(4)
        made = replace(header, run_id=self.id, created=now(), sequence=number, token=token)
        self._write_header(replace(made, versions=versions(), cpu=cpu_kernel()).json(), "run.created")

    @cached_property
    def header(self) -> Header:
        """The contents of ``run.json``.

        Raises:
            IntegrityError: If it cannot be read; a ``NewerRecordError`` where a newer quantflow wrote it.
        """
        return Header.from_json(self._header_json())

    def _header_json(self) -> Json:
        path = self.folder / "run.json"
        try:
            found = json.loads(path.read_bytes())
            refuse_newer(found, SCHEMA_VERSION, f"Run {self.id}")
            return _checked_header(found)
        except _DAMAGE as error:
            if found := self._header_from_events():
                return found
            raise IntegrityError(
                f"The record {path} cannot be read: {error}.", hint="Start the run again with a new --run-id."
            ) from error

    def _header_from_events(self) -> Json | None:
        """Return the header as the events have it, for a ``run.json`` that was damaged; None when they do not."""
        for event in reversed(self.events()):
            with suppress(*_DAMAGE):
                return _checked_header(event.get("header"))
        return None

    def add_flow_run(self, flow_run_id: str) -> None:
        """Record which flow run in Prefect's API works on this run."""
        self.update(flow_runs=[*self.header.flow_runs, flow_run_id])

    def update(self, **changes: object) -> None:
        """Change the header, atomically."""
        self._write_header({**self._header_json(), **changes}, "run.updated")

    def _write_header(self, header: Json, event: str) -> None:
        self.event(event, header=self._write("run.json", header))

    def write_stage(self, record: StageRecord) -> None:
        """Write one stage's record, atomically."""
        self._write(self._stage_file(record.stage), record.json())
        self.event(f"stage.{record.state}", stage=record.stage, attempt=record.attempt, cached=record.cached)

    def note(self, stage_id: str, text: str) -> None:
        """Put a note on a running stage's record: how far it has come."""
        found = self.stage(stage_id)
        if found is not None and found.state == "running":
            self._write(self._stage_file(stage_id), replace(found, summary=Summary(note=text)).json())

    def stage(self, stage_id: str) -> StageRecord | None:
        """Return what is known of a stage; None when it was never started, or its record is torn."""
        try:
            found = json.loads((self.folder / self._stage_file(stage_id)).read_bytes())
            return StageRecord.from_json(unsealed(found))
        except _DAMAGE:
            return None

    def _stage_file(self, stage_id: str) -> str:
        return f"stages/{self.header.stages.index(stage_id) + 1}-{stage_id}.json"

    def event(self, name: str, **facts: object) -> None:
        """Append one line to ``events.jsonl``."""
        line = scrubbed(json.dumps({"at": now(), "event": name, "run_id": self.id, **facts})) + "\n"
        try:
            fd = os.open(self.folder / "events.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(fd, line.encode())
            finally:
                os.close(fd)
            self._forget()
        except OSError as error:
            raise InfrastructureError(
                f"{self.folder} cannot be written: {error.strerror}.", hint="Free space, then resume."
            ) from error

    def events(self) -> list[Event]:
        """Return the events, oldest first; a torn last line is left out."""
        try:
            lines = (self.folder / "events.jsonl").read_text(errors="replace").splitlines()
        except OSError:
            return []
        return [event for line in lines if (event := _parsed(line))]

    def write_file(self, name: str, text: str) -> None:
        """Write a file that people open, atomically."""
        write_atomic(self.folder / name, text.encode())

    def _forget(self) -> None:
        """Drop what was read from the folder, since that changes."""
        for name in vars(self).keys() - {"workspace", "id", "folder"}:
            vars(self).pop(name, None)

    def _write(self, name: str, value: Json) -> Json:
        full = sealed(json.loads(scrubbed(json.dumps(value, default=str))))
        write_atomic(self.folder / name, json.dumps(full, indent=1, sort_keys=True).encode())
        self._forget()
        return full


_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading a damaged record may raise."""


def _checked_header(found: object) -> Json:
    header = unsealed(found)
    Header.from_json(header)
    return header


def private_folder_of(workspace: Path) -> Path:
    """Return the workspace's folder for quantflow's own files, made when it is missing."""
    private_folder(workspace / ".quantflow")
    return workspace / ".quantflow"


def _next_number(path: Path) -> int:
    """Return a number larger than any before in this workspace, independent of the clock."""
    with FileLock(path) as lock:
        lock.take(seconds=None)
        text = lock.read()
        number = int(text) + 1 if text.isdigit() else 1
        lock.write(str(number).encode())
        return number


def _parsed(line: str) -> Event | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return cast(Event, found) if isinstance(found, dict) else None


def versions() -> dict[str, str]:
    """Return the versions of what can change a result or a run's behaviour."""
    packages = ("quantflow", "prefect", "ray", *NUMERIC_PACKAGES)
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def cpu_kernel() -> str:
    """Return the CPU's model and the kernel that linear algebra takes on it: the last bits of a result depend on both.

    One model may have several kernels: OpenBLAS chooses by what the CPU can do, or as configured.
    """
    from threadpoolctl import threadpool_info

    kernels = {f"{each['internal_api']} {each['architecture']}" for each in threadpool_info() if "architecture" in each}
    return ", ".join([_cpu_model(), *sorted(kernels)])


def _cpu_model() -> str:
    try:
        lines: Sequence[str] = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = ()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else f"{platform.machine()} {sys.platform}"


def peak_rss_mb() -> float:
    """Return this process's peak resident memory, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024.0 if sys.platform != "darwin" else 1024.0**2), 1)
