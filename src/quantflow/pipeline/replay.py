"""The past of a pipeline: which stages are replayed at a past date, how far they look back, and what was known then."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from quantflow.data.panel import Panel
from quantflow.errors import ConfigError, DataError
from quantflow.pipeline.stage import Artifact, BasePipelineStage, Kind, Stage
from quantflow.types import Settings

Stages = Sequence[Stage]


def ancestors(pipeline: Stages, goal: str, given: Sequence[str]) -> tuple[tuple[Stage, ...], tuple[str, ...]]:
    """Return the stages that the artifact *goal* comes from, in order, and the sources among what they need.

    Args:
        pipeline: All stages, in order.
        goal: An artifact.
        given: Artifacts that are there without any of them.

    Returns:
        The stages to replay, and the artifacts of network stages that have no ``replay`` of their own.

    Raises:
        ConfigError: If a control stage is among them: it reads the run, which a past date does not have.
    """
    makers = {name: stage for stage in pipeline for name in stage.makes}
    if goal not in makers:
        raise ConfigError(f"No stage makes {goal!r}.", hint="The stage that replaces its maker must make it too.")
    found: set[str] = set()
    sources: list[str] = []
    todo = [goal]
    while todo:
        name = todo.pop()
        stage = makers[name]
        if name in given or name in sources or stage.id in found:
            continue
        if stage.kind is Kind.CONTROL:
            raise ConfigError(
                f"Stage {stage.id!r} is a control stage and makes {name!r}, which {goal!r} comes from: a walk-forward "
                "cannot replay it.",
                hint="Make it of kind compute, and let it not need 'run'.",
            )
        if stage.kind is Kind.NETWORK and type(stage).replay is BasePipelineStage.replay:
            sources.append(name)
            continue
        found.add(stage.id)
        todo += stage.needs
    return tuple(stage for stage in pipeline if stage.id in found), tuple(sorted(sources))


def reach_of(stages: Stages, settings: Settings, panels: Sequence[str]) -> int | None:
    """Return how many sessions up to a date, itself included, the stages can look back on; None for all.

    Only stages that need one of *panels* look back. One that overrides ``run`` below where its ``reach`` is defined
    may look further than that says.
    """
    looking = [stage for stage in stages if set(stage.needs) & set(panels)]
    reaches = [
        stage.reach(stage.configured(settings)) if _says_its_own_reach(type(stage)) else None for stage in looking
    ]
    known = [reach for reach in reaches if reach is not None]
    return max(known) if known and len(known) == len(reaches) else None


@cache
def _says_its_own_reach(kind: type[Stage]) -> bool:
    where = {name: next(i for i, c in enumerate(kind.__mro__) if name in vars(c)) for name in ("run", "reach")}
    return where["reach"] <= where["run"]


def seen(prices: Panel, position: int, reach: int | None, able: npt.NDArray[np.bool_]) -> Panel:
    """Return what was known at a close: the latest *reach* sessions of the symbols that could be used then.

    Args:
        prices: The whole history of N symbols.
        position: The session.
        reach: How many sessions are kept; None for all.
        able: Whether each symbol could be used, shape (N,); see ``quantflow.data.quality.usable``.
    """
    alive = np.flatnonzero(able)
    window = slice(0 if reach is None else max(0, position + 1 - reach), position + 1)
    fields = {name: np.ascontiguousarray(values[alive, window]) for name, values in prices.fields.items()}
    return Panel(tuple(prices.symbols[i] for i in alive), prices.sessions[window], fields)


def known_at(name: str, value: Artifact, session: np.datetime64, symbols: Sequence[str], reach: int | None) -> Artifact:
    """Return what was known of a source at the close of *session*.

    Args:
        name: The artifact.
        value: A panel, or a table with dates in its index or in a column ``date``.
        session: The date.
        symbols: Symbols that take part at that date; a panel is cut to them.
        reach: How many sessions of a panel are kept; None for all.

    Raises:
        DataError: If the artifact has no dates, so that it cannot be cut to what was known.
    """
    if isinstance(value, Panel):
        kept = value.up_to(session).select([symbol for symbol in value.symbols if symbol in set(symbols)])
        return kept if reach is None else kept.window(max(0, len(kept.sessions) - reach), len(kept.sessions))
    dates = _dates(value)
    if dates is None:
        raise DataError(
            f"Artifact {name!r} has no dates, so the walk-forward cannot tell what was known on {session}.",
            hint="Give it a date index or a column 'date', or give the stage that makes it a replay of its own.",
        )
    return value[dates <= session]


def _dates(value: Any) -> Any:
    if type(value).__name__ != "DataFrame":
        return None
    for column in (value.index, *([value["date"]] if "date" in value else [])):
        if column.dtype.kind == "M":
            return column.to_numpy().astype("datetime64[D]")
    return None
