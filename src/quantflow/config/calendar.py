"""The section that says which days are sessions."""

from __future__ import annotations

from pydantic import Field

from quantflow.config.sections import Section

ALWAYS_OPEN = "24/7"


class CalendarConfig(Section):
    """Which days are sessions."""

    name: str = Field(
        "XNYS",
        min_length=1,
        max_length=32,
        description='exchange code as exchange_calendars knows it (ISO 10383, e.g. XNYS, XLON), or "24/7"',
    )

    @property
    def annualisation(self) -> int:
        """Sessions per year: 365 where every day is a session, else 252."""
        return 365 if self.name == ALWAYS_OPEN else 252
