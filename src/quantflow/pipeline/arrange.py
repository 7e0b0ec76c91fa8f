"""The stages of a profile: the built-in ones, with those of other packages in their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quantflow.config.plugins import specs_of
from quantflow.errors import ConfigError, unknown_name
from quantflow.pipeline.registry import HOLD, SELECTION, StageRegistry, plug_in
from quantflow.pipeline.stage import Stage
from quantflow.types import Settings

INCUMBENT = "incumbent"
"""The artifact that a stage needs whose decision depends on what is held, and the stage that makes it."""

SIGNALS = "signals"
"""The artifact, stage and section of what features and scores foretell: part of a pipeline where it is asked for."""


def examines_signals(settings: Settings) -> bool:
    """Return whether a profile asks what its features and scores foretell."""
    return bool(settings.get(SIGNALS, {}).get("horizons"))


def pipeline_of(settings: Settings, *, hold: bool = False) -> tuple[Stage, ...]:
    """Return the stages of a selection run with these settings, in order: the one answer to this question.

    Args:
        settings: The profile's sections, as ``Profile.settings`` and the run's record have them.
        hold: Whether nothing is decided: prices, and what is held.

    Raises:
        ConfigError: If a stage of another package cannot be found, the wiring does not hold, or the profile
            does not have what one requires.
    """
    own = [plug_in(spec) for spec in specs_of(settings)]
    if hold:
        replaced = {stage.id: stage for stage in own}
        return tuple(replaced.get(name) or StageRegistry.get(name) for name in HOLD)
    built_in = [StageRegistry.get(name).under(settings) for name in SELECTION]
    others = [stage for stage in built_in if stage.id not in {mine.id for mine in own}]
    asked = [StageRegistry.get(SIGNALS)] if examines_signals(settings) else []
    held = [StageRegistry.get(INCUMBENT)] if any(INCUMBENT in stage.needs for stage in (*own, *others)) else []
    stages = arranged([*built_in, *asked, *held], own)
    custom = frozenset(name for stage in own for name in stage.makes)
    for stage in own:
        stage.check(settings, custom)
    return tuple(stage.bound(stages) for stage in stages)


def arranged(built_in: Sequence[Stage], own: Sequence[Stage]) -> list[Stage]:
    """Return the stages in the order in which each finds what it needs.

    A stage of *own* takes the place of the built-in one of its id. Any other comes right before the first stage that
    needs what it makes; when none does, as soon as its own needs are there; one that needs ``run`` comes last.

    Raises:
        ConfigError: If two stages have one id or make one artifact, nothing makes what one needs, or stages need
            each other in a circle.
    """
    by_id = {stage.id: stage for stage in built_in}
    ids = [stage.id for stage in own]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise ConfigError(f"Two stages of this profile have the id {twice[0]!r}.", hint="Take one out of stages.")
    joined = [stage for stage in own if stage.id not in by_id]
    by_id |= {stage.id: stage for stage in own}
    makers = _makers(list(by_id.values()))
    order: list[Stage] = []
    for name in dict.fromkeys(stage.id for stage in built_in):
        _place_after_needs(by_id[name], makers, order, ())
    for stage in joined:
        _join(stage, makers, order, ())
    return order


def _makers(stages: Sequence[Stage]) -> dict[str, Stage]:
    makers: dict[str, Stage] = {}
    for stage in stages:
        for name in stage.makes:
            other = makers.setdefault(name, stage)
            if other is not stage:
                raise ConfigError(
                    f"Stages {other.id!r} and {stage.id!r} both make {name!r}.",
                    hint=f"Give the artifact another name, or let one stage replace the other: id = {other.id!r}.",
                )
    for stage in stages:
        for name in stage.needs:
            if name not in makers and name != "run":
                raise ConfigError(
                    f"Stage {stage.id!r} needs {name!r}, which no stage makes.",
                    hint=unknown_name("artifact", name, [*makers, "run"]).hint,
                )
    return makers


def _needed(stage: Stage, makers: Mapping[str, Stage], trail: Sequence[str]) -> list[Stage]:
    if stage.id in trail:
        circle = " > ".join([*trail[list(trail).index(stage.id) :], stage.id])
        raise ConfigError(f"Stages need each other in a circle: {circle}.", hint="Let one of them need something else.")
    return [makers[name] for name in stage.needs if name != "run"]


def _place_after_needs(stage: Stage, makers: Mapping[str, Stage], order: list[Stage], trail: Sequence[str]) -> None:
    if stage in order:
        return
    for other in _needed(stage, makers, trail):
        _place_after_needs(other, makers, order, (*trail, stage.id))
    order.append(stage)


def _join(stage: Stage, makers: Mapping[str, Stage], order: list[Stage], trail: Sequence[str]) -> None:
    if stage in order:
        return
    needed = _needed(stage, makers, trail)
    for other in needed:
        _join(other, makers, order, (*trail, stage.id))
    first = len(order) if "run" in stage.needs else 1 + max((order.index(other) for other in needed), default=0)
    order.insert(first, stage)


def through(stages: Sequence[Stage], last: str) -> tuple[Stage, ...]:
    """Return *stages* up to the one called *last*, which is included; all of them when that is empty.

    Raises:
        ConfigError: If there is no such stage.
    """
    if not last:
        return tuple(stages)
    ids = [stage.id for stage in stages]
    if last not in ids:
        raise unknown_name("stage", last, ids)
    return tuple(stages[: ids.index(last) + 1])


def up_to(stages: Sequence[Stage], goals: Sequence[str]) -> tuple[Stage, ...]:
    """Return those of *stages*, in their order, that the artifacts *goals* come from."""
    wanted, found = set(goals), []
    for stage in reversed(stages):
        if wanted & set(stage.makes):
            wanted |= set(stage.needs)
            found.append(stage)
    return tuple(reversed(found))
