"""Which runs, cached results and artifacts are no longer needed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from quantflow.runs.layout import Layout
from quantflow.runs.lock import owner
from quantflow.runs.publish import books, current
from quantflow.runs.record import RunRecord
from quantflow.runs.sleeves import links
from quantflow.runs.status import RunStatus, list_runs


@dataclass(frozen=True)
class Garbage:
    """What can go.

    Attributes:
        runs: Ids of runs, those of their sleeves included.
        files: Cached results and artifacts that no remaining run refers to.
        live: Ids of runs at work; while there are any, ``files`` is empty, since what they are about to refer to
            cannot be known.
    """

    runs: tuple[str, ...]
    files: tuple[Path, ...]
    live: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """The size of ``files``."""
        return sum(path.stat().st_size for path in self.files)


def find_garbage(workspace: Path, keep: int, older_than: timedelta | None, now: datetime | None = None) -> Garbage:
    """Return what can go from a workspace and its local store; the runs of the current books stay.

    Args:
        workspace: The folder that holds ``runs/``.
        keep: The newest runs, as many as this, always stay.
        older_than: Runs younger than this stay too; None for no such rule.
        now: The time; the clock's when None.
    """
    everything = {run.record.run_id: run for run in list_runs(workspace, sleeves=True)}
    top = [run for run in list_runs(workspace) if run.state != "unreadable"]
    limit = (now or datetime.now(UTC)) - (older_than or timedelta(0))
    held = {book.run_id for name in books(workspace) if (book := current(workspace, name))}
    old = [
        run
        for run in top[: max(0, len(top) - keep)]
        if _created(run) <= limit and run.owner is None and run.record.run_id not in held
    ]
    gone = {run.record.run_id for run in old}
    kept = _with_sleeves([name for name in (run.record.run_id for run in top) if name not in gone], everything)
    going = tuple(sorted(_with_sleeves(gone, everything) - kept))
    live = tuple(sorted(name for name in everything if owner(workspace / "runs" / name)))
    files = () if live else tuple(_unused(workspace, [run for name, run in everything.items() if name not in going]))
    return Garbage(going, files, live)


def remove(workspace: Path, garbage: Garbage) -> None:
    """Remove what was found: runs first, so that none refers to what is gone."""
    for name in garbage.runs:
        shutil.rmtree(workspace / "runs" / name)
    for path in garbage.files:
        path.unlink(missing_ok=True)


def _created(run: RunStatus) -> datetime:
    return datetime.fromisoformat(run.record.header["created"])


def _with_sleeves(names: Iterable[str], runs: dict[str, RunStatus]) -> set[str]:
    """Return the runs *names* and all that they are made of, pinned runs included."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name in found or name not in runs:
            continue
        found.add(name)
        record = runs[name].record
        if runs[name].state != "unreadable" and record.header["kind"] == "meta":
            todo += [link.run_id for link in links(record)]
    return found


def _unused(workspace: Path, remaining: Iterable[RunStatus]) -> list[Path]:
    layout = Layout.of(workspace)
    keys, artifacts = _referred(remaining)
    cached = [path for path in Path(layout.cache).glob("*.json") if path.stem not in keys]
    stored = [path for path in Path(layout.store).glob("*/*") if path.name.split(".")[0] not in artifacts]
    return cached + stored


def _referred(runs: Iterable[RunStatus]) -> tuple[set[str], set[str]]:
    keys, artifacts = set[str](), set[str]()
    for run in runs:
        for stage in _stage_files(run.record):
            keys.add(str(stage.get("key", "")))
            artifacts |= {str(ref.get("sha256", "")) for ref in stage.get("outputs", {}).values()}
    return keys, artifacts


def _stage_files(record: RunRecord) -> list[dict[str, dict[str, dict[str, str]]]]:
    """Return the stage records of a run as they lie there, also of a run whose header is damaged."""
    found = []
    for path in (record.folder / "stages").glob("*.json"):
        try:
            found.append(json.loads(path.read_bytes()))
        except (OSError, ValueError):
            continue
    return [stage for stage in found if isinstance(stage, dict)]
