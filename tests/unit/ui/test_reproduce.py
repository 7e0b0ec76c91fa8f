"""How the reproduction of a run is printed."""

from __future__ import annotations

import pytest

from quantflow.review.reproduction import Reproduction, Row, Verdict
from quantflow.ui.reproduce import print_reproduction


def test_a_stages_own_brackets_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    """The id of a stage is printed as it is: what looks like a style, or like the end of one, is none."""
    row = Row("gate[/]", {"x": "5ca1ab1e"}, {}, Verdict.FAILED, "no [bold]luck[/]")
    found = Reproduction(
        run_id="r",
        profile="p",
        as_of="2022-12-28",
        exact=True,
        cpu=("Z80", "Z80"),
        refetched=False,
        stages=(row,),
        first="gate[/]",
        cause="[red]",
        sleeves=(),
    )
    print_reproduction(found, with_sleeves=False, kept=None)
    shown = capsys.readouterr().out
    assert "gate[/]  5ca1ab1e" in shown
    assert "gate[/]: no [bold]luck[/]" in shown
    assert "first that differs: gate[/]" in shown
    assert "likely cause: [red]" in shown
