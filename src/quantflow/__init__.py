"""quantflow: from prices to portfolio weights in one command that survives anything.

For notebooks: ``select``, ``sweep``, ``load``, ``runs``; ``QuantSDK``, ``SelectionContext``, ``StageRegistry``. For
stages of other packages: ``BasePipelineStage``, ``ForeignStage``, ``Kind``, ``StageConfig``, ``Section``, ``Summary``.
They are imported on first use, so that the command line stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quantflow.config.sections import Section
    from quantflow.pipeline.foreign import ForeignStage
    from quantflow.pipeline.registry import StageRegistry
    from quantflow.pipeline.stage import BasePipelineStage, Kind, SelectionContext, StageConfig, Summary
    from quantflow.sdk import QuantSDK
    from quantflow.ui.notebook.runs import load
    from quantflow.ui.notebook.start import select, sweep

__all__ = [
    "BasePipelineStage",
    "ForeignStage",
    "Kind",
    "QuantSDK",
    "Section",
    "SelectionContext",
    "StageConfig",
    "StageRegistry",
    "Summary",
    "load",
    "runs",
    "select",
    "sweep",
]

_HOMES = {
    "BasePipelineStage": "quantflow.pipeline.stage",
    "ForeignStage": "quantflow.pipeline.foreign",
    "Kind": "quantflow.pipeline.stage",
    "QuantSDK": "quantflow.sdk",
    "Section": "quantflow.config.sections",
    "SelectionContext": "quantflow.pipeline.stage",
    "StageConfig": "quantflow.pipeline.stage",
    "StageRegistry": "quantflow.pipeline.registry",
    "Summary": "quantflow.pipeline.stage",
    "load": "quantflow.ui.notebook.runs",
    "select": "quantflow.ui.notebook.start",
    "sweep": "quantflow.ui.notebook.start",
}


def __getattr__(name: str) -> Any:
    if name == "runs":
        return import_module("quantflow.runs")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "__version__":
        from importlib.metadata import version  # slow to import, and seldom asked for

        return version("quantflow")
    raise AttributeError(f"module 'quantflow' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
