"""Checks of what earlier runs have left, and of what cron would make of the next ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from quantflow.config.credentials import VARIABLE
from quantflow.doctor.base import Finding, Place, Result
from quantflow.errors import QuantflowError

if TYPE_CHECKING:
    from quantflow.runs.run import Run

AT_MOST = 5
"""Runs that are listed; older ones are only counted."""

CRON_HAS = frozenset({"HOME", "LOGNAME", "USER", "SHELL", "PATH", "PWD", "LANG", "MAILTO"})


def runs(place: Place) -> Iterator[Finding]:
    """Is a run unfinished, with none after it that has done the same session?"""
    from quantflow.runs.find import list_runs

    every = list_runs(place.workspace)
    newest: dict[tuple[str, str, str], Run] = {}
    for run in every:
        if run.state == "unreadable":
            again = f"quantflow inspect {run.id}, then run that session again"
            why, fix = (
                (str(run.error["message"]), str(run.error["hint"])) if run.error else ("its record is damaged", again)
            )
            yield Finding("runs", Result.WARN, f"{run.id}: {why}", fix)
        else:
            newest[run.header.kind, run.profile, run.as_of.isoformat()] = run
    due = [run for run in newest.values() if run.state in ("failed", "interrupted")]
    for run in due[-AT_MOST:]:
        fix = f"quantflow resume {run.id}"
        yield Finding("runs", Result.WARN, f"{run.id} {run.state}", fix)
    if len(due) > AT_MOST:
        yield Finding("runs", Result.WARN, f"and {len(due) - AT_MOST} older ones", "quantflow catchup")
    if not due:
        live = [run.id for run in every if run.state == "running"]
        at_work = f"; at work: {', '.join(live)}" if live else ""
        yield Finding("runs", Result.OK, f"no unfinished runs ({len(every)} in all){at_work}")


def books(place: Place) -> Iterator[Finding]:
    """Is each current book whole, and is one stale?"""
    from quantflow.runs.book import broken, stale

    wrong = broken(place.workspace)
    for each in wrong:
        yield Finding("books", Result.WARN, f"{each.profile}: {each.problem}", each.fix)
    names = sorted(path.name.removesuffix(".STALE") for path in (place.workspace / "current").glob("*.STALE"))
    old = {name: text for name in names if (text := stale(place.workspace, name)) is not None}
    for name, text in old.items():
        yield Finding("books", Result.WARN, f"{name}: {' '.join(text.split())}", _unstale(text, place.workspace))
    if not wrong and not old:
        yield Finding("books", Result.OK, "all are whole, none is stale")


def _unstale(text: str, workspace: Path) -> str:
    from quantflow.runs.find import find_run

    found = re.search(r"^Run (\S+) did not replace it", text, re.MULTILINE)
    if not found:
        return "quantflow publish latest"
    try:
        complete = find_run(workspace, found[1]).state == "completed"
    except QuantflowError:
        return "quantflow catchup"
    return f"quantflow {'publish' if complete else 'resume'} {found[1]}"


def cron(place: Place) -> Iterator[Finding]:
    """What does this shell have that a job of cron would not?"""
    lost = sorted(name for name in _that_matter(place) if name not in CRON_HAS)
    if lost:
        detail = f"{', '.join(lost)}: set here, but not for a job of cron"
        yield Finding("cron", Result.WARN, detail, f"crontab -e: a line {lost[0]}=… above the job's, and so on")
    else:
        yield Finding("cron", Result.OK, "cron jobs will see every variable that is set here")


def _that_matter(place: Place) -> Iterator[str]:
    """Yield the variables of this environment that change what a run does."""
    named = set(VARIABLE.findall(str([profile.settings() for profile in place.profiles])))
    places = [path for p in place.leaves for path in (getattr(p.data, "path", None), p.execution.store)]
    remote = any("://" in str(path) for path in places)
    stores = ("AWS_", "GOOGLE_", "AZURE_", "HTTP_PROXY", "HTTPS_PROXY") if remote else ()
    for name in place.environ:
        ours = name.startswith(("QUANTFLOW_", "PREFECT_", "RAY_", *stores)) and not name.startswith("QUANTFLOW_SECRET_")
        if ours or name in named or name in ("PYTHONPATH", "TZ"):
            yield name
