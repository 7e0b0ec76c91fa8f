"""Deadlines, health checks, crontab lines: what an unattended job relies on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from processes import run_cli
from quantflow.cli.topics import EXIT_CODES
from quantflow.cli.unattended import seconds_until, unattended
from quantflow.errors import ConfigError, StageError
from quantflow.ops.schedule import schedule_of

NOW = datetime(2026, 3, 2, 22, 0)


def test_the_health_check_hears_of_start_and_success(asked: tuple[str, list[str]]) -> None:
    """URL/start, then URL."""
    with unattended(None, asked[0]):
        assert asked[1] == ["/uuid/start"]
    assert asked[1] == ["/uuid/start", "/uuid"]


def test_the_health_check_hears_of_failure(asked: tuple[str, list[str]]) -> None:
    """URL/fail, and the error goes on its way."""
    with pytest.raises(StageError), unattended(None, asked[0]):
        raise StageError("it broke")
    assert asked[1] == ["/uuid/start", "/uuid/fail"]


def test_a_health_check_that_does_not_answer_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """The work is done all the same; the address, which is a secret, is not printed."""
    with unattended(None, "http://127.0.0.1:9/secret-uuid"):
        pass
    said = capsys.readouterr().err
    assert said.count("warning: the health check at 127.0.0.1 could not be reached") == 2
    assert "secret-uuid" not in said


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("45m", 2700), ("2h", 7200), ("23:30", 5400), ("21:00", 82800), ("22:00", 86400)]
)
def test_deadlines_are_durations_or_times_to_come(text: str, seconds: float) -> None:
    """A time of day that is over means tomorrow's."""
    assert seconds_until(text, NOW) == seconds


@pytest.mark.parametrize("text", ["", "45", "m", "24:00", "12:60", "-5m", "1d"])
def test_other_deadlines_are_refused(text: str) -> None:
    """What is neither is said, with how to write it."""
    with pytest.raises(ConfigError, match="neither"):
        seconds_until(text, NOW)


@pytest.mark.parametrize(
    ("calendar", "after", "line"),
    [
        ("XNYS", 45, "45 16 * * 1-5"),
        ("XNYS", 540, "0 1 * * 2-6"),
        ("24/7", 10, "10 0 * * *"),
        ("XTKS", 30, None),
    ],
)
def test_the_crontab_line_follows_the_exchange(calendar: str, after: int, line: str | None, tmp_path: Path) -> None:
    """In the exchange's own time, on the day of the session or the day after; paths are absolute and quoted."""
    home = tmp_path / "a folder with 5 %"
    home.mkdir()
    (home / "quantflow.toml").write_text(f'[profiles.p]\nextends = "demo"\ncalendar = {{ name = "{calendar}" }}\n')
    text = schedule_of(home, "p", f"close+{after}m").text(Path("/opt/quantflow"))
    assert f"cd '{str(home).replace('%', chr(92) + '%')}' && /opt/quantflow select --profile p --no-progress" in text
    assert f"WorkingDirectory={str(home).replace('%', '%%')}\n" in text
    if line:
        assert f"\n{line}  cd" in text
    else:
        assert "CRON_TZ=Asia/Tokyo" in text


def test_exit_codes_are_explained(tmp_path: Path) -> None:
    """`help exit-codes` names all, a typo the topic."""
    shown = run_cli("help", "exit-codes", cwd=tmp_path)
    assert [int(line.split()[0]) for line in shown.stdout.splitlines()] == list(EXIT_CODES)
    assert run_cli("help", "exit", cwd=tmp_path).returncode == 2
