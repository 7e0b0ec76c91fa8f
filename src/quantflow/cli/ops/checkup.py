"""What ``doctor`` does; it must work where numpy does not, so it imports nothing of runs."""

from __future__ import annotations

from pathlib import Path

from quantflow.config.load import find_workspace
from quantflow.doctor.base import Place, Result
from quantflow.doctor.checkup import checkup
from quantflow.ui.doctor import print_checkup
from quantflow.ui.emit import emit


def doctor(workspace: Path | None, *, as_json: bool) -> bool:
    """Show all findings; return whether one keeps runs from starting."""
    found = checkup(Place(find_workspace(Path.cwd(), workspace)))
    blocked = any(each.result is Result.BLOCKS for each in found)
    if as_json:
        emit("doctor", blocked=blocked, findings=[each.json() for each in found])
    else:
        print_checkup(found)
    return blocked
