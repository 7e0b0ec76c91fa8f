"""Writing the page's folder: what changed since the last time, and an index of all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quantflow.data.store import private_folder
from quantflow.errors import ConfigError, QuantflowError
from quantflow.pipeline.code_version import package_version
from quantflow.runs.find import list_runs
from quantflow.runs.kinds import Meta
from quantflow.runs.lock import waited_for
from quantflow.runs.run import Run
from quantflow.types import Json, Record
from quantflow.ui.site.books import end_of, profiles_of, track_of
from quantflow.ui.site.changes import LATEST, change_of, latest_decided, pairs
from quantflow.ui.site.curves import small
from quantflow.ui.site.detail import content_of, key_of, record_of
from quantflow.ui.site.gathered import lineage_of, names_of, quality_of
from quantflow.ui.site.row import damaged_row, row_of
from quantflow.ui.site.script import plain, write_data, write_static, write_text
from quantflow.ui.site.signature import signature_of

FOLDER = "site"
MARK = ".built.json"
WAIT_SECONDS = 600.0
_FORMAT = 1
_KEPT = 16
"""Runs whose contents are kept for those that found the same, such as one that was run again."""

Tell = Callable[[str], None]
Known = dict[str, Any]
"""What was found of a run the last time: signature, row, lineage, names, checks."""


@dataclass(frozen=True)
class Built:
    """A page that was written.

    Attributes:
        page: The file to open.
        runs: How many runs it shows, those of sleeves too.
        written: How many of them had changed since the last time.
        running: How many were at work: these may end without writing anything.
    """

    page: Path
    runs: int
    written: int
    running: int


def build(workspace: Path, folder: Path, tell: Tell = lambda _: None) -> Built:
    """Write the page over a workspace; what has not changed since the last time stays.

    Args:
        workspace: The folder that holds the runs.
        folder: Where to; made when it is missing.
        tell: Called with a line now and then.

    Raises:
        ConfigError: If the folder holds something else.
        InfrastructureError: If it cannot be written.
    """
    _refuse_foreign(folder)
    private_folder(folder)
    with waited_for(folder / ".lock", WAIT_SECONDS):
        if not (folder / MARK).exists():
            write_text(folder / MARK, "{}")  # first, so that a page that was begun is known as one
            write_text(folder / ".gitignore", "*\n")
        write_static(folder)
        before = _known(folder)
        runs = list_runs(workspace, sleeves=True)
        found: dict[str, Known] = {}
        try:
            _runs(folder, runs, before, found, tell)
        except BaseException:  # a signal: what was written need not be written again
            _write_mark(folder, {**before, **found})
            raise
        found = dict(reversed(found.items()))
        written = {name for name, known in found.items() if known is not before.get(name)}
        _remove_others(folder / "data" / "runs", found)
        _overview(workspace, folder, runs, found, written)
        _write_mark(folder, found)
    running = sum(known["row"]["state"] == "running" for known in found.values())
    return Built(folder / "index.html", len(found), len(written), running)


def _refuse_foreign(folder: Path) -> None:
    if folder.is_dir() and not (folder / MARK).is_file() and any(folder.iterdir()):
        raise ConfigError(
            f"{folder} is not empty, and not a page that quantflow wrote.",
            hint="Name an empty folder: quantflow ui --output DIR",
        )


def _known(folder: Path) -> Mapping[str, Known]:
    """Return what was found the last time, by run; nothing where another version wrote it."""
    try:
        found = json.loads((folder / MARK).read_bytes())
        same = (found.get("format"), found.get("version")) == (_FORMAT, package_version())
        return dict(found["runs"]) if same else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _write_mark(folder: Path, runs: Mapping[str, Known]) -> None:
    write_text(folder / MARK, json.dumps({"format": _FORMAT, "version": package_version(), "runs": runs}))


def _runs(folder: Path, runs: Sequence[Run], before: Mapping[str, Known], found: dict[str, Known], tell: Tell) -> None:
    """Write the files of the runs that have changed, the newest first; put into *found* what is known of each."""
    contents: dict[str, Json] = {}
    latest = latest_decided(runs)
    for number, run in enumerate(reversed(runs), start=1):
        signature = signature_of(run.folder)
        known = before.get(run.id)
        over = known is not None and known["row"]["state"] != "running"
        if known and over and known["signature"] == signature and (folder / "data" / "runs" / f"{run.id}.js").is_file():
            found[run.id] = known
            continue
        tell(f"{number} of {len(runs)} runs")
        found[run.id] = {"signature": signature, **_written(folder, run, contents, changes=run.id in latest)}


def _written(folder: Path, run: Run, contents: dict[str, Json], *, changes: bool) -> Known:
    """Write a run's file, and return what the overview needs of it; a run that cannot be read is one line."""
    found: Known
    if run.state == "unreadable":
        found, detail = {"row": damaged_row(run, "its record cannot be read")}, _hardly(run)
    else:
        try:
            found, detail = _whole(run, contents, changes=changes)
        except Exception as error:  # noqa: BLE001  # damaged files break in any way; the other runs are shown
            words = error.message if isinstance(error, QuantflowError) else f"{type(error).__name__}: {error}"
            found, detail = {"row": damaged_row(run, f"its files are damaged: {words}")}, _hardly(run)
    write_data(folder, f"runs/{run.id}", detail)
    empty: Known = {"walk": [], "lineage": [], "names": [], "checks": None}
    known: Known = plain({**empty, **found})
    return known


def _whole(run: Run, contents: dict[str, Json], *, changes: bool) -> tuple[Known, Json]:
    key = key_of(run, changes=changes)
    if key not in contents or isinstance(run, Meta):  # what a meta run says of names is in its sleeves
        while len(contents) >= _KEPT:
            contents.pop(next(iter(contents)))
        contents[key] = plain(content_of(run, changes=changes))
    content: Record = contents[key]
    found = {
        "row": row_of(run, content),
        "walk": small(content["curve"]),
        "lineage": lineage_of(run),
        "names": names_of(content),
        "checks": quality_of(content),
    }
    return found, {**plain(record_of(run)), **content}


def _hardly(run: Run) -> Json:
    return {"id": run.id, "folder": str(run.folder)}


def _overview(
    workspace: Path, folder: Path, runs: Sequence[Run], found: Mapping[str, Known], written: set[str]
) -> None:
    """Write what is about all runs: the index, books, changes, and what is read only when it is asked for."""
    rows = {name: known["row"] for name, known in found.items()}
    own = [run for run in runs if not rows[run.id].get("parent")]
    profiles = profiles_of(workspace, own, rows)
    for profile in profiles:
        book = track_of(workspace, str(profile["name"]))
        profile["curve"] = found[str(profile["walk"])]["walk"] if profile["walk"] else []
        profile["track"] = end_of(book)
        write_data(folder, str(profile["file"]), plain(book))
    _remove_others(folder / "data" / "books", {str(profile["file"]).partition("/")[2] for profile in profiles})
    changed = _changes(folder, own, found, written)
    heads = {name: [rows[name]["profile"], rows[name]["as_of"]] for name in rows}
    write_data(folder, "lineage", [[name, known["lineage"]] for name, known in found.items()])
    write_data(folder, "names", [[name, *heads[name], known["names"]] for name, known in found.items()])
    write_data(folder, "checks", [[name, *heads[name], k["checks"]] for name, k in found.items() if k["checks"]])
    index: Json = {
        "workspace": str(workspace),
        "runs_folder": os.path.relpath(workspace / "runs", folder),
        "rows": list(reversed(rows.values())),
        "profiles": profiles,
        "changes": changed,
        "latest": LATEST,
    }
    index["stamp"] = hashlib.sha256(json.dumps(plain(index), sort_keys=True).encode()).hexdigest()
    built = datetime.now(UTC).isoformat(timespec="seconds")
    write_data(folder, "index", plain({"built": built, **index}))
    write_data(folder, "stamp", index["stamp"])


def _changes(folder: Path, runs: Sequence[Run], found: Mapping[str, Known], written: set[str]) -> Json:
    """Write what changed in the newest runs of each profile; return by run the one that it was compared with."""
    compared: dict[str, object] = {}
    for before, after in pairs([run for run in runs if found[run.id]["row"]["state"] == "completed"]):
        name, known = f"changes/{after.id}", found[after.id]
        same = known.get("before") == before.id and not {before.id, after.id} & written
        if not same or not (folder / "data" / f"{name}.js").is_file():
            try:
                write_data(folder, name, plain(change_of(before, after)))
            except Exception:  # noqa: BLE001  # damaged files break in any way; the run's own row says so
                continue
        known["before"] = compared[after.id] = before.id
    _remove_others(folder / "data" / "changes", compared)
    return compared


def _remove_others(folder: Path, kept: Mapping[str, object] | set[str]) -> None:
    """Remove the files of runs and profiles that are there no more, and what a killed process left."""
    for path in folder.glob("*.js*") if folder.is_dir() else ():
        if path.name.removesuffix(".js") not in kept:
            path.unlink(missing_ok=True)
