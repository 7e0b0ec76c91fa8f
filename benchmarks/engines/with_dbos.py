"""The six stages by DBOS: a durable workflow of checkpointed steps; ``python with_dbos.py START [resume]``.

The workflow's id is its start. Launching recovers what a dead process left; ``resume`` waits for that result.
"""

from __future__ import annotations

import sys

from dbos import DBOS, SetWorkflowID
from work import SIX, begin, stage

from quantflow.pipeline.stage import SelectionContext


@DBOS.step()
def step(name: str, context: SelectionContext) -> SelectionContext:
    """Run one stage; DBOS keeps what it returns."""
    return stage(name, context)


@DBOS.workflow()
def six(start: str) -> SelectionContext:
    """Run the stages in order."""
    context = begin(start)
    for name in SIX:
        context = step(name, context)
    return context


if __name__ == "__main__":
    DBOS(config={"name": "six"})
    DBOS.launch()
    if sys.argv[2:] == ["resume"]:
        DBOS.retrieve_workflow(sys.argv[1]).get_result()
    else:
        with SetWorkflowID(sys.argv[1]):
            six(sys.argv[1])
    DBOS.destroy()
