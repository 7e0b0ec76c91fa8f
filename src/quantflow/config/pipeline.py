"""Which stages of other packages a profile takes up."""

from __future__ import annotations

from pydantic import Field

from quantflow.config.base import Section


class PipelineConfig(Section):
    """The stages of other packages: one replaces the stage of its id, or joins where its needs and makes put it.

    ``stages = […]`` at the top of the profile is the same. A stage's own settings are a section of the profile.
    """

    stages: tuple[str, ...] = Field(
        (), description="each `package.module:Class`, or the name under which a package registers it"
    )
