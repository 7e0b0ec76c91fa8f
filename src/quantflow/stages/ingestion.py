"""Ingestion: prices and instruments of the universe, on the calendar's sessions, held to the data contract."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import ClassVar

from quantflow.config.calendar import CalendarConfig
from quantflow.config.data import DataConfig
from quantflow.config.universe import UniverseConfig
from quantflow.data.calendars import sessions
from quantflow.data.contracts import Finding, check_bars, check_panel, quality_frame, quarantined, restated
from quantflow.data.grid import Grid, cut, tables
from quantflow.data.providers import open_provider
from quantflow.errors import DataError
from quantflow.stages.base import BasePipelineStage, Inputs, Kind, Outputs, StageConfig, Summary


class IngestionStageConfig(StageConfig):
    """What ingestion reads."""

    data: DataConfig
    universe: UniverseConfig
    calendar: CalendarConfig
    as_of: date


class IngestionStage(BasePipelineStage[IngestionStageConfig]):
    """Fetch the universe's bars up to the as-of, check them, set failing symbols aside with a reason.

    Makes ``prices`` (a panel of the symbols kept, over the calendar's sessions from the first bar to the as-of),
    ``instruments`` (the same symbols) and ``quality`` (every check that did not pass).
    """

    id: ClassVar[str] = "ingestion"
    kind: ClassVar[Kind] = Kind.NETWORK
    makes: ClassVar[tuple[str, ...]] = ("prices", "instruments", "quality")
    Config: ClassVar[type[StageConfig]] = IngestionStageConfig

    def run(self, inputs: Inputs, config: IngestionStageConfig) -> Outputs:
        """Return prices, instruments and quality; see the class.

        Raises:
            DataUnavailableError: If the provider does not answer now.
            DataError: If it has no bars, too many symbols fail, or fewer than two are left.
            ConfigError: If the provider, calendar or a symbol does not exist.
        """
        provider = open_provider(config.data)
        instruments = provider.instruments(config.universe).sort_index()
        symbols = tuple(instruments.index)
        grid = Grid(symbols, config.data.start, config.as_of, partial(sessions, config.calendar.name))
        for bars in tables(provider.bars(symbols, config.data.start, config.as_of)):
            check_bars(bars)
            grid.add(bars)
        panel = grid.panel()
        _check_any(len(panel.sessions), provider.name, config.as_of)
        findings = [*grid.findings(), *restated(provider), *check_panel(panel, config.data)]
        aside = quarantined(findings)
        _check_budget(len(symbols), aside, findings, config.data.quarantine_budget)
        kept = [symbol for symbol in symbols if symbol not in set(aside)]
        return {
            "prices": cut(panel, kept),
            "instruments": instruments.loc[kept],
            "quality": quality_frame(findings),
        }

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return symbols asked for and kept, and how many were set aside or cut."""
        quality, kept = outputs["quality"], len(outputs["instruments"])
        aside = int(quality.loc[quality["outcome"] == "quarantined", "symbol"].nunique())
        cut = int(quality.loc[quality["check"] == "after_as_of", "observed"].sum())
        notes = [f"{aside} set aside"] * bool(aside) + [f"{cut} bars after the as-of cut"] * bool(cut)
        return Summary(entered=kept + aside, left=kept, note=", ".join(notes), degraded=bool(notes))


def _check_any(found: int, provider: str, as_of: date) -> None:
    if not found:
        raise DataError(
            f"The provider {provider!r} has no bars up to {as_of}.",
            hint="Ask for a later as-of, or an earlier data.start.",
        )


def _check_budget(asked: int, aside: tuple[str, ...], findings: list[Finding], budget: float) -> None:
    left = asked - len(aside)
    if len(aside) <= budget * asked and left >= 2:
        return
    reasons = {f.symbol: f"{f.symbol} ({f.check}: {f.reason})" for f in findings if f.outcome == "quarantined"}
    listed = "; ".join(reasons[symbol] for symbol in aside[:3])
    more = f"; and {len(aside) - 3} more" if len(aside) > 3 else ""
    rule = f"the budget is {budget:.0%}" if left >= 2 else f"{left} left, and a portfolio needs two"
    raise DataError(
        f"{len(aside)} of {asked} symbols fail the data contract, {rule}: {listed}{more}.",
        hint="Mend the data, exclude the symbols (universe.exclude), or change the limits in the section data.",
        quarantined=list(aside),
    )
