"""The process between a run and its Ray: it starts a Ray of the run's own, or tries the user's, before the run joins.

Where Ray hangs, it holds the interpreter's lock of the process that waits for it, so that no time limit can act there.
Here it hangs in a process that can be ended. Run as ``python -m quantflow.execution.ray_process``, with a JSON object
of options on standard input: ``{"folder", "cpus"}`` to start, ``{"address", "runtime_env"}`` to try. It answers with
one line of JSON on standard output, ``{"address"}`` or ``{"error"}``; waits for a byte that says that the run has
joined; and then, if the Ray is its own, for the end of standard input, which comes however the run ends.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

import psutil

from quantflow.execution.ray_internals import in_words, start

JOIN_SECONDS = 25.0
"""For the run to join, once its Ray was found to answer."""


def main() -> None:
    """Start or try a Ray, say how that went, and see that the run joins it."""
    options = json.loads(sys.stdin.readline())
    parent, answers = os.getppid(), os.dup(1)
    os.dup2(2, 1)  # what Ray prints is not an answer
    try:
        address = _begin(options)
    except Exception as error:  # noqa: BLE001  # Ray raises anything; the run puts it into words
        os.write(answers, (json.dumps({"error": in_words(error)}) + "\n").encode())
        return
    os.write(answers, (json.dumps({"address": address}) + "\n").encode())
    if not _joined(JOIN_SECONDS, parent):
        _end_what_hangs(parent)
    if "folder" in options:
        while os.read(0, 1):  # until the run releases it, or ends
            pass
        _shut_down()


def _begin(options: dict[str, Any]) -> str:
    import ray

    common = {"namespace": "quantflow", "log_to_driver": False, "logging_level": logging.ERROR}
    if "folder" in options:
        start(options["folder"], options["cpus"], **common)
        return str(ray.get_runtime_context().gcs_address)
    ray.init(address=options["address"], runtime_env=options["runtime_env"], **common)
    ray.shutdown()
    return str(options["address"])


def _shut_down() -> None:
    import ray

    ray.shutdown()


def _joined(patience: float, parent: int) -> bool:
    """Wait for a line from the run, or its end; False if neither comes while it runs for *patience* seconds."""
    waited = 0.0
    while waited < patience:
        if select.select([0], [], [], 0.5)[0]:
            os.read(0, 1)
            return True
        waited += 0.0 if _is_suspended(parent) else 0.5
    return False


def _is_suspended(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.Error:
        return False


def _end_what_hangs(parent: int) -> None:
    """End a run that hangs inside Ray, which no signal of Python's can reach; its record lets it be resumed."""
    with contextlib.suppress(OSError), Path(f"/proc/{parent}/fd/2").open("a") as screen:
        screen.write(
            f"error: Ray has answered, but the run could not join it within {JOIN_SECONDS:.0f} s, and was ended.\n"
            "hint: continue it with: quantflow resume latest\n"
        )
    os.kill(parent, signal.SIGKILL)


if __name__ == "__main__":
    main()
