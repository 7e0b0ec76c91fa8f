"""What cron and systemd make of the printed lines: systemd's own programs read them, cron's rule is written out."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from quantflow.ops.quoting import unit_command
from quantflow.ops.schedule import crontab

NAMES = (
    *("plain", "my folio", "fol%h", "a%%b", "$HOME", "a$$b", "it's", 'say "x"', "ünïcødé 目", "back\\slash", "b\\%h"),
    *("ends\\", "ends ", "semi;colon", "#hash", "a=b", "~tilde", "- dash", "\\\\%x", "{brace}", "`id`", "50%"),
)


@pytest.fixture(params=NAMES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A workspace with a name that is hard to quote, and a program in it that prints where it is and its arguments."""
    home = tmp_path / request.param
    home.mkdir()
    (home / "quantflow.toml").write_text('[profiles.p]\nextends = "demo"\n')
    program = home / "quantflow"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$PWD" "$@"\n')
    program.chmod(0o755)
    return home


def verified(unit: Path) -> str:
    """What systemd has to say about a unit: nothing when all is well."""
    program = shutil.which("systemd-analyze")
    assert program, "This test needs systemd-analyze; on Debian: apt-get install --no-install-recommends systemd"
    found = subprocess.run([program, "verify", str(unit)], capture_output=True, text=True, check=False)
    return found.stdout + found.stderr


def test_systemd_takes_the_printed_units(place: Path, tmp_path: Path) -> None:
    """In any folder: systemd-analyze finds the folder and the program, and nothing to warn of."""
    text = crontab(place, "p", place / "quantflow")
    _, timer, service = text.split("[Unit]\n")
    for kind, body in (("timer", timer), ("service", service)):
        lines = [line for line in f"[Unit]\n{body}".splitlines() if not line.startswith("# ~")]
        (tmp_path / f"quantflow-p.{kind}").write_text("\n".join(lines) + "\n")
    assert verified(tmp_path / "quantflow-p.service") == ""
    assert verified(tmp_path / "quantflow-p.timer") == ""


def test_a_program_that_is_not_there_is_seen(tmp_path: Path) -> None:
    """So the test above can fail: systemd does look for the program."""
    text = f"[Service]\nType=oneshot\nExecStart={unit_command(tmp_path / 'none here', [])}\n"
    (tmp_path / "one.service").write_text(text)
    assert "is not executable" in verified(tmp_path / "one.service")


def as_cron_reads(command: str) -> str:
    """The line that cron gives to /bin/sh, by do_command.c of Vixie's cron and of cronie."""
    out, after_backslash = "", False
    for character in command:
        if after_backslash and character == "%":
            out, after_backslash = out[:-1] + "%", False
            continue
        after_backslash = not after_backslash and character == "\\"
        if character == "%":
            return out
        out += character
    return out


def test_cron_runs_the_printed_line(place: Path) -> None:
    """In any folder: the command changes into it, runs the program there and writes its log there."""
    line = next(line for line in crontab(place, "p", place / "quantflow").splitlines() if "  cd " in line)
    subprocess.run(["/bin/sh", "-c", as_cron_reads(line.partition("  ")[2])], check=True, cwd="/")
    written = (place / "quantflow-p.log").read_text().splitlines()
    assert written == [str(place), "select", "--profile", "p", "--no-progress"]
