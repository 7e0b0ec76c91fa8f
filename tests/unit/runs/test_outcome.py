"""What a run found, as plain values."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quantflow.runs.kinds import open_run
from quantflow.runs.outcome import outcome
from quantflow.runs.record import StageRecord
from quantflow.runs.run import Run
from recorded import Name, created, recorded

NAMES = {"A": Name([10.0, 11.0]), "B": Name([20.0, 19.0])}


def made(home: Path, **tables: object) -> Run:
    """Return a run whose one stage made *tables*."""
    run = created(home)
    refs = {name: run.store.put(name, table) for name, table in tables.items()}
    run.write_stage(StageRecord("ingestion", "done", outputs=refs))
    return open_run(home, run.id)


def by(name: str, labels: list[str], **columns: list[object]) -> pd.DataFrame:
    """Return a table whose index is called *name*."""
    return pd.DataFrame(columns, index=pd.Index(labels, name=name))


def test_winners_come_with_their_reasons(tmp_path: Path) -> None:
    """In their order, each with what its score is made of; a sector that is unknown is None."""
    scores = by("symbol", ["A", "B", "C"], c_trend=[-0.1, -0.5, 0], c_cvar=[-0.2, -0.1, 0], c_entropy=[-0.9, -0.3, 0])
    winners = by("symbol", ["B", "A"], alpha_score=[0.9, 0.8], rank=[1, 2], sector=["Energy", None], other=[0, 0])
    found = outcome(made(tmp_path, scores=scores, winners=winners, weights=by("symbol", ["A"], weight=[1.0])))
    assert found.winners == [
        {"symbol": "B", "sector": "Energy", "alpha_score": 0.9, "rank": 1, "why": "+cvar +entropy -trend"},
        {"symbol": "A", "sector": None, "alpha_score": 0.8, "rank": 2, "why": "+trend +cvar -entropy"},
    ]
    assert found.weights == [{"symbol": "A", "weight": 1.0}]


def test_an_undefined_weight_is_nan(tmp_path: Path) -> None:
    """So that arithmetic goes through, and a gate can name it."""
    weights = made(tmp_path, weights=by("symbol", ["A", "B"], weight=[0.5, np.nan])).weights
    assert weights["A"] == 0.5
    assert math.isnan(weights["B"])


def test_a_portfolio_shows_the_part_of_each_sleeve(tmp_path: Path) -> None:
    """Sleeves in the order of their names; a name that a sleeve does not hold has no part of it."""
    parts = pd.DataFrame(
        {"symbol": ["A", "B", "A"], "sleeve": ["two", "one", "one"], "weight": [0.2, 0.3, 0.5], "capital": [0.2] * 3}
    )
    sleeves = [{"id": "one", "run_id": "r.one", "as_of": "2022-12-28", "reused": False, "more": 1}]
    found = outcome(
        made(
            tmp_path,
            contributions=parts,
            weights=by("symbol", ["A", "B"], weight=[0.7, 0.3]),
            sleeve_weights=by("sleeve", ["two", "one"], weight=[0.2, 0.8]),
            sleeves={"sleeves": sleeves},
        )
    )
    assert found.contributions == [
        {"symbol": "A", "weight": 0.7, "by_sleeve": {"one": 0.5, "two": 0.2}},
        {"symbol": "B", "weight": 0.3, "by_sleeve": {"one": 0.3}},
    ]
    assert list(found.contributions[0]["by_sleeve"]) == ["one", "two"]
    assert found.sleeves == [{"id": "one", "run_id": "r.one", "as_of": "2022-12-28", "reused": False, "weight": 0.8}]


@pytest.mark.parametrize("arguments", [["inspect", "latest"], ["inspect"], ["logs", "latest"]])
def test_runs_are_shown_without_pandas(arguments: list[str], tmp_path: Path) -> None:
    """It would take as long to import as all the rest."""
    recorded(tmp_path, NAMES, {"A": 0.6, "B": 0.4})
    code = f"import sys; sys.modules['pandas'] = None; sys.argv[1:] = {[*arguments, '-w', str(tmp_path)]}\n"
    code += "from quantflow.cli.main import main; main()"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
