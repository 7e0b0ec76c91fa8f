"""The times at which profiles are to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantflow.config.load import load_profile
from quantflow.errors import ConfigError
from quantflow.flows.serve import next_times
from quantflow.ops.schedule import crontab, schedule_of, times_of

PROFILES = """
[profiles.a]
extends = "demo"
schedule = { after = "close+45m", cron = "30 7 * * 1-5", timezone = "Europe/Berlin" }
[profiles.b]
extends = "a"
schedule = { cron = "off" }
[profiles.c]
extends = "b"
schedule = { after = "off" }
[meta.m]
sleeves = [{ profile = "c" }]
schedule = { cron = "0 18 * * *" }
"""


def test_times_are_the_profiles_own_and_those_it_extends(tmp_path: Path) -> None:
    """After the close in the exchange's time, cron in its own; "off" takes back; a portfolio has times as well."""
    (tmp_path / "quantflow.toml").write_text(PROFILES)
    found = times_of(tmp_path)
    assert {name: [(time.cron, time.zone) for time in times] for name, times in found.items()} == {
        "a": [("45 16 * * 1-5", "America/New_York"), ("30 7 * * 1-5", "Europe/Berlin")],
        "b": [("45 16 * * 1-5", "America/New_York")],
        "m": [("0 18 * * *", "America/New_York")],
    }
    assert list(times_of(tmp_path, ["b"])) == ["b"]
    assert schedule_of(tmp_path, "b").after == 45


def test_a_schedule_is_no_part_of_what_is_run(tmp_path: Path) -> None:
    """Profiles that differ in it alone have the same settings, so a run of the one is done for the other."""
    (tmp_path / "quantflow.toml").write_text(PROFILES)
    assert load_profile("a", workspace=tmp_path).settings() == load_profile("c", workspace=tmp_path).settings()


def test_without_a_schedule_the_lines_to_add_are_shown(tmp_path: Path) -> None:
    """For the workspace as for a profile that is asked for, below the table that it has."""
    for text, names, table in [
        ("", (), "[profiles.NAME]"),
        ('[profiles.x]\nextends = "demo"\n', (), "[profiles.x]"),
        (PROFILES.replace('schedule = { cron = "0 18 * * *" }', ""), ("m",), "[meta.m]"),
    ]:
        (tmp_path / "quantflow.toml").write_text(text)
        with pytest.raises(ConfigError, match="schedule") as raised:
            times_of(tmp_path, names)
        assert raised.value.hint == f'Add to quantflow.toml, under {table}: schedule = {{ after = "close+45m" }}'


@pytest.mark.parametrize(
    "line", ['after = "open+5m"', 'cron = "daily"', 'cron = "61 * * * *"', 'timezone = "Mars/Base"\ncron = "0 1 * * *"']
)
def test_what_is_no_time_is_refused(line: str, tmp_path: Path) -> None:
    """Before anything is started."""
    (tmp_path / "quantflow.toml").write_text(f'[profiles.x]\nextends = "demo"\n[profiles.x.schedule]\n{line}\n')
    with pytest.raises(ConfigError):
        next_times(times_of(tmp_path))


@pytest.mark.parametrize(
    ("name", "after", "lines"),
    [
        ("a", None, ["America/New_York 45 16 * * 1-5", "Europe/Berlin 30 7 * * 1-5"]),
        ("a", "close+60m", ["America/New_York 0 17 * * 1-5"]),
        ("c", None, ["America/New_York 45 16 * * 1-5"]),
        ("m", None, ["America/New_York 0 18 * * *"]),
    ],
)
def test_the_crontab_is_of_the_times_that_the_schedule_says(
    name: str, after: str | None, lines: list[str], tmp_path: Path
) -> None:
    """A line per time, each in its zone; after the close when it says none, or as asked for, whatever it says."""
    (tmp_path / "quantflow.toml").write_text(PROFILES)
    text = crontab(tmp_path, name, Path("/opt/quantflow"), after).splitlines()
    zones = [i for i, line in enumerate(text) if line.startswith("CRON_TZ=")]
    assert [f"{text[i][8:]} {text[i + 1].partition('  cd ')[0]}" for i in zones] == lines
    assert any(line.startswith("OnCalendar=") for line in text) is (name != "m")


def test_a_crontab_has_no_seconds(tmp_path: Path) -> None:
    """Six fields would make the sixth a command."""
    (tmp_path / "quantflow.toml").write_text(PROFILES.replace("0 18 * * *", "0 18 * * * 30"))
    with pytest.raises(ConfigError, match="has seconds"):
        crontab(tmp_path, "m", Path("/opt/quantflow"))


def test_a_time_two_days_after_the_session_is_refused(tmp_path: Path) -> None:
    """It would be printed a day early; an exchange that is always open has no such day."""
    text = '[profiles.x]\nextends = "demo"\n[profiles.y]\nextends = "demo"\ncalendar = { name = "24/7" }\n'
    (tmp_path / "quantflow.toml").write_text(text)
    with pytest.raises(ConfigError, match="later than the day after") as caught:
        schedule_of(tmp_path, "x", "close+2000m")
    assert caught.value.hint == "Give at most close+1919m."
    assert schedule_of(tmp_path, "x", "close+1919m").cron == "59 23 * * 2-6"
    assert schedule_of(tmp_path, "y", "close+2000m").cron == "20 9 * * *"
