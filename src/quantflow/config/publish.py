"""The ``publish`` section of a profile or meta profile."""

from __future__ import annotations

from pydantic import Field

from quantflow.config.base import Section


class PublishConfig(Section):
    """What a run must hold to before its weights become the profile's current book."""

    enabled: bool = Field(True, description="Whether a complete run moves the current book at all.")
    max_weight: float | None = Field(
        None, gt=0, le=10, description="Largest weight of one name in the book, long or short, after netting sleeves."
    )
    max_turnover: float | None = Field(
        None, gt=0, le=20, description="Largest turnover against the book that is there: half the sum of all changes."
    )
