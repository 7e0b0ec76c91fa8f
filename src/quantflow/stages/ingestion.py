"""Ingestion: prices and instruments of the universe, on the calendar's sessions, held to the data contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Any

from quantflow.config.data import DataConfig
from quantflow.config.sections import CalendarConfig, UniverseConfig
from quantflow.data.calendars import sessions
from quantflow.data.checks import checks_record, within_budget
from quantflow.data.contracts import (
    Finding,
    check_bars,
    failed,
    judge_panel,
    quality_frame,
    quarantined,
    restated,
    unreadable,
)
from quantflow.data.grid import Grid, cut, tables
from quantflow.data.names import without_unprintable
from quantflow.data.providers import open_provider
from quantflow.data.restated import former_bars
from quantflow.errors import DataError
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, StageConfig, Summary, note


class IngestionStageConfig(StageConfig):
    """What ingestion reads."""

    data: DataConfig
    universe: UniverseConfig
    calendar: CalendarConfig
    as_of: date


class IngestionStage(BasePipelineStage[IngestionStageConfig]):
    """Fetch the universe's bars up to the as-of, check them, set failing symbols aside with a reason.

    Makes ``prices`` (a panel of the symbols kept, over the calendar's sessions from the first bar to the as-of),
    ``instruments`` (the same symbols), ``quality`` (every check that a symbol did not pass), ``checks`` (every check,
    with the worst that it met) and ``former`` (the bars that the provider has changed since, as they were).
    """

    id = "ingestion"
    kind = Kind.NETWORK
    makes = ("prices", "instruments", "quality", "checks", "former")
    Config = IngestionStageConfig

    def run(self, inputs: Inputs, config: IngestionStageConfig) -> Outputs:
        """Return prices, instruments, quality, checks and former; see the class.

        Raises:
            DataUnavailableError: If the provider does not answer now.
            DataError: If it has no bars, a check blocks, too many symbols fail, or fewer than two are left.
            ConfigError: If the provider, calendar or a symbol does not exist.
        """
        provider = open_provider(config.data)
        instruments, unprintable = without_unprintable(provider.instruments(config.universe).sort_index())
        symbols = tuple(instruments.index)
        asked = [*symbols, *(finding.symbol for finding in unprintable)]
        if unprintable:
            _check_budget(len(asked), unprintable, config.data, checks_record(unprintable, asked, config.data))
        grid = Grid(symbols, config.data.start, config.as_of, partial(sessions, config.calendar.name))
        for bars in tables(provider.bars(symbols, config.data.start, config.as_of)):
            check_bars(bars)
            grid.add(bars)
            note(f"{grid.filled:,} / {len(symbols):,} symbols")
        panel = grid.panel()
        _check_any(len(panel.sessions), provider.name, config.as_of)
        told = [*unprintable, *unreadable(provider), *restated(provider, config.data.on_restated)]
        judged = [*told, *grid.findings(), *judge_panel(panel, config.data)]
        findings, checks = failed(judged), checks_record(judged, asked, config.data)
        _check_blocks(findings, checks)
        _check_budget(len(asked), findings, config.data, checks)
        aside = set(quarantined(findings))
        kept = [symbol for symbol in symbols if symbol not in aside]
        prices = cut(panel, kept)
        return {
            "prices": prices,
            "instruments": instruments.loc[kept],
            "quality": quality_frame(findings),
            "checks": checks,
            "former": former_bars(provider, prices),
        }

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return symbols asked for and kept, and how many were set aside or cut."""
        quality, kept = outputs["quality"], len(outputs["instruments"])
        aside = int(quality.loc[quality["outcome"] == "quarantined", "symbol"].nunique())
        cut = int(quality.loc[quality["check"] == "after_as_of", "observed"].sum())
        notes = [f"{aside} set aside"] * bool(aside) + [f"{cut} bars after the as-of cut"] * bool(cut)
        degraded, changed = bool(notes), len(outputs["former"])
        notes += [f"{changed} bars restated"] * bool(changed)
        return Summary(entered=kept + aside, left=kept, note=", ".join(notes), degraded=degraded)


def _check_any(found: int, provider: str, as_of: date) -> None:
    if not found:
        raise DataError(
            f"The provider {provider!r} has no bars up to {as_of}.",
            hint="Ask for a later as-of, or an earlier data.start.",
        )


def _check_blocks(findings: list[Finding], checks: dict[str, Any]) -> None:
    blocked = [finding for finding in findings if finding.outcome == "blocked"]
    if not blocked:
        return
    names = sorted({finding.symbol for finding in blocked})
    raise DataError(
        f"{len(names)} symbol{'s fail checks that block' if len(names) > 1 else ' fails a check that blocks'}: "
        f"{_listed(names, blocked)}.",
        hint="quantflow checks latest shows all checks. Fix the data, or let the check warn or quarantine "
        f"(data.on_{_KEYS.get(blocked[0].check, blocked[0].check)}).",
        checks=checks,
    )


_KEYS = {"holes": "gap"}
"""Checks that share the setting of another."""


def _check_budget(asked: int, findings: list[Finding], config: DataConfig, checks: dict[str, Any]) -> None:
    budget = config.quarantine_budget
    aside = quarantined(findings)
    left = asked - len(aside)
    if within_budget(asked, len(aside), budget):
        return
    rule = f"the budget is {budget:.0%}" if left >= 2 else f"{left} left, and a portfolio needs two"
    failing = [finding for finding in findings if finding.outcome == "quarantined"]
    raise DataError(
        f"{len(aside)} of {asked} symbols fail the data contract, {rule}: {_listed(aside, failing)}.",
        hint="quantflow checks latest shows all checks. Fix the data, exclude the symbols (universe.exclude), or "
        "change the limits in the section data.",
        checks=checks,
    )


def _listed(symbols: Sequence[str], findings: list[Finding]) -> str:
    reasons = {f.symbol: f"{f.symbol} ({f.check}: {f.reason})" for f in reversed(findings)}  # the first says most
    more = f"; and {len(symbols) - 3} more" if len(symbols) > 3 else ""
    return "; ".join(reasons[symbol] for symbol in symbols[:3]) + more
