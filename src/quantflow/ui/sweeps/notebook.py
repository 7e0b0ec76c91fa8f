"""A sweep in a notebook: run with live progress, and a result that shows itself."""

from __future__ import annotations

import html
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantflow.config.load import find_workspace
from quantflow.config.sweeps.sweep import load_sweep
from quantflow.data.calendars import as_date
from quantflow.flows.launch import execute
from quantflow.runs.as_of import resolve_as_of
from quantflow.runs.begin import begun_unless_done
from quantflow.runs.done import AlreadyDone
from quantflow.runs.kinds import Sweep, open_trial
from quantflow.runs.run import Run
from quantflow.server.server import api_server
from quantflow.types import Record
from quantflow.ui.progress import progress
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

    def trial(self, number: int) -> Run:
        """Return a trial as a run: ``.weights``, ``.load("oos_returns")`` and so on.

        Raises:
            ConfigError: If there is none of that number, or it failed.
        """
        return open_trial(self.run, str(number))

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
        done = self.table[self.table["state"] == "done"].drop(columns=["state", "message"])
        ranked = done.sort_values(self.found["metric"], ascending=False, kind="stable").head(SHOWN)
        return f"<p><b>{html.escape(self.verdict)}</b></p>{ranked.to_html(float_format='{:.3f}'.format)}"


def sweep(
    profile: str,
    over: Mapping[str, Sequence[Any]],
    *,
    as_of: date | str | None = None,
    workspace: Path | None = None,
    overrides: Sequence[str] = (),
    quiet: bool = False,
    **options: Any,
) -> SweepResult:
    """Try many variants of a profile; with live progress on a terminal or in a notebook.

    A complete sweep of the same settings, session, code and data is not run again.

    Args:
        profile: The profile's name.
        over: The values to try of each setting, as ``{"policy.top_n": [1, 2, 3]}``.
        as_of: The last session to use, a date or ``"2022-12-28"``; None for the last completed one.
        workspace: The folder of ``quantflow.toml``; None to look for it from here upwards.
        overrides: ``section.key=value`` lines that change the profile for all trials.
        quiet: Whether no progress is shown.
        options: ``design``, ``trials``, ``seed``, ``metric``, ``nested``: as in ``[sweep.NAME]``.

    Raises:
        ConfigError: If a setting or value is wrong.
        QuantflowError: What ended the sweep; it can be resumed.
    """
    home = find_workspace(Path.cwd(), workspace)
    given = {"profile": profile, "over": {name: list(values) for name, values in over.items()}, **options}
    loaded = load_sweep(None, workspace=home, given=given, overrides=overrides)
    with begun_unless_done(loaded, home, resolve_as_of(loaded, as_date(as_of))) as found:
        if isinstance(found, AlreadyDone):
            return SweepResult(_swept(found.run))
        with api_server(home) as server, progress(found, "none" if quiet else _mode()) as listener:
            return SweepResult(_swept(execute(found, server, listener=listener)))


def _mode() -> str:
    return "live" if sys.stderr.isatty() or "ipykernel" in sys.modules else "lines"


def _swept(run: Run) -> Sweep:
    assert isinstance(run, Sweep)
    return run
