"""``quantflow open``."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_mock import MockerFixture
from typer.testing import CliRunner

from quantflow.cli.main import app
from quantflow.cli.review import look
from quantflow.errors import ConfigError
from recorded import created


def test_a_report_is_opened_where_there_is_a_display(
    tmp_path: Path, mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its path printed; on a server without a display only that."""
    page = created(tmp_path, "one").folder / "report.html"
    page.write_text("<p>")
    launched = mocker.patch.object(look.typer, "launch")
    monkeypatch.setenv("DISPLAY", ":0")
    found = CliRunner().invoke(app, ["open", "one", "-w", str(tmp_path)])
    assert found.output.strip() == str(page)
    launched.assert_called_once_with(page.as_uri())
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    mocker.patch.object(look.sys, "platform", "linux")
    CliRunner().invoke(app, ["open", "on", "-w", str(tmp_path)])
    assert launched.call_count == 1


def test_a_run_without_a_report_says_so(tmp_path: Path) -> None:
    """With its state, and where to look."""
    created(tmp_path, "one")
    with pytest.raises(ConfigError, match="has no report: it is interrupted"):
        look.open_report("one", tmp_path)
