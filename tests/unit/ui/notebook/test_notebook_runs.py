"""Runs in a notebook."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import quantflow
from quantflow.errors import ConfigError
from quantflow.ui.notebook.runs import Page
from quantflow.ui.notebook.start import select
from recorded import Name, created, recorded

NAMES = {"KO": Name([60.0, 61.0]), "<b>": Name([10.0, 11.0])}


def test_a_run_shows_itself(tmp_path: Path) -> None:
    """Weights and prices as tables; names are text, not markup."""
    run = recorded(tmp_path, NAMES, {"KO": 0.6, "<b>": 0.4})
    found = quantflow.load(run.id[:10], workspace=tmp_path)
    assert found.weights["weight"].to_dict() == {"KO": 0.6, "<b>": 0.4}
    assert found.prices["KO"].to_list() == [60.0, 61.0]
    assert isinstance(found.prices.index, pd.DatetimeIndex)
    shown = found._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b><b>" not in shown
    assert run.id in repr(found)


def test_curves_begin_with_the_first_return(tmp_path: Path) -> None:
    """Growth of 1 of the strategy and of each benchmark that there is."""
    found = quantflow.load(recorded(tmp_path, NAMES, {"KO": 1.0}).id, workspace=tmp_path)
    found.oos_returns = pd.DataFrame({"net": [0.1, 0.0], "equal_weight": [0.0, 0.5]})
    curves = {curve.name: list(curve.y) for curve in found.plot().data}
    assert curves == {"strategy": pytest.approx([1.1, 1.1]), "equal weight": pytest.approx([1.0, 1.5])}


def test_runs_are_a_table_whatever_was_imported_before(tmp_path: Path) -> None:
    """``quantflow.runs`` is the function and the package that holds the records."""
    import quantflow.runs.find

    created(tmp_path, "one")
    table = quantflow.runs(workspace=tmp_path)  # type: ignore[operator]
    assert table.index.tolist() == ["one"]
    assert table.loc["one", ["kind", "profile", "state"]].tolist() == ["selection", "demo", "interrupted"]


def test_what_there_is_is_listed() -> None:
    """``dir(quantflow)`` has the calls, without importing what they need."""
    wanted = {"load", "runs", "select", "sweep"}
    code = f"import sys, quantflow; print(sorted({wanted} - set(dir(quantflow))), 'pandas' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[] False"


def test_a_report_is_shown_in_a_frame_of_its_own(tmp_path: Path) -> None:
    """Its style sheet and its markup stay there; it can be saved."""
    page = Page('<p class="x">"</p>')
    assert page._repr_html_().startswith('<iframe srcdoc="&lt;p class=&quot;x&quot;&gt;')
    assert page.save(tmp_path / "r.html").read_text() == page.html


def test_a_key_alone_is_enough_where_it_is_clear(tmp_path: Path) -> None:
    """One that several sections have, or none, is refused before anything starts."""
    with pytest.raises(ConfigError, match=r"features\.lookback, allocation\.lookback"):
        select("demo", workspace=tmp_path, lookback=300)
    with pytest.raises(ConfigError, match="No section has a key 'topn'"):
        select("demo", workspace=tmp_path, topn=3)
    with pytest.raises(ConfigError, match=r"policy\.top_n = -1"):
        select("demo", workspace=tmp_path, top_n=-1)
    assert not (tmp_path / "runs").exists()
