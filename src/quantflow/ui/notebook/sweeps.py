"""A sweep in a notebook: a result that shows itself."""

from __future__ import annotations

import html
from functools import cached_property
from typing import TYPE_CHECKING, Any

from quantflow.runs.kinds import Sweep, open_trial
from quantflow.types import Record
from quantflow.ui.notebook.runs import LoadedRun
from quantflow.ui.sweeps.tables import surface_of

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

SHOWN = 10


class SweepResult:
    """What came of a complete sweep; in a notebook it displays its sentence and its best trials.

    Attributes:
        run: The sweep's run.

    Args:
        run: A complete sweep.
    """

    def __init__(self, run: Sweep) -> None:
        self.run = run

    @cached_property
    def found(self) -> Record:
        """What the trials say together: best, luck, overfitting, importance of settings, heat maps, nested."""
        found: Record = self.run.load("sweep")
        return found

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per trial, by number: values of the settings, ``state``, figures after costs, ``message``."""
        frame: pd.DataFrame = self.run.load("trials")
        return frame

    @cached_property
    def returns(self) -> pd.DataFrame:
        """Returns after costs: a row per session that all trials have, a column per trial that succeeded."""
        frame: pd.DataFrame = self.run.load("trial_returns")
        return frame

    @property
    def best(self) -> dict[str, Any]:
        """The values of the best trial, by ``section.key``; ``trial(self.found["best"]["trial"])`` is its run."""
        return dict(self.found["best"]["variant"])

    @property
    def verdict(self) -> str:
        """Whether the best trial beats what luck gives, in words."""
        return str(self.found["sentence"])

    def trial(self, number: int) -> LoadedRun:
        """Return a trial as a run: ``.weights``, ``.oos_returns``, ``.why("KO")`` and so on.

        Raises:
            ConfigError: If there is none of that number, or it failed.
        """
        return LoadedRun(open_trial(self.run, str(number)))

    def heatmap(self, rows: str | None = None, columns: str | None = None) -> Figure:
        """Return a heat map of the figure over two settings as a plotly figure.

        Args:
            rows: The setting down the side; None for the two that explain most.
            columns: The one across.

        Raises:
            ConfigError: If the sweep has no heat map of these settings.
        """
        from plotly.graph_objects import Figure, Heatmap

        one = surface_of(self.found, rows, columns)
        assert one is not None  # a sweep has at least two variants, so that a setting varies
        marks = [["!" if lonely else "" for lonely in line] for line in one["lonely"]]
        cells = Heatmap(
            z=one["mean"], x=one["column_values"], y=one["row_values"], text=marks, texttemplate="%{z:.2f}%{text}"
        )
        figure = Figure(cells)
        figure.update_layout(title=self.found["metric"], xaxis_title=one["columns"], yaxis_title=one["rows"])
        figure.update_xaxes(type="category")
        figure.update_yaxes(type="category")
        return figure

    def __repr__(self) -> str:
        return f"<sweep {self.run.id}: {self.verdict}>"

    def _repr_html_(self) -> str:
        done = self.table[self.table["state"] == "completed"].drop(columns=["state", "message"])
        ranked = done.sort_values(self.found["metric"], ascending=False, kind="stable").head(SHOWN)
        return f"<p><b>{html.escape(self.verdict)}</b></p>{ranked.to_html(float_format='{:.3f}'.format)}"
