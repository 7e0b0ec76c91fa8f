"""The ``schedule`` section of a profile or meta profile."""

from __future__ import annotations

import re
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from quantflow.config.base import Section
from quantflow.config.policy import Switch
from quantflow.errors import ConfigError

AFTER = r"^close\+\d{1,4}m?$"
CRON = r"^(@[a-z]+|\S+( \S+){4,5})$"


class ScheduleConfig(Section):
    """When ``quantflow serve`` runs the profile; no run depends on it. ``"off"`` takes back what is extended."""

    after: Annotated[str | None, Switch] = Field(
        None, pattern=AFTER, description="minutes after the usual close of the calendar's exchange, as `close+45m`"
    )
    cron: Annotated[str | None, Switch] = Field(
        None, pattern=CRON, description="a crontab's five fields, as `30 18 * * 1-5`; beside `after` when both are set"
    )
    timezone: str | None = Field(
        None, min_length=1, description="time zone of `cron`, as `Europe/Berlin`; the exchange's when absent"
    )

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (KeyError, OSError, ValueError) as error:
                raise ValueError(f"there is no time zone {value!r}") from error
        return value

    @property
    def is_set(self) -> bool:
        """Whether there is any time at which the profile is to run."""
        return self.after is not None or self.cron is not None


def minutes_after(text: str, named: str) -> int:
    """Return the minutes of ``close+45m``.

    Args:
        text: That text.
        named: What it is the value of, for the error.

    Raises:
        ConfigError: If it is something else.
    """
    if re.match(AFTER, text) is None:
        raise ConfigError(f"{named} {text!r} is not close+MINUTES.", hint="Write it as close+45m.")
    return int(text.removeprefix("close+").removesuffix("m"))
