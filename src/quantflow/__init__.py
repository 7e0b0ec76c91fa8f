"""quantflow: from prices to portfolio weights in one command that survives anything.

For notebooks and plug-ins: ``QuantSDK``, ``StageRegistry``, ``BasePipelineStage``, ``SelectionContext``. They are
imported on first use, so that the command line stays fast.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quantflow.sdk import QuantSDK
    from quantflow.stages.base import BasePipelineStage, SelectionContext
    from quantflow.stages.registry import StageRegistry

__all__ = ["BasePipelineStage", "QuantSDK", "SelectionContext", "StageRegistry"]

_HOMES = {
    "BasePipelineStage": "quantflow.stages.base",
    "QuantSDK": "quantflow.sdk",
    "SelectionContext": "quantflow.stages.base",
    "StageRegistry": "quantflow.stages.registry",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "__version__":
        return version("quantflow")
    raise AttributeError(f"module 'quantflow' has no attribute {name!r}")
