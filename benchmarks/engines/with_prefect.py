"""The six stages by Prefect: a task per stage with a persisted, cached result; ``python with_prefect.py START``."""

from __future__ import annotations

import sys

from prefect import flow, task
from prefect.cache_policies import INPUTS, TASK_SOURCE
from work import SIX, begin, stage

step = task(stage, cache_policy=INPUTS + TASK_SOURCE, persist_result=True)


@flow
def six(start: str) -> None:
    """Run the stages in order."""
    context = begin(start)
    for name in SIX:
        context = step.with_options(name=name)(name, context)


if __name__ == "__main__":
    six(sys.argv[1])
