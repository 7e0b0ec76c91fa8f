"""The base of all configuration models."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One section of a profile: frozen, closed (an unknown key is an error), every field described with its unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")
