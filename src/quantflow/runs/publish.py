"""The current book of a profile: ``current/PROFILE``, moved whole, and only to weights that pass the gates."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantflow.config.publish import PublishConfig
from quantflow.data.store import private_folder, write_atomic
from quantflow.errors import DegradedError, InfrastructureError, LockedError, Stopped
from quantflow.runs.record import RunRecord
from quantflow.runs.results import results, weights_of
from quantflow.runs.sleeves import links, result_of
from quantflow.runs.status import EXPORTS, RunStatus

TOLERANCE = 1e-9
HOW = ("execution", "schedule")
"""Sections that say how and when a profile is run, and nothing of what it is."""
MOST_SHARPE = 10.0
"""No strategy in daily bars has it; one that shows it has seen the future, or divides by next to nothing."""


@dataclass(frozen=True)
class Book:
    """What is published of a profile.

    Attributes:
        run_id: The run.
        as_of: Its session, ISO.
        weights: Signed fraction of capital, by symbol.
    """

    run_id: str
    as_of: str
    weights: Mapping[str, float]


def publish(run: RunStatus) -> Path | None:
    """Make the weights of a complete run the profile's current book.

    The book stays as it is, without a word, when it is this run already, when the profile says so, when the run was
    made with settings that are not the profile's (``--set``, the environment), or is of an older session than the book.

    Returns:
        The book's folder; None when it was left alone.

    Raises:
        DegradedError: If a gate holds the run back: the former book stays, with a file ``STALE`` beside it.
        InfrastructureError: If the book cannot be written.
    """
    record, config = run.record, _config(run.record)
    there = current(record.workspace, record.header["profile"])
    if not config.enabled or _is_experiment(record) or (there and there.as_of > record.header["as_of"]):
        return None
    if there and there.run_id == record.run_id and not _stale(record).exists():
        return None
    reasons = list(held_back(run, config, there))
    if reasons:
        mark_stale(record, reasons)
        raise DegradedError(
            f"Run {record.run_id} is complete, but not published: {'; '.join(reasons)}.",
            hint=f"The book of {there.run_id if there else 'no run'} stays; see quantflow inspect {record.run_id}",
        )
    try:
        return _move(run)
    except OSError as error:
        raise InfrastructureError(
            f"The book of {record.header['profile']} cannot be written: {error}.",
            hint=f"Mend that, then: quantflow publish {record.run_id}",
        ) from error


def current(workspace: Path, profile: str) -> Book | None:
    """Return the current book of a profile; None when there is none."""
    try:
        told = json.loads((workspace / "current" / profile / "book.json").read_bytes())
        return Book(told["run_id"], told["as_of"], told["weights"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def books(workspace: Path) -> list[str]:
    """Return the profiles that have a current book, sorted."""
    return sorted(path.parent.name for path in (workspace / "current").glob("[!.]*/book.json"))


def stale(workspace: Path, profile: str) -> str | None:
    """Return what the file beside a profile's book says of runs that did not replace it; None when there is none."""
    try:
        return _stale_file(workspace, profile).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def mark_stale(record: RunRecord, reasons: list[str]) -> None:
    """Say beside a profile's book, when there is one, that a newer run did not replace it, and why."""
    profile = record.header["profile"]
    there = current(record.workspace, profile)
    if there is None or there.as_of > record.header["as_of"] or record.header.get("parent") or _is_experiment(record):
        return
    lines = [
        f"The book is of {there.as_of} (run {there.run_id}).",
        f"Run {record.run_id} did not replace it:",
        *reasons,
    ]
    write_atomic(_stale(record), ("\n".join(lines) + "\n").encode())


@contextmanager
def stale_when_it_fails(record: RunRecord) -> Iterator[None]:
    """Mark the book as stale when the block, in which the run is executed, fails or is stopped; another's run is not.

    Raises:
        BaseException: What the block raised.
    """
    try:
        yield
    except LockedError:
        raise
    except (Stopped, Exception) as error:
        mark_stale(record, [f"it {'was stopped' if isinstance(error, Stopped) else 'failed'}: {error}"])
        raise


def held_back(run: RunStatus, config: PublishConfig, there: Book | None) -> Iterator[str]:
    """Yield why the weights of *run* must not become the book; nothing when they may."""
    weights = weights_of(run)
    settings = run.record.header["settings"]
    budget = settings.get("budget") or settings["allocation"]["budget"]
    if not weights:
        yield "it has no weights"
    for name, weight in weights.items():
        if not math.isfinite(weight):
            yield f"the weight of {name} is {weight}"
        elif config.max_weight is not None and abs(weight) > config.max_weight + TOLERANCE:
            yield f"the weight of {name} is {weight:.2%}, beyond publish.max_weight {config.max_weight:.2%}"
    gross = sum(abs(weight) for weight in weights.values())
    if gross > budget + TOLERANCE:
        yield f"the weights sum to {gross:.4f} in absolute terms, beyond the budget {budget:.4f}"
    if there is not None and config.max_turnover is not None:
        turnover = sum(abs(weights.get(n, 0.0) - there.weights.get(n, 0.0)) for n in {*weights, *there.weights}) / 2
        if turnover > config.max_turnover + TOLERANCE:
            yield f"the turnover is {turnover:.2%}, beyond publish.max_turnover {config.max_turnover:.2%}"
    yield from _impossible(results(run).load("metrics")["strategy"])
    yield from _old_sleeves(run.record)


def doubts(run: RunStatus) -> Iterator[str]:
    """Yield why the weights of a complete run are not such as become its profile's book as they are."""
    record = run.record
    if run.degraded:
        yield "the run is degraded: it ended well, but not as asked"
    if _is_experiment(record):
        yield "the run is an experiment: made with settings that are not its profile's"
    for reason in held_back(run, _config(record), current(record.workspace, record.header["profile"])):
        yield f"the run would not be published: {reason}"


def _impossible(figures: Mapping[str, Any]) -> Iterator[str]:
    for name, value in figures.items():
        if isinstance(value, float) and not math.isfinite(value):
            yield f"its {name} is {value}"
    if abs(figures.get("sharpe") or 0.0) > MOST_SHARPE:
        yield f"its Sharpe ratio is {figures['sharpe']:.1f}"
    if not 0.0 <= (figures.get("max_drawdown") or 0.0) <= 1.0:
        yield f"its largest drawdown is {figures['max_drawdown']:.2%}"


def _old_sleeves(record: RunRecord) -> Iterator[str]:
    if record.header["kind"] != "meta":
        return
    for link in links(record):
        found = result_of(link, record.workspace)
        if found is not None and found.as_of < record.header["as_of"]:
            yield f"sleeve {link.id} is of {found.as_of}"


def _move(run: RunStatus) -> Path:
    """Put the run's files into a folder of their own, then point the profile's link at it in one step."""
    record = run.record
    profile = record.header["profile"]
    books = record.workspace / "current" / ".books" / profile
    folder = books / record.run_id
    making = books / f".{record.run_id}"
    shutil.rmtree(making, ignore_errors=True)
    private_folder(record.workspace / "current")
    making.mkdir(parents=True)
    for file in EXPORTS.values():
        shutil.copyfile(record.folder / file, making / file)
    told = {"run_id": record.run_id, "profile": profile, "as_of": record.header["as_of"], "weights": weights_of(run)}
    (making / "book.json").write_text(json.dumps(told, indent=1))
    if folder.exists():
        folder.rename(books / f".{record.run_id}.old")
    making.rename(folder)
    link = books / ".link"
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(folder, record.workspace / "current"))
    link.rename(record.workspace / "current" / profile)
    _stale(record).unlink(missing_ok=True)
    for other in books.iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    return Path(record.workspace, "current", profile)


def _config(record: RunRecord) -> PublishConfig:
    return PublishConfig(**record.header["settings"].get("publish", {}))


def _is_experiment(record: RunRecord) -> bool:
    """Whether the run, or a sleeve of it, was made with other settings than its profile's; how it is run is not one."""
    sources = record.header["sources"].items()
    if any(source.startswith(("--set", "env")) for name, source in sources if not name.startswith(HOW)):
        return True
    if record.header["kind"] != "meta":
        return False
    return any(_is_experiment(RunRecord(record.workspace, link.run_id)) for link in links(record) if not link.pinned)


def _stale(record: RunRecord) -> Path:
    return _stale_file(record.workspace, record.header["profile"])


def _stale_file(workspace: Path, profile: str) -> Path:
    return workspace / "current" / f"{profile}.STALE"
