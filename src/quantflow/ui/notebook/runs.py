"""A run in a notebook: its tables as attributes, its figures at a glance, and its curves."""

from __future__ import annotations

import html
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantflow.config.load import find_workspace
from quantflow.data.panel import Panel
from quantflow.errors import StageError
from quantflow.review.why.path import path_of
from quantflow.runs.find import find_run
from quantflow.runs.run import Run
from quantflow.types import Record

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from quantflow.review.why.path import Path as WhyPath

CURVES = {"net": "strategy", "equal_weight": "equal weight", "equal_sleeves": "equal sleeves", "benchmark": "benchmark"}
SERIES = {"net": "strategy"}
"""What a column of the walk-forward is called in its figures, where that differs."""
FIGURES = ("cagr", "volatility", "sharpe", "sortino", "max_drawdown", "turnover_annual")


class LoadedRun:
    """What a run has made; a notebook displays its figures and weights.

    Attributes:
        run: The run itself: its settings, stages and record.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    @property
    def id(self) -> str:
        """Its name."""
        return self.run.id

    @property
    def state(self) -> str:
        """``running``, ``completed``, ``failed``, ``interrupted`` or ``unreadable``."""
        return self.run.state

    @cached_property
    def weights(self) -> pd.DataFrame:
        """What is to be held: ``weight`` (signed fraction of capital) and what explains it, by ``symbol``."""
        return self._table("weights")

    @cached_property
    def prices(self) -> pd.DataFrame:
        """Adjusted closes, a row per session, a column per symbol; NaN where there is no bar."""
        import pandas as pd

        panel: Panel = self.run.load("prices")
        index = pd.DatetimeIndex(panel.sessions, name="date")
        return pd.DataFrame(panel.close.T, index=index, columns=list(panel.symbols))

    @cached_property
    def oos_returns(self) -> pd.DataFrame:
        """The walk-forward by session: ``net``, ``gross``, ``cost``, ``turnover``, and what the benchmarks earned."""
        return self._table("oos_returns")

    @cached_property
    def decisions(self) -> pd.DataFrame:
        """What the policy decided, by symbol: ``outcome``, ``rule``, ``value``, ``limit``, ``margin``, ``level``."""
        return self._table("decisions")

    @cached_property
    def metrics(self) -> Record:
        """Figures of the walk-forward after costs, by series (``strategy``, ``equal_weight``, …)."""
        found: Record = self.run.load("metrics")
        return found

    @property
    def report(self) -> Page:
        """The run's report, which a notebook shows in place.

        Raises:
            StageError: If the run has none.
        """
        return Page(self.run.load("report"))

    def why(self, symbol: str) -> WhyPath:
        """Return what each stage found of a symbol, and what would have changed the outcome.

        Raises:
            ConfigError: If the run knows no such symbol.
        """
        return path_of(self.run, symbol)

    def load(self, name: str) -> Any:
        """Return any artifact by name, e.g. ``"scores"``.

        Raises:
            StageError: If the run has none of that name; the hint lists them.
        """
        return self.run.load(name)

    def plot(self) -> Figure:
        """Return the growth of 1 over the walk-forward beside the benchmarks, as a plotly figure."""
        from plotly.graph_objects import Figure, Scatter

        stream, figure = self.oos_returns, Figure()
        for column, label in CURVES.items():
            if column in stream:
                figure.add_trace(Scatter(x=stream.index, y=(1.0 + stream[column]).cumprod(), name=label))
        figure.update_layout(title=f"{self.id}: growth of 1, after costs", hovermode="x unified")
        figure.update_yaxes(type="log")
        return figure

    def __repr__(self) -> str:
        return f"<run {self.id}: {self.state}, as of {self.run.as_of}>"

    def _repr_html_(self) -> str:
        parts = [f"<p><b>{html.escape(self.id)}</b> {self.state}, as of {self.run.as_of}</p>"]
        made = self.run.outputs
        if "metrics" in made:
            parts.append(self._figures().to_html(float_format="{:.3f}".format))
        if "weights" in made:
            parts.append(self.weights.head(15).to_html(float_format="{:.4f}".format))
        return "".join(parts)

    def _figures(self) -> pd.DataFrame:
        import pandas as pd

        blocks = {
            label: self.metrics.get(name) for name, label in (("strategy", "strategy"), *list(CURVES.items())[1:])
        }
        return pd.DataFrame(
            {label: {name: block.get(name) for name in FIGURES} for label, block in blocks.items() if block}
        ).T

    def _table(self, name: str) -> pd.DataFrame:
        frame: pd.DataFrame = self.run.load(name)
        return frame


class Page:
    """An HTML page that a notebook shows in a frame of its own.

    Attributes:
        html: The page.

    Args:
        page: Its text.
    """

    def __init__(self, page: str) -> None:
        self.html = page

    def save(self, path: Path | str) -> Path:
        """Write the page to a file, and return where it is."""
        file = Path(path)
        file.write_text(self.html, encoding="utf-8")
        return file

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{html.escape(self.html)}" width="100%" height="800" style="border:0"></iframe>'


def load(run: str = "latest", *, workspace: Path | None = None) -> LoadedRun:
    """Return a run: the newest that makes a portfolio, one by its id or by the beginning of it, or ``sweep/17``.

    Args:
        run: Which.
        workspace: The folder of ``quantflow.toml``; None to look for it from here upwards.

    Raises:
        ConfigError: If there is none, naming the nearest.
    """
    home = find_workspace(Path.cwd(), workspace)
    found = find_run(home, run)
    if found.state == "unreadable":
        raise StageError(f"The record of run {found.id} cannot be read.", hint=f"quantflow inspect {found.id}")
    return LoadedRun(found)
