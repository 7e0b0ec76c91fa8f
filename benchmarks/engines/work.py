"""What every engine is given to do: the six selection stages of the demo, by quantflow's own functions.

What goes from stage to stage is quantflow's context, small and picklable: the tables lie in quantflow's artifact store,
on every side alike. ``python work.py START`` is the plain script; ``nine`` after it runs all nine stages.
"""

from __future__ import annotations

import os
import signal
import sys

from quantflow import QuantSDK
from quantflow.pipeline.stage import SelectionContext

SIX = ("ingestion", "features", "inference", "clustering", "policy", "synthesis")
FAILING = "policy"


def begin(start: str) -> SelectionContext:
    """Return the context of a run whose history begins on *start* (``YYYY-MM-DD``)."""
    return QuantSDK.context("demo", run_id=f"from-{start}", overrides=[f"data.start={start}"])


def stage(name: str, context: SelectionContext) -> SelectionContext:
    """Run one stage, or fail as ``PLANTED`` in the environment says.

    ``raise`` and ``kill``: the fifth stage fails before its work. ``resumed``: one that was done before it runs again.
    """
    planted = os.environ.get("PLANTED")
    if planted == "resumed" and name in SIX[: SIX.index(FAILING)]:
        raise RuntimeError(f"{name} is done again")
    if planted == "kill" and name == FAILING:
        os.kill(os.getpid(), signal.SIGKILL)
    if planted == "raise" and name == FAILING:
        raise RuntimeError("the planted failure")
    return QuantSDK.run_stage(name, context)


def main() -> None:
    """Run the plain script."""
    context = begin(sys.argv[1])
    if sys.argv[2:] == ["nine"]:
        QuantSDK.run_pipeline(context)
        return
    for name in SIX:
        context = stage(name, context)


if __name__ == "__main__":
    main()
