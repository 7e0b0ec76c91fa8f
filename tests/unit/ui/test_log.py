"""The JSON log: every line of standard error is an object that says what it is about."""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest

from quantflow.errors import ConfigError, DataError
from quantflow.flows.states import TaskState
from quantflow.ui.errors import print_error
from quantflow.ui.log import ABOUT, JsonLog, log, start_json_log
from quantflow.ui.progress.show import progress
from recorded import created

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def json_log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """Begin a JSON log of this process; what it writes. No fixture, since pytest puts its own stderr in after those."""
    out = StringIO()
    monkeypatch.setattr(sys, "stderr", JsonLog(out, clock=lambda: NOW))
    return out


def lines(out: StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_text_of_others_becomes_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is written when it has ended; its beginning tells how bad it is."""
    told = json_log(monkeypatch)
    for part in (
        "half a ",
        "line\n\nUserWarning: odd\nlib.py:3: UserWarning: odd\n",
        "error: broken\nError: usage\nno",
    ):
        print(part, end="", file=sys.stderr)  # noqa: T201
    assert [(line["level"], line["message"]) for line in lines(told)] == [
        ("info", "half a line"),
        ("warning", "UserWarning: odd"),
        ("warning", "lib.py:3: UserWarning: odd"),
        ("error", "error: broken"),
        ("error", "Error: usage"),
    ]
    assert all(line["ts"] == NOW.isoformat(timespec="milliseconds") for line in lines(told))
    assert all(line.keys() >= {"event", *ABOUT} for line in lines(told))


def test_threads_do_not_tear_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes at the same time, each line is whole."""
    told = json_log(monkeypatch)
    threads = [threading.Thread(target=lambda: [log("info", "x", "y" * 999) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(told)) == 200


def test_a_secret_is_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that the process knows are scrubbed from lines, and from their facts."""
    told = json_log(monkeypatch)
    monkeypatch.setenv("QUANTFLOW_SECRET_X", "hunter2hunter2")
    log("info", "x", "asked with hunter2hunter2", url="https://hunter2hunter2@host")
    assert "hunter2" not in told.getvalue()


@pytest.mark.parametrize("secret", ['pa"ss"word', "back\\slash", "pässwört", "message"])
def test_a_secret_is_found_however_json_writes_it(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One with quotes, backslashes or umlauts; one that is called like a key leaves the keys alone."""
    told = json_log(monkeypatch)
    monkeypatch.setenv("QUANTFLOW_SECRET_X", secret)
    log("info", "x", f"asked with {secret}", nested={"urls": [f"https://{secret}@host", ("a", 1, None, True)]}, day=NOW)
    (line,) = lines(told)
    assert line["message"] == "asked with ***"
    assert line["nested"] == {"urls": ["https://***@host", ["a", 1, None, True]]}
    assert line["day"] == str(NOW)


def test_an_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Message, type, hint and exit code are fields; the traceback is one when asked for."""
    told = json_log(monkeypatch)
    print_error(DataError("no bars", hint="wait"), debug=False)
    try:
        raise DataError("no bars")
    except DataError as error:
        print_error(error, debug=True)
    first, second = lines(told)
    picked = {key: first[key] for key in ("level", "event", "message", "type", "hint", "exit_code", "traceback")}
    expected = ("error", "error", "no bars", "DataError", "wait", 21, None)
    assert tuple(picked.values()) == expected
    assert "Traceback" in str(second["traceback"])


def test_state_changes_say_what_they_are_about(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Stage, sleeve, attempt and as-of of each change; a retry is a warning, a failure an error."""
    told = json_log(monkeypatch)
    record = created(tmp_path, "run-1", "p")
    waiting = TaskState("a", "ingestion", "waiting", "SCHEDULED", NOW, 2, due=NOW + timedelta(seconds=7))
    failed = TaskState("a", "ingestion", "failed", "FAILED", NOW, 3)
    with progress(record, "log") as update:
        assert update is not None
        update({"a": waiting})
        update({"a": failed})
    shown = [(e["event"], e["level"], e["stage"], e["attempt"], e.get("state")) for e in lines(told)]
    assert shown == [
        ("run.started", "info", None, None, None),
        ("stage", "warning", "ingestion", 2, "waiting"),
        ("stage", "error", "ingestion", 3, "failed"),
    ]
    assert {(e["run_id"], e["as_of"]) for e in lines(told)} == {("run-1", "2022-12-28")}


def test_another_format_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typo does not end in a log that nobody can read."""
    monkeypatch.setenv("QUANTFLOW_LOG", "jsn")
    with pytest.raises(ConfigError, match="QUANTFLOW_LOG='jsn'"):
        start_json_log()


def test_a_terminal_keeps_its_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for or not: what a person looks at is for a person."""
    screen = StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setenv("QUANTFLOW_LOG", "json")
    monkeypatch.setattr(sys, "stderr", screen)
    start_json_log()
    assert sys.stderr is screen
    assert not log("info", "x", "y")
