"""Checks of the machine: Python, packages, the clock, what Ray needs."""

from __future__ import annotations

import shlex
import shutil
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.metadata import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from quantflow.doctor.base import Finding, Place, Result
from quantflow.errors import InfrastructureError

LEAST_YEAR = 2024
SHARED_MEMORY = Path("/dev/shm")
LEAST_SHARED = 256 * 2**20
"""Bytes that Ray's object store needs; with less it falls back to slow disk, or does not start."""


def python(place: Place) -> Iterator[Finding]:
    """Is this a Python that quantflow was tested with?"""
    wanted = str(metadata("quantflow")["Requires-Python"])
    if SpecifierSet(wanted).contains(place.python):
        yield Finding("python", Result.OK, place.python)
    else:
        yield Finding("python", Result.BLOCKS, f"{place.python}, must be {wanted}", "python3.12 -m venv .venv")


def packages(place: Place) -> Iterator[Finding]:
    """Is each package that quantflow needs installed, in a version that it works with?"""
    every = [Requirement(text) for text in metadata("quantflow").get_all("Requires-Dist") or ()]
    needed = [each for each in every if each.marker is None or each.marker.evaluate({"extra": ""})]
    wrong = [(each, place.version_of(each.name)) for each in needed]
    wrong = [(each, has) for each, has in wrong if has is None or not each.specifier.contains(has, prereleases=True)]
    for each, has in wrong:
        detail = f"{each.name} {has or 'is not installed'}, must be {each.specifier or 'there'}"
        yield Finding("packages", Result.BLOCKS, detail, f"{place.pip} {shlex.quote(f'{each.name}{each.specifier}')}")
    if not wrong:
        shown = ", ".join(f"{name} {place.version_of(name)}" for name in ("prefect", "ray", "skfolio", "pandas"))
        yield Finding("packages", Result.OK, f"{len(needed)} as needed: {shown}, …")


def clock(place: Place) -> Iterator[Finding]:
    """Is the time of day possible: not before this program, and not before the newest run?"""
    from quantflow.runs.find import list_runs

    headers = [run.header for run in list_runs(place.workspace) if run.state != "unreadable"]
    newest = max((datetime.fromisoformat(header.created) for header in headers), default=None)
    fix = "timedatectl set-ntp true"
    if place.now.year < LEAST_YEAR:
        yield Finding("clock", Result.BLOCKS, f"it says {place.now:%Y-%m-%d %H:%M} UTC", fix)
    elif newest and newest > place.now + timedelta(minutes=1):
        yield Finding("clock", Result.WARN, f"a run was created {newest - place.now} from now", fix)
    else:
        yield Finding("clock", Result.OK, f"{place.now:%Y-%m-%d %H:%M} UTC")


def ray(place: Place) -> Iterator[Finding]:
    """Can sleeves run on Ray: its memory, its token, the clusters that profiles name? (Without: ``--runner local``.)"""
    addresses = {profile.execution.ray_address for profile in place.profiles if profile.execution.ray_address}
    findings = [*_shared_memory(), *_token(place), *(f for a in sorted(addresses) for f in _address(a))]
    yield from findings
    if not findings:
        answers = f"; {', '.join(sorted(addresses))} answers" if addresses else ""
        yield Finding("ray", Result.OK, f"{place.version_of('ray')}{answers}")


def _shared_memory() -> Iterator[Finding]:
    if SHARED_MEMORY.is_dir() and (free := shutil.disk_usage(SHARED_MEMORY).free) < LEAST_SHARED:
        fix = "quantflow meta … --runner local, or a container with --shm-size=1g"
        yield Finding("ray", Result.WARN, f"{SHARED_MEMORY} has {free / 2**20:.0f} MiB free, Ray wants 256", fix)


def _token(place: Place) -> Iterator[Finding]:
    token = place.home / ".ray" / "auth_token"
    if token.is_file() and stat.S_IMODE(token.stat().st_mode) & 0o077:
        detail = f"others can read {token}, and so use your Ray"
        yield Finding("ray", Result.WARN, detail, f"chmod 600 {shlex.quote(str(token))}")


def _address(address: str) -> Iterator[Finding]:
    from quantflow.execution.ray import probe

    try:
        probe(address)
    except InfrastructureError as error:
        yield Finding("ray", Result.BLOCKS, error.message, "ray start --head on that machine, or --runner local")
