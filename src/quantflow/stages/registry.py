"""The stages that exist: the built-in ones and those that other packages register."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from quantflow.errors import ConfigError, unknown_name
from quantflow.stages.base import BasePipelineStage

SELECTION: tuple[str, ...] = (
    "ingestion",
    "features",
    "inference",
    "clustering",
    "policy",
    "synthesis",
    "allocation",
    "validation",
    "report",
)
"""The stages of a selection run, in order. Each lives in the module of its name, class ``<Name>Stage``."""

META: tuple[str, ...] = (
    "meta.gather",
    "meta.aggregation",
    "meta.optimisation",
    "meta.flattening",
    "meta.validation",
    "meta.report",
)
"""The stages of a meta run after its sleeves, in order. Each lives in the module of its name."""

_CLASSES = {name: f"{name.capitalize()}Stage" for name in SELECTION} | {
    "meta.gather": "GatherStage",
    "meta.aggregation": "AggregationStage",
    "meta.optimisation": "OptimisationStage",
    "meta.flattening": "FlatteningStage",
    "meta.validation": "MetaValidationStage",
    "meta.report": "MetaReportStage",
}


class StageRegistry:
    """Stages by id. Built-in ones are imported on first use, plug-ins come from the entry point group."""

    group = "quantflow.stages"

    @classmethod
    def ids(cls) -> tuple[str, ...]:
        """Return every known id: the pipelines' order first, then plug-ins by name."""
        return SELECTION + META + tuple(sorted(p.name for p in entry_points(group=cls.group)))

    @classmethod
    def get(cls, stage_id: str) -> BasePipelineStage[Any]:
        """Return the stage *stage_id*.

        Raises:
            ConfigError: If there is none, naming the nearest; or if a plug-in does not load.
        """
        if stage_id in _CLASSES:
            module = import_module(f"quantflow.stages.{stage_id}")
            stage: BasePipelineStage[Any] = getattr(module, _CLASSES[stage_id])()
            return stage
        for point in entry_points(group=cls.group, name=stage_id):
            return _loaded(point.value, point.load())
        raise unknown_name("stage", stage_id, cls.ids())


def _loaded(where: str, found: Any) -> BasePipelineStage[Any]:
    if not (isinstance(found, type) and issubclass(found, BasePipelineStage)):
        raise ConfigError(f"{where} is not a stage.", hint="A stage subclasses quantflow.BasePipelineStage.")
    stage: BasePipelineStage[Any] = found()
    return stage
