"""The ``report`` section of a profile."""

from __future__ import annotations

from pydantic import Field

from quantflow.config.base import Section


class ReportConfig(Section):
    """What the report of a run is called and how long its tables are."""

    title: str | None = Field(
        default=None,
        min_length=1,
        max_length=120,
        description="Heading of the page and of the browser's tab; the profile's name when not given.",
    )
    top: int = Field(
        default=15,
        ge=1,
        le=200,
        description="Rows shown at once of winners, weights and score contributions; the rest is folded or summed.",
    )
