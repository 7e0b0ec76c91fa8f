"""Profile schedules, as crontab and systemd text and as the times in the profile's own schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quantflow.config import catalogue
from quantflow.config.calendar import ALWAYS_OPEN
from quantflow.config.operation import minutes_after
from quantflow.config.profile import MetaProfile, Profile
from quantflow.config.workspaces import distrusted
from quantflow.data import calendars
from quantflow.errors import ConfigError
from quantflow.ops.quoting import cron_quoted, unit_command, unit_path

USUAL = "close+45m"

_DAY = 24 * 60
_CRON = """# {name}: {said}
CRON_TZ={zone}
{cron}  cd {home} && {program} {command} --no-progress >> {log} 2>&1
"""
_NO_TIMER = """# No systemd timer has these fields; quantflow serve runs the profile without cron.
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
ExecStart={run}
"""


@dataclass(frozen=True)
class Time:
    """A time at which a profile is to run.

    Attributes:
        cron: The fields of a crontab.
        zone: The time zone that they are in.
        said: The time as written in the profile, e.g. ``close+45m``.
    """

    cron: str
    zone: str
    said: str


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

    @property
    def days(self) -> str:
        """The days of the week as cron has them."""
        return "*" if self.calendar == ALWAYS_OPEN else "2-6" if self.next_day else "1-5"

    @property
    def cron(self) -> str:
        """The five fields of a crontab, in the exchange's time zone."""
        return f"{self.minute % 60} {self.minute // 60} * * {self.days}"

    def text(self, program: Path) -> str:
        """Return the crontab line and the systemd units that run *program*."""
        said = f"{self.after} minutes after the close of {self.calendar}, local time of the exchange"
        facts = {
            "name": self.profile,
            "calendar": self.calendar,
            "zone": self.zone,
            "minute": self.minute % 60,
            "hour": self.minute // 60,
            "weekdays": _WEEKDAYS[self.days],
            "home": unit_path(self.home),
            "run": unit_command(program, [*self.command.split(), "--no-progress"]),
        }
        return self.line(program, Time(self.cron, self.zone, said)) + "\n" + _SYSTEMD.format(**facts)

    def line(self, program: Path, time: Time) -> str:
        """Return the crontab line that runs *program* at *time*, below its time zone."""
        facts = {
            "name": self.profile,
            "command": self.command,
            "home": cron_quoted(self.home),
            "program": cron_quoted(program),
            "log": cron_quoted(self.home / f"quantflow-{self.profile}.log"),
        }
        return _CRON.format(said=time.said, zone=time.zone, cron=time.cron, **facts)


_WEEKDAYS = {"*": "Mon..Sun", "1-5": "Mon..Fri", "2-6": "Tue..Sat"}


def crontab(home: Path, name: str, program: Path, after: str | None = None) -> str:
    """Return the crontab line and systemd units that run *program* on the schedule of a profile or meta profile.

    Args:
        home: The workspace.
        name: The profile or meta profile.
        program: The program to run.
        after: How long after the close, as ``close+45m``, in place of its schedule.

    Raises:
        ConfigError: If the profile is unknown, or a crontab cannot express the time.
    """
    plan, exchange = _loaded(home, name).schedule, schedule_of(home, name, after)
    if after or not plan.cron:
        return exchange.text(program)
    if len(plan.cron.split()) > 5:
        raise ConfigError(
            f"The schedule of {name} has seconds, {plan.cron!r}, which a crontab cannot express.",
            hint="Leave the last field out, or let quantflow serve run it.",
        )
    own = exchange.line(program, Time(plan.cron, plan.timezone or exchange.zone, "as its schedule says"))
    return exchange.text(program) + "\n" + own if plan.after else own + _NO_TIMER


def schedule_of(home: Path, name: str, after: str | None = None) -> Schedule:
    """Return the run time of the profile or meta profile *name*, relative to its exchange's usual close.

    Args:
        home: The workspace.
        name: The profile or meta profile.
        after: How long after, e.g. ``close+45m``; None for the profile's schedule, or 45 minutes if it has none.

    Raises:
        ConfigError: If the profile is unknown, *after* is something else, or that is not over the day after.
    """
    loaded = _loaded(home, name)
    minutes = minutes_after(after, "--after") if after else minutes_after(loaded.schedule.after or USUAL, "after")
    calendar = loaded.calendar.name
    zone, close = calendars.usual_close(calendar)
    minute = close + minutes
    if minute >= 2 * _DAY and calendar != ALWAYS_OPEN:
        raise ConfigError(
            f"close+{minutes}m is later than the day after a session of {calendar}.",
            hint=f"Give at most close+{2 * _DAY - 1 - close}m.",
        )
    command = f"meta --meta-profile {name}" if isinstance(loaded, MetaProfile) else f"select --profile {name}"
    if distrusted(home):  # the job would not find it by itself
        command += " --workspace ."
    return Schedule(name, command, calendar, zone, minute % _DAY, minutes, minute >= _DAY, home)


def times_of(home: Path, names: Sequence[str] = ()) -> dict[str, tuple[Time, ...]]:
    """Return when the profiles and meta profiles of the workspace's file are to run, by name.

    Args:
        home: The workspace.
        names: Only these; all that have a schedule when empty.

    Raises:
        ConfigError: If a profile is unknown, if one of *names* has no schedule, or if none has.
    """
    own = [entry.name for entry in catalogue.entries(home) if entry.source != "built in"]
    found = {name: times for name in names or own if (times := _times(home, name))}
    if without := sorted({*names} - {*found}):
        raise _unscheduled(f"{without[0]} has no schedule.", home, without[0])
    if not found:
        raise _unscheduled(f"No profile in {home} has a schedule.", home, own[0] if own else "NAME")
    return found


def _times(home: Path, name: str) -> tuple[Time, ...]:
    plan = _loaded(home, name).schedule
    if not plan.is_set:
        return ()
    exchange = schedule_of(home, name)
    after = [Time(exchange.cron, exchange.zone, plan.after)] if plan.after else []
    return (*after, *([Time(plan.cron, plan.timezone or exchange.zone, plan.cron)] if plan.cron else []))


def _loaded(home: Path, name: str) -> Profile | MetaProfile:
    return catalogue.load(catalogue.find(name, home), home)


def _unscheduled(message: str, home: Path, name: str) -> ConfigError:
    table = "meta" if any(e.name == name and e.kind == "meta" for e in catalogue.entries(home)) else "profiles"
    line = f'schedule = {{ after = "{USUAL}" }}'
    return ConfigError(message, hint=f"Add to quantflow.toml, under [{table}.{name}]: {line}")
