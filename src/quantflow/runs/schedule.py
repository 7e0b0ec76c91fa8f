"""When a profile is to run each night, as text for cron and for systemd."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from quantflow.config.calendar import CalendarConfig
from quantflow.config.load import load_meta, load_profile
from quantflow.data import calendars
from quantflow.errors import ConfigError

_DAY = 24 * 60
_CRON = """# {name}: {after} minutes after the close of {calendar}, local time of the exchange
CRON_TZ={zone}
{minute} {hour} * * {days}  cd {home} && {program} {command} --no-progress >> {log} 2>&1
"""
_SYSTEMD = """# ~/.config/systemd/user/quantflow-{name}.timer
[Unit]
Description=quantflow {name} after the close of {calendar}
[Timer]
OnCalendar={weekdays} *-*-* {hour:02d}:{minute:02d}:00 {zone}
Persistent=true
[Install]
WantedBy=timers.target

# ~/.config/systemd/user/quantflow-{name}.service
[Unit]
Description=quantflow {name}
[Service]
Type=oneshot
WorkingDirectory={home}
ExecStart={program} {command} --no-progress
"""


@dataclass(frozen=True)
class Schedule:
    """When one profile runs.

    Attributes:
        profile: Its name.
        command: The words after ``quantflow``.
        calendar: Its exchange.
        zone: The exchange's time zone.
        minute: Minutes after midnight in that zone.
        after: Minutes after the close.
        next_day: Whether that is on the day after the session.
        home: The workspace.
    """

    profile: str
    command: str
    calendar: str
    zone: str
    minute: int
    after: int
    next_day: bool
    home: Path

    def text(self, program: Path) -> str:
        """Return the crontab line and the systemd units that run *program*."""
        always = self.calendar == "24/7"
        facts = {
            "name": self.profile,
            "after": self.after,
            "calendar": self.calendar,
            "zone": self.zone,
            "minute": self.minute % 60,
            "hour": self.minute // 60,
            "days": "*" if always else "2-6" if self.next_day else "1-5",
            "weekdays": "Mon..Sun" if always else "Tue..Sat" if self.next_day else "Mon..Fri",
            "home": shlex.quote(str(self.home)),
            "program": shlex.quote(str(program)),
            "command": self.command,
            "log": shlex.quote(str(self.home / f"quantflow-{self.profile}.log")),
        }
        cron = {name: str(value).replace("%", r"\%") for name, value in facts.items()}  # to cron % ends the line
        return _CRON.format(**cron) + "\n" + _SYSTEMD.format(**facts)


def schedule_of(home: Path, name: str, after: int) -> Schedule:
    """Return when the profile or meta profile *name* is to run, *after* minutes after its exchange's usual close.

    Raises:
        ConfigError: If there is no such profile.
    """
    calendar, command = _calendar_of(home, name)
    zone, close = calendars.usual_close(calendar)
    minute = close + after
    return Schedule(name, command, calendar, zone, minute % _DAY, after, minute >= _DAY, home)


def _calendar_of(home: Path, name: str) -> tuple[str, str]:
    try:
        found: CalendarConfig = load_profile(name, workspace=home).calendar
        command = f"select --profile {name}"
    except ConfigError as error:
        try:
            found = load_meta(name, workspace=home).calendar
        except ConfigError:
            raise error from None
        command = f"meta --meta-profile {name}"
    return found.name, command
