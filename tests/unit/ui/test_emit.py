"""One way to write JSON for machines."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from quantflow.ui.emit import emit


def test_a_document_is_one_line_with_version_and_event_first(capsys: pytest.CaptureFixture[str]) -> None:
    """So that a reader can tell what follows, and ``head -1`` gives a whole document."""
    emit("why", symbol="KO", stages=[{"stage": "policy"}])
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {"schema_version": 1, "event": "why", "symbol": "KO", "stages": [{"stage": "policy"}]}
    assert line.startswith('{"schema_version": 1, "event": "why"')


def test_paths_and_dates_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has neither."""
    emit("orders", file=Path("/tmp/orders.csv"), as_of=date(2022, 12, 28))
    found = json.loads(capsys.readouterr().out)
    assert (found["file"], found["as_of"]) == ("/tmp/orders.csv", "2022-12-28")
