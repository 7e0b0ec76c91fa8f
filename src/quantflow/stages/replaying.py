"""Stages that replay others at past dates: which they replay, and what they depend on through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import create_model

from quantflow.data.panel import Panel
from quantflow.data.quality.roster import listed
from quantflow.data.quality.usable import BoolArray
from quantflow.pipeline.registry import StageRegistry
from quantflow.pipeline.replay import ancestors, reach_of
from quantflow.pipeline.stage import PROFILE, BasePipelineStage, C, Inputs, Stage, StageConfig
from quantflow.stages.replays import HISTORY, Past
from quantflow.types import Settings


class ReplayingStage(BasePipelineStage[C]):
    """A stage whose result comes from what others make at past dates: their settings, code and files are its own.

    Args:
        chain: The stages that ``goal`` comes from; the built-in ones of ``usual`` when empty.
        sources: The artifacts that these need besides.
    """

    goal: str
    """The artifact that the stages are replayed up to."""
    usual: tuple[str, ...]
    """The built-in stages that it comes from."""
    needs: tuple[str, ...] = HISTORY
    given: tuple[str, ...] = ()
    """What the stages are given besides: nothing that makes it is replayed."""

    def __init__(self, chain: Sequence[Stage] = (), sources: Sequence[str] = ()) -> None:
        self.chain = tuple(chain) or tuple(StageRegistry.get(name) for name in self.usual)
        self.sources = tuple(sources)
        self.needs = (*type(self).needs, *self.sources)
        self.Config = covering(self.Config, self.chain)

    def __reduce__(self) -> tuple[Any, tuple[Sequence[Stage], Sequence[str]]]:
        return type(self), (self.chain, self.sources)

    def bound(self, pipeline: Sequence[Stage]) -> Self:
        """Return the stage that replays *pipeline*'s own stages: all that ``goal`` comes from.

        Raises:
            ConfigError: If one of them cannot be replayed.
        """
        return self.over(*ancestors(pipeline, self.goal, (*type(self).needs, *self.given)))

    def over(self, chain: Sequence[Stage], sources: Sequence[str]) -> Self:
        """Return the same stage that replays *chain*, which needs *sources* besides."""
        return type(self)(chain, sources)

    def past(self, prices: Panel, able: Mapping[int, BoolArray], inputs: Inputs, config: StageConfig) -> Past:
        """Return what the stages are given at each rebalance.

        Args:
            prices: The whole history of N symbols.
            able: Whether each could be used, shape (N,), by position of the session that decides, increasing.
            inputs: The stage's own.
            config: The stage's own.
        """
        settings = {**config.model_dump(mode="json"), "as_of": str(prices.sessions[-1])}
        reach = reach_of(self.chain, settings, ("prices", *self.sources))
        sources = {name: inputs[name] for name in self.sources}
        return Past(prices, listed(inputs["roster"]), sources, settings, reach, able)

    def modules(self) -> frozenset[str]:
        """Return the modules of this stage and of those that it replays."""
        return super().modules().union(*(stage.modules() for stage in self.chain))

    def classes(self) -> tuple[str, ...]:
        """Return this class, and those of the stages that it replays."""
        return (*super().classes(), *(name for stage in self.chain for name in stage.classes()))

    def read_marks(self, settings: Settings) -> dict[str, str]:
        """Return the marks of what the stages read that it replays, as at ``as_of``."""
        return {name: mark for stage in self.chain for name, mark in stage.read_marks(settings).items()}

    def read_files(self, settings: Settings) -> list[Path]:
        """Return the files that the stages read that it replays, as at ``as_of``."""
        return [path for stage in self.chain for path in stage.read_files(settings)]


def covering(own: type[StageConfig], chain: Sequence[Stage]) -> type[StageConfig]:
    """Return a config with the sections of *own*, and those that the stages of *chain* read besides."""
    fields = {name: field for stage in chain for name, field in stage.Config.model_fields.items()}
    more: dict[str, Any] = {
        name: (field.annotation, field.default if name == PROFILE else ...)
        for name, field in fields.items()
        if name != "as_of" and name not in own.model_fields
    }
    return create_model(own.__name__, __base__=own, **more) if more else own
