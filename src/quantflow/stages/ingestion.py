"""Ingestion: prices and instruments of the universe, on the calendar's sessions, held to the data contract."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from quantflow.config.calendar import CalendarConfig
from quantflow.config.data import DataConfig, TablesConfig
from quantflow.config.operation import ValidationFiles
from quantflow.config.sections import UniverseConfig
from quantflow.data.benchmark import benchmark_prices
from quantflow.data.calendars import sessions
from quantflow.data.grid import OFTEN, Grid, split, tables
from quantflow.data.names import without_unprintable
from quantflow.data.panel import Panel, SessionArray
from quantflow.data.providers import open_provider
from quantflow.data.providers.base import INSTRUMENT_COLUMNS, Provider, first_date
from quantflow.data.quality.checks import checks_record, within_budget
from quantflow.data.quality.contracts import (
    Finding,
    broken_off,
    check_bars,
    ended,
    failed,
    judge_panel,
    quality_frame,
    quarantined,
    restated,
    unreadable,
    unusable,
)
from quantflow.data.quality.costs import has_costs, own_costs, read_costs, with_costs
from quantflow.data.quality.identical import CHECK as IDENTICAL
from quantflow.data.quality.identical import identical
from quantflow.data.quality.roster import known_by, members_now, read_members, roster, without_prices
from quantflow.data.quality.unmatched import CHECK as UNMATCHED
from quantflow.data.quality.unmatched import check_exclude, listed, named, noted, unmatched
from quantflow.data.restated import former_bars
from quantflow.data.tables import TABLES, joined, read_table
from quantflow.errors import DataError
from quantflow.pipeline.advance import Advance
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, Stage, StageConfig, Summary
from quantflow.stages.walk_forward import BENCHMARK
from quantflow.types import Record, Settings

if TYPE_CHECKING:
    import pandas as pd


class IngestionStageConfig(StageConfig):
    """What ingestion reads."""

    data: DataConfig
    universe: UniverseConfig
    calendar: CalendarConfig
    validation: ValidationFiles
    as_of: date


class TabledIngestionConfig(IngestionStageConfig):
    """What it reads where the profile has dated tables."""

    tables: TablesConfig


class IngestionStage(BasePipelineStage[IngestionStageConfig]):
    """Fetch the universe's bars up to the as-of, check them, set failing symbols aside with a reason.

    Makes ``prices`` (a panel of the symbols that may be used at the as-of, over the calendar's sessions from the first
    bar of any symbol to the as-of), ``instruments`` (the same symbols), ``past`` (the panel of the other symbols, which
    may not be used now and could be once: they stopped trading, are members no longer, or fail a check now), ``roster``
    (who of all these is a member when), ``quality`` (every check that a symbol did not pass), ``checks`` (every check,
    with the worst that it met) and ``former`` (the bars that the provider has changed since, as they were).
    """

    id = "ingestion"
    kind = Kind.NETWORK
    makes: tuple[str, ...] = ("prices", "instruments", "past", "roster", "quality", "checks", "former")
    Config: type[IngestionStageConfig] = IngestionStageConfig

    def run(self, inputs: Inputs, config: IngestionStageConfig) -> Outputs:
        """Return what the class says.

        Raises:
            DataUnavailableError: If the provider does not answer now.
            DataError: If it has no bars, a check blocks, too many symbols fail, fewer than two may be used, or the file
                of members or of costs is wrong.
            ConfigError: If the provider, calendar or a symbol does not exist.
        """
        data, universe, provider = config.data, config.universe, open_provider(config.data)
        spans = known_by(read_members(universe.members), config.as_of) if universe.members is not None else None
        found, odd = without_unprintable(provider.instruments(universe).sort_index())
        instruments = found if spans is None else found.loc[found.index.isin(spans["symbol"])]
        now = members_now(instruments.index, spans, config.as_of)
        asked = [*instruments.index, *(finding.symbol for finding in odd)]
        costs = read_costs(config.validation.costs) if config.validation.costs is not None else None
        dated = _dated(config)
        strange = unmatched(provider, universe, named(provider, data, spans, costs, dated))
        check_exclude(universe, strange)
        _check_two(asked, len(now) + len(odd), config.as_of, failed(strange))
        if odd:
            _check_budget(asked, odd, data, checks_record(odd, asked, data))
        grid = _fetched(provider, tuple(instruments.index), config)
        panel = grid.panel()
        _check_any(len(panel.sessions), provider, tuple(instruments.index), config)
        reported = [*odd, *unreadable(provider), *restated(provider, data.on_restated), *strange]
        reported += [*without_prices(panel, spans, universe, now), *identical(panel)]
        judged = [*reported, *grid.findings(), *broken_off(judge_panel(panel, data, now), len(asked), panel, data)]
        findings, checks = failed(judged), checks_record(judged, asked, data, len(now) + len(odd))
        _check_blocks(findings, checks)
        _check_budget(asked, findings, data, checks)
        present = now - {*quarantined(findings), *ended(findings)}
        prices, past = split(panel, present, set(instruments.index) - present - unusable(findings))
        return {
            "prices": prices,
            "instruments": instruments.loc[list(prices.symbols), list(INSTRUMENT_COLUMNS)],
            "past": past,
            "roster": roster(with_costs(instruments, costs), [*prices.symbols, *past.symbols], spans),
            "quality": quality_frame(findings),
            "checks": {**checks, "off_calendar": {"share": grid.off_calendar, "calendar": config.calendar.name}},
            "former": former_bars(provider, prices),
            **(_benchmark(instruments.index, config) if BENCHMARK in self.makes else {}),
            **_tables(dated, panel.sessions, instruments.index, config),
        }

    def under(self, settings: Settings) -> Stage:
        """Return the stage that makes ``benchmark`` (a panel) and ``tables`` too, where the profile names any."""
        named, dated = settings.get("validation", {}).get("benchmark"), settings.get(TABLES)
        if not (named or dated):
            return self
        fetching = copy(self)
        fetching.makes = (*self.makes, *[BENCHMARK] * bool(named), *[TABLES] * bool(dated))
        if dated:
            fetching.Config = TabledIngestionConfig
        return fetching

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return symbols asked for and usable, how many ended or were set aside, and how many bars were cut."""
        quality, checks = outputs["quality"], outputs["checks"]
        aside = int(quality.loc[quality["outcome"] == "quarantined", "symbol"].nunique())
        cut = int(quality.loc[quality["check"] == "after_as_of", "observed"].sum())
        jumps = int((quality["check"] == "jump")[quality["symbol"].isin(outputs["prices"].symbols)].sum())
        notes = [f"{aside} set aside"] * bool(aside) + [f"{cut} bars after the as-of cut"] * bool(cut)
        notes += [*_off_calendar(checks), *_copies(quality)]
        notes += noted(quality.loc[quality["check"] == UNMATCHED, "symbol"])
        degraded, changed = bool(notes), len(outputs["former"])
        notes += [f"{checks['ended']} no longer traded"] * bool(checks["ended"])
        notes += [f"{jumps} with a jump that stays"] * bool(jumps)
        notes += [f"{changed} bars restated"] * bool(changed)
        notes += _costs_noted(outputs["roster"])
        return Summary(checks["asked"], checks["kept"], note=", ".join(notes), degraded=degraded)


def _off_calendar(checks: Record) -> list[str]:
    """Return which share of the bars lies on days that are no session, where it is more than a day off now and then."""
    share, calendar = checks["off_calendar"]["share"], checks["off_calendar"]["calendar"]
    return [f"{share:.0%} of the bars on days that are no session of {calendar}"] * (share >= OFTEN)


def _copies(quality: pd.DataFrame) -> list[str]:
    """Return which symbols have the prices of another."""
    names = sorted(set(quality.loc[quality["check"] == IDENTICAL, "symbol"]))
    return [f"{listed(names)} identical to another symbol"] * bool(names)


def _costs_noted(roster: pd.DataFrame) -> list[str]:
    """Return how many names have costs of their own, where there is a file of them."""
    if not has_costs(roster):
        return []
    return [f"costs of {len(own_costs(roster))} of {roster['symbol'].nunique()} names in validation.costs"]


def _benchmark(universe: Collection[str], config: IngestionStageConfig) -> dict[str, Panel]:
    name = config.validation.benchmark
    if name is None:
        return {}
    return {BENCHMARK: benchmark_prices(name, config.data, universe, lambda source, of: _fetched(source, of, config))}


def _dated(config: IngestionStageConfig) -> dict[str, pd.DataFrame]:
    """Return the dated tables of the profile as they are read, by name."""
    tables = config.tables.by_name if isinstance(config, TabledIngestionConfig) else {}
    return {name: read_table(name, table, config.as_of) for name, table in tables.items()}


def _tables(
    dated: Mapping[str, pd.DataFrame], days: SessionArray, symbols: Collection[str], config: IngestionStageConfig
) -> dict[str, pd.DataFrame]:
    if not isinstance(config, TabledIngestionConfig):
        return {}
    return {TABLES: joined(dated, config.tables.by_name, days, symbols)}


def _fetched(provider: Provider, symbols: Sequence[str], config: IngestionStageConfig) -> Grid:
    """Return the grid of all bars that the provider has of *symbols*."""
    grid = Grid(symbols, config.data.start, config.as_of, partial(sessions, config.calendar.name))
    advance = Advance(len(symbols), "symbols")
    for bars in tables(provider.bars(symbols, config.data.start, config.as_of)):
        check_bars(bars)
        grid.add(bars)
        advance.to(grid.filled)
    return grid


def _check_two(asked: Sequence[str], now: int, as_of: date, strange: Sequence[Finding]) -> None:
    if now < 2:
        members = "" if now == len(asked) else f" on {as_of}"
        what = f"{now} symbol{'' if now == 1 else 's'}{members}"
        first = f"{strange[0].symbol}: {strange[0].reason} " if strange else ""
        raise DataError(
            f"The universe has {what}, and a portfolio needs two.",
            hint=f"{first}Look at universe.symbols, universe.exclude, universe.sectors and universe.members.",
        )


def _check_any(found: int, provider: Provider, symbols: Sequence[str], config: IngestionStageConfig) -> None:
    if found:
        return
    start, last = config.data.start, provider.last_date()
    first = first_date(provider, symbols, last) if last is not None else None
    since = f" from {start} (data.start)" if start else ""
    there = f": they are of {first} to {last}" if first else ""
    raise DataError(
        f"The provider {provider.name!r} has no bars{since} up to {config.as_of}{there}.",
        hint="Ask for a later as-of, or set an earlier data.start (quantflow profiles show PROFILE --sources).",
    )


def _check_blocks(findings: list[Finding], checks: dict[str, Any]) -> None:
    blocked = [finding for finding in findings if finding.outcome == "blocked"]
    if not blocked:
        return
    names = sorted({finding.symbol for finding in blocked})
    raise DataError(
        f"{len(names)} symbol{'s fail checks that block' if len(names) > 1 else ' fails a check that blocks'}: "
        f"{_listed(names, blocked)}.",
        hint="quantflow check data latest shows all checks. Fix the data, or let the check warn or quarantine "
        f"(data.on_{_KEYS.get(blocked[0].check, blocked[0].check)}).",
        checks=checks,
    )


_KEYS = {"holes": "gap", "ended": "tail"}
"""Checks that share the setting of another."""


def _check_budget(asked: Sequence[str], findings: list[Finding], config: DataConfig, checks: dict[str, Any]) -> None:
    budget, aside, left = config.quarantine_budget, quarantined(findings), checks["kept"]
    if within_budget(len(asked), len(aside), left, budget):
        return
    rule = f"the budget is {budget:.0%}" if left >= 2 else f"{left} left, and a portfolio needs two"
    over = ended(findings) if left < 2 else ()
    names = [*aside, *over]
    more = f", {len(over)} have stopped trading" if over else ""
    why = [finding for finding in findings if finding.outcome in ("quarantined", "ended")]
    raise DataError(
        f"{len(aside)} of {len(asked)} symbols fail the data contract{more}, {rule}: {_listed(names, why)}.",
        hint="quantflow check data latest shows all checks. Fix the data, exclude the symbols (universe.exclude), or "
        "change the limits in the section data.",
        checks=checks,
    )


def _listed(symbols: Sequence[str], findings: list[Finding]) -> str:
    reasons = {f.symbol: f"{f.symbol} ({f.check}: {f.reason})" for f in reversed(findings)}  # the first says most
    more = f"; and {len(symbols) - 3} more" if len(symbols) > 3 else ""
    return "; ".join(reasons[symbol] for symbol in symbols[:3]) + more
