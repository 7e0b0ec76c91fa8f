"""Playing stages over values: artifacts by name in, artifacts by name out; no store, no cache, no record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from quantflow.pipeline.stage import (
    Artifact,
    Artifacts,
    Kind,
    Outputs,
    Stage,
    one_blas_thread,
    step_runner,
    until_as_of,
)
from quantflow.types import Settings


def play(
    stages: Sequence[Stage],
    values: Artifacts,
    settings: Settings,
    *,
    replay: bool | Kind = False,
    until: str | None = None,
) -> dict[str, Artifact]:
    """Return *values* with what the stages make of them, one stage after the other.

    Args:
        stages: The stages, in an order in which each finds what it needs.
        values: The artifacts that there are, by name; not changed.
        settings: The sections that the stages read, and ``as_of``.
        replay: Whether stages do what they do at a past date (``Stage.replay``) instead of ``run``: all, or those of
            one kind. ``Kind.NETWORK`` plays a run without fetching.
        until: An artifact; the stage that makes it is the last one played.

    Raises:
        ConfigError: If a section that a stage reads is missing.
        QuantflowError: What a stage raises.
    """
    have = dict(values)
    for _, made in played(stages, values, settings, replay=replay):
        have |= made
        if until in made:
            break
    return have


def played(
    stages: Sequence[Stage], values: Artifacts, settings: Settings, *, replay: bool | Kind = False
) -> Iterator[tuple[Stage, Outputs]]:
    """Play likewise, and yield each stage with what it made; what one raises ends the play there."""
    have = dict(values)
    for stage in stages:
        config, inputs = stage.configured(settings), {name: have[name] for name in stage.needs}
        past = replay is True or replay is stage.kind
        with until_as_of(settings):
            made = stage.replay(inputs, config) if past else stage.run(inputs, config)
        yield stage, made
        have |= made


@contextmanager
def in_the_background() -> Iterator[None]:
    """Play without showing steps, since there may be hundreds of plays, and with linear algebra on one thread."""
    token = step_runner.set(lambda name, fn, args: fn(*args))
    try:
        with one_blas_thread():
            yield
    finally:
        step_runner.reset(token)
