"""The project's one pipeline: ``kedro run --params start=START``, after a failure ``kedro run --from-nodes policy``."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from kedro.pipeline import Node, Pipeline
from work import SIX, begin, stage

from quantflow.pipeline.stage import SelectionContext


def register_pipelines() -> dict[str, Pipeline]:
    """Return the pipeline under the name that ``kedro run`` takes by default."""
    first = Node(ingestion, "params:start", "ingestion_context", name="ingestion")
    others = [
        Node(function_of(name), f"{before}_context", f"{name}_context", name=name) for before, name in pairwise(SIX)
    ]
    return {"__default__": Pipeline([first, *others])}


def ingestion(start: str) -> SelectionContext:
    """Run the first stage."""
    return stage("ingestion", begin(start))


def function_of(name: str) -> Callable[[SelectionContext], SelectionContext]:
    """Return the function of a later stage's node."""

    def node_function(context: SelectionContext) -> SelectionContext:
        return stage(name, context)

    node_function.__name__ = name
    return node_function
