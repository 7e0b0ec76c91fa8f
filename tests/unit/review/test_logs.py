"""What a run has logged."""

from __future__ import annotations

import logging
from pathlib import Path

from quantflow.flows.worker import LogLines
from quantflow.review.logs import following, logged_lines
from recorded import Name, created, recorded_meta


def line(text: str, second: int, task: str | None = None, level: int = logging.INFO) -> str:
    """A line as the log of a run has it."""
    record = logging.LogRecord("prefect.task_runs", level, "", 0, text, None, None)
    record.created, record.msecs = 1_700_000_000 + second, 5.0
    if task:
        record.task_run_name = task
    return LogLines("%(asctime)s %(levelname)s %(stage)s %(message)s").format(record) + "\n"


def test_each_line_names_its_stage(tmp_path: Path) -> None:
    """A part of a stage counts as the stage, what is of none as the run; a traceback belongs to the line before it."""
    run = created(tmp_path)
    text = (
        line("begun", 0) + line("2 out", 1, "policy level 1") + line("it broke\n  in row 7", 2, "policy", logging.ERROR)
    )
    (run.folder / "log.txt").write_text(text)
    found = [(each.stage, each.level, each.text) for each in logged_lines(run)]
    assert found == [
        ("run", "INFO", "begun"),
        ("policy", "INFO", "2 out"),
        ("policy", "ERROR", "it broke"),
        ("policy", "ERROR", "  in row 7"),
    ]
    assert [each.text for each in logged_lines(run) if each.of("policy")] == ["2 out", "it broke", "  in row 7"]


def test_lines_of_sleeves_come_in_their_time(tmp_path: Path) -> None:
    """The log of a meta run is that of all its parts, oldest first, each line with its sleeve."""
    run = recorded_meta(tmp_path, {"a": {"KO": Name([1.0, 2.0])}}, {"KO": 1.0})
    (run.folder / "log.txt").write_text(line("first", 0) + line("last", 9))
    (run.sleeves[0].run.folder / "log.txt").write_text(line("between", 5, "policy"))
    assert [(each.sleeve, each.text) for each in logged_lines(run)] == [("", "first"), ("a", "between"), ("", "last")]


def test_a_log_is_followed_to_the_end_of_the_run(tmp_path: Path) -> None:
    """A run that has ended is read once; one without a log has nothing to say."""
    run = created(tmp_path)
    assert list(following(run)) == []
    (run.folder / "log.txt").write_text(line("begun", 0))
    assert [each.text for each in following(run)] == ["begun"]
