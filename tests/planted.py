"""Run quantflow with one fault planted at one place.

``python tests/planted.py PLACE WHEN WHAT -- ARGUMENTS`` runs the command line with *ARGUMENTS*, and at the
first passage of *PLACE* does *WHAT*, ``before`` or ``after`` the step itself. Everything else is the real thing.

Places: ``header`` · ``record:STAGE:STATE`` · ``artifact:STAGE`` · ``cache:STAGE`` · ``export:FILE`` (files coming
into place) · ``report:TASK:STATE`` (a state on its way to the API).

What: ``kill`` (SIGKILL to this process) · ``term`` · ``int`` · ``full`` (no space left) · ``readonly`` ·
``torn`` (half of the file is there, then SIGKILL) · ``server`` (SIGKILL to the embedded API server).
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}
ERRORS = {"full": errno.ENOSPC, "readonly": errno.EROFS}


class Fault:
    """One fault at one place, once.

    Args:
        place: Where, as the module says.
        when: ``before`` or ``after``.
        what: What happens.
    """

    def __init__(self, place: str, when: str, what: str) -> None:
        self.place, self.when, self.what = place, when, what
        self.done = False
        self.stage = ""

    def around(self, place: str, step: Callable[[], Any], torn: Callable[[], None] | None = None) -> Any:
        """Do *step*, and the fault if this is its place."""
        hit = place == self.place and not self.done
        if hit and self.when == "before":
            self._strike(torn)
        result = step()
        if hit and self.when == "after":
            self._strike(torn)
        return result

    def _strike(self, torn: Callable[[], None] | None) -> None:
        self.done = True
        if self.what in ERRORS:
            raise OSError(ERRORS[self.what], os.strerror(ERRORS[self.what]))
        if self.what == "server":
            os.kill(_server(), signal.SIGKILL)
            return
        if self.what == "torn" and torn is not None:
            torn()
        os.kill(os.getpid(), SIGNALS.get(self.what, signal.SIGKILL))

    def place_of(self, temporary: Path, path: Path) -> str:
        """Return the name of the place that a file coming into being is; note which stage is at work."""
        if path.parent.name == "stages":
            record = json.loads(temporary.read_bytes())
            self.stage = record["stage"]
            return f"record:{record['stage']}:{record['state']}"
        if path.name == "run.json":
            return "header"
        if "artifacts" in path.parts:
            return f"artifact:{self.stage}"
        if "cache" in path.parts:
            return f"cache:{self.stage}"
        return f"export:{path.name}"


def plant(fault: Fault) -> None:
    """Put *fault* into this process."""
    from quantflow.data import store

    publish = store._publish

    def published(temporary: Path, path: Path) -> None:
        def tear() -> None:
            data = temporary.read_bytes() if temporary.exists() else path.read_bytes()
            path.write_bytes(data[: len(data) // 2])

        fault.around(fault.place_of(temporary, path), lambda: publish(temporary, path), tear)

    store._publish = published
    if fault.place.startswith("report:"):
        _plant_in_reports(fault)


def _plant_in_reports(fault: Fault) -> None:
    from prefect import task_engine

    emit = vars(task_engine)["emit_task_run_state_change_event"]

    def reported(*args: Any, **kwargs: Any) -> Any:
        task_run, state = kwargs["task_run"], kwargs["validated_state"]
        return fault.around(f"report:{task_run.name}:{state.name}", lambda: emit(*args, **kwargs))

    vars(task_engine)["emit_task_run_state_change_event"] = reported


def _server() -> int:
    """Return the process id of the workspace's embedded API server."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        state = folder / ".quantflow" / "server" / "state.json"
        if state.exists():
            return int(json.loads(state.read_bytes())["pid"])
    raise FileNotFoundError("no embedded API server runs here")


def main() -> None:
    """Plant the fault and run the command line."""
    divider = sys.argv.index("--")
    fault = Fault(*sys.argv[1:divider])
    sys.argv = ["quantflow", *sys.argv[divider + 1 :]]
    if not fault.place.startswith("report:"):
        plant(fault)
    else:  # Prefect must not be imported before its settings are in place
        from quantflow.flows import launch

        call: Callable[..., None] = launch._call_flow

        def planted(*args: Any, **options: Any) -> None:
            plant(fault)
            call(*args, **options)

        vars(launch)["_call_flow"] = planted
    from quantflow.cli.main import main as quantflow

    quantflow()


if __name__ == "__main__":
    main()
