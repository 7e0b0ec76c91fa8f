"""All checks, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from quantflow.doctor import api, machine, workspace
from quantflow.doctor import sessions as nights
from quantflow.doctor.base import Check, Finding, Place, Result
from quantflow.errors import said

CHECKS: tuple[Check, ...] = (
    machine.python,
    machine.packages,
    machine.clock,
    workspace.folder,
    workspace.file_system,
    workspace.disk,
    workspace.profiles,
    workspace.data,
    workspace.calendar,
    api.api,
    machine.ray,
    nights.runs,
    nights.books,
    nights.cron,
)
"""A check more is a function more."""


def checkup(place: Place, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Return what all checks find; one that breaks is a finding itself, and the others go on."""
    return [finding for check in checks for finding in _looked(check, place)]


def _looked(check: Check, place: Place) -> list[Finding]:
    name = check.__name__.replace("_", " ")
    try:
        return list(check(place))
    except Exception as error:  # noqa: BLE001  # a check that breaks is itself a finding
        detail = f"the check failed: {type(error).__name__}: {said(error)}"
        return [Finding(name, Result.BLOCKS, detail, "fix the problems above, then run quantflow doctor again")]
