"""The runs of a workspace as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quantflow.config.load import find_workspace
from quantflow.runs.find import list_runs
from quantflow.runs.run import Run

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("kind", "profile", "as_of", "state", "degraded", "sharpe")


def table_of(workspace: Path | None = None) -> pd.DataFrame:
    """Return the runs of a workspace that can be read, newest last, those of sleeves left out.

    Args:
        workspace: The folder of ``quantflow.toml``; None to look for it from here upwards.

    Returns:
        A row per run: ``kind``, ``profile``, ``as_of``, ``state``, ``degraded``, and ``sharpe``, the annualised ratio
        of its walk-forward after costs, NaN where it has none.
    """
    import pandas as pd

    found = [run for run in list_runs(find_workspace(Path.cwd(), workspace)) if run.state != "unreadable"]
    rows = [
        (run.header.kind, run.profile, pd.Timestamp(run.as_of), run.state, run.degraded, _sharpe(run)) for run in found
    ]
    return pd.DataFrame(rows, index=pd.Index([run.id for run in found], name="run"), columns=list(COLUMNS))


def _sharpe(run: Run) -> float | None:
    if "metrics" not in run.outputs:
        return None
    ratio: float | None = run.load("metrics")["strategy"]["sharpe"]
    return ratio
