"""The stages that exist: the built-in ones and those that other packages register."""

from __future__ import annotations

import difflib
import re
from importlib import import_module
from pathlib import Path

from quantflow.config import plugins
from quantflow.config.extensions import STAGES, registered
from quantflow.errors import ConfigError, unknown_name
from quantflow.pipeline.names import ASKED as ASKED
from quantflow.pipeline.names import HOLD as HOLD
from quantflow.pipeline.names import META as META
from quantflow.pipeline.names import META_HOLD as META_HOLD
from quantflow.pipeline.names import SELECTION as SELECTION
from quantflow.pipeline.names import SWEEP as SWEEP
from quantflow.pipeline.stage import BasePipelineStage, Kind, Stage

_CLASSES = {name: (name, f"{name.capitalize()}Stage") for name in SELECTION} | {
    "report": ("report.stage", "ReportStage"),
    "signals": ("signals", "SignalsStage"),
    "incumbent": ("holding", "IncumbentStage"),
    "holding": ("holding", "HoldingStage"),
    "meta.gather": ("meta.gather", "GatherStage"),
    "meta.aggregation": ("meta.aggregation", "AggregationStage"),
    "meta.optimisation": ("meta.optimisation", "OptimisationStage"),
    "meta.flattening": ("meta.flattening", "FlatteningStage"),
    "meta.validation": ("meta.validation", "MetaValidationStage"),
    "meta.report": ("meta.report", "MetaReportStage"),
    "meta.holding": ("meta.holding", "MetaHoldingStage"),
    "sweep.table": ("sweep.table", "TableStage"),
    "sweep.report": ("sweep.report", "SweepReportStage"),
}
"""Module below ``quantflow.stages`` and class, by stage id."""


_ID = re.compile(r"[a-z][a-z0-9_.-]{0,47}")


class StageRegistry:
    """Stages by id. Built-in ones are imported on first use, plug-ins come from the entry point group."""

    @classmethod
    def ids(cls) -> tuple[str, ...]:
        """Return every known id: the pipelines' order first, then plug-ins by name."""
        return (*SELECTION, *ASKED, "incumbent", "holding", *META, *META_HOLD, *SWEEP, *registered(STAGES))

    @classmethod
    def get(cls, stage_id: str) -> Stage:
        """Return the stage *stage_id*: a built-in one, or what a package registers under that name.

        Raises:
            ConfigError: If there is none, naming the nearest; or if a plug-in does not load.
        """
        if stage_id in _CLASSES:
            module, name = _CLASSES[stage_id]
            stage: Stage = getattr(import_module(f"quantflow.stages.{module}"), name)()
            return stage
        if stage_id in registered(STAGES):
            return plug_in(stage_id)
        raise unknown_name("stage", stage_id, cls.ids())


def plug_in(spec: str) -> Stage:
    """Return the stage of another package: ``package.module:Class``, or the name under which it is registered.

    Raises:
        ConfigError: If there is none, or it does not declare what a stage declares.
    """
    found = plugins.find_stage(spec)
    if not isinstance(found, BasePipelineStage):
        raise ConfigError(f"{spec} is not a stage.", hint="A stage subclasses quantflow.BasePipelineStage.")
    _check_declared(spec, found)
    return found


def _check_declared(spec: str, found: Stage) -> None:
    name, kind = getattr(found, "id", None), getattr(found, "kind", None)
    if not isinstance(name, str) or not _ID.fullmatch(name) or name in (*META, *META_HOLD, *SWEEP):
        raise ConfigError(
            f"Stage {spec}: id = {name!r} cannot be a stage's id.",
            hint="An id has at most 48 small letters, digits, '_', '-' and '.', and is not one of a meta run's.",
        )
    if not isinstance(kind, Kind):
        close = difflib.get_close_matches(str(kind).lower(), [str(known) for known in Kind], n=1, cutoff=0.5)
        guess = f"Did you mean Kind.{close[0].upper()}? " if close else ""
        known = ", ".join(f"Kind.{known.name}" for known in Kind)
        raise ConfigError(
            f"Stage {name!r} ({spec}): kind = {kind!r} is not a kind of stage.", hint=f"{guess}Known: {known}."
        )
    for what in ("needs", "makes"):
        listed = getattr(found, what)
        if not isinstance(listed, tuple) or not all(isinstance(item, str) and item for item in listed):
            raise ConfigError(f"Stage {name!r} ({spec}): {what} = {listed!r} is not a tuple of artifact names.")
    _check_reads(spec, found)
    if not found.makes:
        raise ConfigError(f"Stage {name!r} ({spec}) makes nothing.", hint="Name its artifacts in makes.")
    if "run" in found.needs and kind is not Kind.CONTROL:
        raise ConfigError(
            f"Stage {name!r} ({spec}) needs 'run', which only a control stage may: the run is not part of a cache key.",
            hint="Make it Kind.CONTROL, or read what it needs from its config.",
        )


def _check_reads(spec: str, found: Stage) -> None:
    env, files = found.reads_env, found.reads_files
    if not isinstance(env, tuple) or not all(isinstance(item, str) and item for item in env):
        raise ConfigError(f"Stage {found.id!r} ({spec}): reads_env = {env!r} is not a tuple of names of variables.")
    if not isinstance(files, tuple) or not all(isinstance(item, str | Path) or callable(item) for item in files):
        raise ConfigError(
            f"Stage {found.id!r} ({spec}): reads_files = {files!r} is not a tuple.",
            hint="Its items are absolute paths, or functions of the config that give them.",
        )
