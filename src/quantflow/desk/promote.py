"""From research to book: the settings of a run become a profile of ``quantflow.toml``."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantflow.config.documents import built_in, check_name, document_of, read_file
from quantflow.config.load import document_problems, override_settings, resolve
from quantflow.config.operation import PublishConfig
from quantflow.config.workspaces import FILE
from quantflow.data.store import write_atomic
from quantflow.desk.promotions import Promotion, decided_now, record, recording
from quantflow.desk.publish import held_back
from quantflow.desk.toml_edits import REMOVED, edited, plain
from quantflow.errors import ConfigError, InfrastructureError, said
from quantflow.quant.turnover import traded
from quantflow.runs.book import Book, current
from quantflow.runs.find import find_portfolio
from quantflow.runs.kinds import Meta
from quantflow.runs.research.counted import UNWEIGHTED
from quantflow.types import Json, Settings

PATHS = ("data.path", "data.instruments", "data.cache", "universe.members", "validation.costs", "validation.benchmark")
"""Settings that are written relative to the file where they lie beside it; so are the paths of tables."""


@dataclass(frozen=True)
class Candidate:
    """What can be promoted: settings that were tried, and the weights that they gave.

    Attributes:
        id: The run, or the trial of a sweep.
        profile: The profile that it was of.
        as_of: Its session, ISO.
        settings: Its sections, as ``Profile.settings`` gave them then.
        weights: Signed fractions of capital, by symbol.
        gates: Gives what would hold the weights back from a book under some section ``publish``.
    """

    id: str
    profile: str
    as_of: str
    settings: Settings
    weights: Mapping[str, float]
    gates: Callable[[PublishConfig, Book | None], Iterable[str]]


@dataclass(frozen=True)
class Plan:
    """What a promotion would do.

    Attributes:
        candidate: What is promoted.
        profile: The profile that is written.
        extends: The profile that a new one extends; empty where it stands alone, and for one that exists.
        created: Whether it is new.
        changes: Values before and after by ``section.key``; before, of the profile or of what a new one extends.
        before: The bytes of the file.
        after: Those that it would have; the same where nothing changes.
        turnover: Against the profile's current book, both sides; from cash where there is none.
        book: The run of that book; None without one.
        gates: Why the candidate's weights would be held back from it.
        also: Other profiles of the file whose settings change with it.
        decided: Who decides and when.
    """

    candidate: Candidate
    profile: str
    extends: str
    created: bool
    changes: Mapping[str, tuple[Any, Any]]
    before: bytes
    after: bytes
    turnover: float
    book: str | None
    gates: tuple[str, ...]
    also: tuple[str, ...]
    decided: tuple[str, str]

    @property
    def needed(self) -> bool:
        """Whether anything would be written."""
        return self.before != self.after

    @property
    def diff(self) -> str:
        """The unified diff of the file."""
        old, new = (text.decode("utf-8-sig").splitlines() for text in (self.before, self.after))
        return "\n".join(difflib.unified_diff(old, new, FILE, FILE, lineterm=""))

    def json(self, *, written: bool) -> Json:
        """Return it as JSON values, and whether it was done."""
        return {
            "run_id": self.candidate.id,
            "of_profile": self.candidate.profile,
            "as_of": self.candidate.as_of,
            "profile": self.profile,
            "created": self.created,
            "extends": self.extends or None,
            "changes": {key: list(pair) for key, pair in self.changes.items()},
            "diff": self.diff,
            "turnover": self.turnover,
            "book": self.book,
            "gates": list(self.gates),
            "also": list(self.also),
            "written": written,
        }


def candidate_of(workspace: Path, name: str) -> Candidate:
    """Return what a name can promote: a complete selection run that decided a portfolio, or a trial of a sweep.

    Raises:
        ConfigError: If there is no such run, or it is not one.
    """
    run = find_portfolio(workspace, name)
    if isinstance(run, Meta):
        raise ConfigError(
            f"Run {run.id} is of a meta profile, which has no settings of one profile.",
            hint="Promote the run of a sleeve; quantflow inspect shows them.",
        )
    if run.state != "completed":
        raise ConfigError(f"Run {run.id} is {run.state}, not complete.", hint=f"quantflow resume {run.id}")
    if run.header.decision.hold:
        raise ConfigError(f"Run {run.id} decided nothing.", hint=f"Promote the run that did: {run.decided_by}")

    def gates(config: PublishConfig, there: Book | None) -> Iterable[str]:
        degraded = ["it is degraded: it completed with fallbacks"] if run.degraded else []
        return [*degraded, *held_back(run, config, there)]

    return Candidate(run.id, run.profile, run.as_of.isoformat(), run.header.settings, run.weights, gates)


def plan(workspace: Path, candidate: Candidate, profile: str) -> Plan:
    """Return what promoting a candidate to a profile would do; nothing is written.

    What changes weights or figures is promoted. What is said of them, and how a profile is run, published and traded
    (``report``, ``publish``, ``orders``, ``schedule``, ``execution``) stays the profile's own.

    Raises:
        ConfigError: If the name cannot be a profile's, the settings do not validate today, or the file cannot be
            changed so that the profile has them.
    """
    before = read_file(workspace)
    document = document_of(before)
    _check_target(profile, document)
    wanted = _today(candidate)
    created = profile not in document.get("profiles", {})
    extends = _base(candidate, document) if created else ""
    start = _settings(extends if created else profile, document, workspace)
    decided = decided_now()
    comment = f"Promoted from run {candidate.id} by {decided[0]}, {decided[1]}"
    editor = _Editor(workspace, before, profile, comment)
    after = editor.written(extends if created else None, start, wanted)
    _check_others(document, document_of(after), workspace)
    book = current(workspace, profile)
    publish = resolve(profile, document_of(after), workspace).publish
    return Plan(
        candidate=candidate,
        profile=profile,
        extends=extends,
        created=created,
        changes=_differences(start, wanted),
        before=before,
        after=after,
        turnover=traded(book.weights if book else {}, candidate.weights),
        book=book.run_id if book else None,
        gates=tuple(candidate.gates(publish, book)),
        also=_also(profile, document, document_of(after), workspace),
        decided=decided,
    )


def promote(workspace: Path, planned: Plan) -> None:
    """Write a planned promotion, and record it.

    Raises:
        ConfigError: If the file has changed since it was planned.
        InfrastructureError: If it cannot be written.
    """
    with recording(workspace) as journal:
        if read_file(workspace) != planned.before:
            raise ConfigError(f"{FILE} has changed meanwhile; nothing was written.", hint="Promote again.")
        _replace(workspace / FILE, planned.after)
        done = Promotion(
            profile=planned.profile,
            run_id=planned.candidate.id,
            of_profile=planned.candidate.profile,
            who=planned.decided[0],
            at=planned.decided[1],
            created=planned.created,
            changes={key: list(pair) for key, pair in planned.changes.items()},
            turnover=planned.turnover,
            gates=list(planned.gates),
        )
        record(journal, done)


class _Editor:
    """The file, and what it takes to give a profile some settings."""

    def __init__(self, workspace: Path, before: bytes, profile: str, comment: str) -> None:
        self._workspace, self._before, self._profile, self._comment = workspace, before, profile, comment
        self._own: Mapping[str, Any] = document_of(before).get("profiles", {}).get(profile, {})

    def written(self, extends: str | None, start: Settings, wanted: Settings) -> bytes:
        """Return the bytes with which the profile has the settings that are wanted, each of them.

        Raises:
            ConfigError: If the file cannot be changed so.
        """
        changes: dict[tuple[str, ...], Any] = {}
        if extends:
            changes["profiles", self._profile, "extends"] = extends
        elif extends is not None:
            changes[self._path("data.provider")] = wanted["data"]["provider"]
        for key, (_, value) in _differences(start, wanted).items():
            changes[self._path(key)] = self._value(key, value, known=_has(wanted, key))
        after, left = self._tried(changes, wanted)
        if left:  # a limit that what it extends has: no value is not enough, it must be switched off
            changes |= {self._path(key): "off" for key, (_, value) in left.items() if value is None}
            after, left = self._tried(changes, wanted)
        if left:
            raise ConfigError(
                f"[profiles.{self._profile}] cannot be given {', '.join(left)} of the run.",
                hint="What it extends has changed since: promote to a new profile, or change it by hand.",
            )
        return after

    def _tried(self, changes: Mapping[tuple[str, ...], Any], wanted: Settings) -> tuple[bytes, Mapping[str, Any]]:
        """Return the changed bytes, and the settings in which the profile would still differ."""
        mark = b"\xef\xbb\xbf" if self._before.startswith(b"\xef\xbb\xbf") else b""
        text = edited(self._before.decode("utf-8-sig"), changes, self._comment)
        after = mark + text.encode()
        return after, _differences(_settings(self._profile, document_of(after), self._workspace), wanted)

    def _path(self, key: str) -> tuple[str, ...]:
        return "profiles", self._profile, *key.split(".", 1)

    def _value(self, key: str, value: Any, *, known: bool) -> Any:
        """Return what is written of a setting; one that the run does not know, of another provider, goes."""
        section, _ = key.split(".", 1)
        if value is None:
            return REMOVED if not known or _has(self._own, key) else "off"
        if "QUANTFLOW_SECRET_" in str(value):
            raise ConfigError(
                f"{key} of the run holds a credential, which is not in its record.",
                hint=f"Write it into [profiles.{self._profile}.{section}] by hand, then promote again.",
            )
        if key in PATHS or section == "tables":
            return _relative(value, self._workspace)
        return plain(value)


def _has(settings: Settings, key: str) -> bool:
    section, name = key.split(".", 1)
    table = settings.get(section)
    return isinstance(table, dict) and name in table


def _check_target(profile: str, document: Settings) -> None:
    check_name(profile, "The name of a profile")
    if profile in {*document.get("meta", {}), *built_in()["meta"]}:
        raise ConfigError(f"{profile!r} is a meta profile.", hint="Choose the name of a profile, or a new one.")


def _today(candidate: Candidate) -> Settings:
    """Return the candidate's settings as they are understood today, those that have come since included."""
    try:
        return override_settings(candidate.profile, candidate.settings, ()).settings()
    except ConfigError as error:
        raise ConfigError(
            f"The settings of {candidate.id} are not valid today: {said(error)}", hint=error.hint
        ) from error


def _base(candidate: Candidate, document: Settings) -> str:
    """Return what a new profile extends: the candidate's profile; nothing where that does not exist any more."""
    known = {*document.get("profiles", {}), *built_in()["profiles"]}
    return candidate.profile if candidate.profile in known else ""


def _settings(name: str, document: Settings, workspace: Path) -> Settings:
    """Return a profile's settings; the defaults for no name."""
    alone: Settings = {"profiles": {"alone": {}}}
    return resolve(name or "alone", document if name else alone, workspace).settings()


def _differences(before: Settings, after: Settings) -> dict[str, tuple[Any, Any]]:
    """Return what differs of the settings that are promoted, by ``section.key``; None for one that is not there."""
    found: dict[str, tuple[Any, Any]] = {}
    for section in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(section, {}), after.get(section, {})
        for key in [*old, *(name for name in new if name not in old)]:
            if section not in UNWEIGHTED and old.get(key) != new.get(key):
                found[f"{section}.{key}"] = old.get(key), new.get(key)
    return found


def _relative(value: Any, workspace: Path) -> Any:
    """Return a path as it is written in the workspace's file; of a table's settings theirs."""
    if isinstance(value, dict):
        return {key: _relative(inner, workspace) if key == "path" else inner for key, inner in value.items()}
    return value.removeprefix(f"{workspace}/") if isinstance(value, str) else value


def _check_others(before: Settings, after: Settings, workspace: Path) -> None:
    old = document_problems(before, workspace)
    for place, problem in document_problems(after, workspace).items():
        if place not in old:
            raise ConfigError(f"{'.'.join(place)} could not be used any more: {problem.message}", hint=problem.hint)


def _also(profile: str, before: Settings, after: Settings, workspace: Path) -> tuple[str, ...]:
    """Return the other profiles of the file whose settings are not what they were."""
    sound = [name for name in before.get("profiles", {}) if name != profile]
    broken = {name for _, name in document_problems(before, workspace)}
    return tuple(
        name
        for name in sorted(set(sound) - broken)
        if _settings(name, before, workspace) != _settings(name, after, workspace)
    )


def _replace(path: Path, data: bytes) -> None:
    """Put a file in place of another at once; the new one has its mode and owner, and a link to it stays one."""
    file = Path(os.path.realpath(path))
    found = file.stat() if file.exists() else None
    write_atomic(file, data)
    try:
        if found is not None:
            file.chmod(found.st_mode & 0o7777)
            if found.st_uid != file.stat().st_uid:
                os.chown(file, found.st_uid, found.st_gid)
    except OSError as error:
        raise InfrastructureError(
            f"{file} has lost its mode or owner: {said(error)}.", hint="Set them again."
        ) from error
