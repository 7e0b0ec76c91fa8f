"""Where a profile's data come from, what prices must satisfy, and the options that each provider has of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import available_timezones

from pydantic import ConfigDict, Field, create_model, field_validator, model_validator

from quantflow.config.extensions import PROVIDERS, loaded, registered
from quantflow.config.features import Side
from quantflow.config.sections import Section
from quantflow.errors import unknown_name

DEFAULT_PROVIDER = "sample"

OnFailure = Literal["warn", "quarantine", "block"]
"""What a failed check does: it is only reported (severity warn); or its symbol is set aside with the reason (severity
error); or nothing goes on (severity error, blocks)."""

OnJump = Literal["warn", "hold", "quarantine", "block"]
"""What a jump does: as ``OnFailure``; or the run completes, and its book is not published while a jump lies within the
sessions that its stages look back on (severity warn)."""


class DataConfig(Section):
    """The provider, and the contract that every symbol's prices are held to.

    The provider's own options stand beside: see ``options_of``. A key that is neither is an error.
    """

    model_config = ConfigDict(extra="allow")

    provider: str = Field(
        DEFAULT_PROVIDER, min_length=1, description="provider name: sample, files, ccxt, or that of a plug-in"
    )
    start: date | None = Field(None, ge=date(1900, 1, 1), description="first date asked for; all there is when absent")
    min_sessions: int = Field(252, ge=2, description="sessions with a price that a symbol needs")
    max_stale: int = Field(10, ge=1, description="sessions in a row that the close may stay the same")
    max_tail: int = Field(
        5,
        ge=0,
        description="sessions at the end that may be unchanged; a symbol without a bar for longer has ended",
    )
    max_age: Annotated[int, Field(ge=0)] | Literal["off"] = Field(
        3,
        description="sessions that the newest prices may be behind the last completed session; off for prices that "
        "have ended; not looked at where --as-of is given, and of the sample",
    )
    on_age: Literal["stopped", "warn", "block"] = Field(
        "stopped",
        description="what older prices do; warn: the run is degraded; block: there is none (exit 21); stopped: block "
        "once the profile had fresh prices, else warn",
    )
    max_gap: int = Field(5, ge=0, description="sessions in a row that may be missing between two prices")
    max_holes: float = Field(
        0.05, ge=0, le=1, description="fraction of the sessions between first and last price that may be missing"
    )
    spike_mad: float = Field(
        40.0, gt=0, description="a jump that reverts and exceeds this many MAD of log returns is a bad print"
    )
    jump_mad: float = Field(
        15.0,
        gt=0,
        description="a move that stays, looks like a split or a change of units, and exceeds this many MAD of log "
        "returns is a jump",
    )
    real_moves: tuple[Annotated[str, Field(pattern=r"^\S.* \d{4}-\d{2}-\d{2}$")], ...] = Field(
        (), description='moves that look like jumps and are the market\'s, e.g. ["AMD 2016-04-22"]'
    )
    on_history: OnFailure = Field("quarantine", description="what too short a history does")
    on_stale: OnFailure = Field("quarantine", description="what a stale stretch does")
    on_tail: OnFailure = Field(
        "quarantine",
        description="what a flat tail does; a symbol that has ended is only reported, unless this is block",
    )
    on_gap: OnFailure = Field("quarantine", description="what a gap, or too many missing sessions, does")
    on_spike: OnFailure = Field("warn", description="what a bad print does")
    on_jump: OnJump = Field(
        "hold",
        description="what a jump that stays does; hold: the run completes, and its book is not published while a jump "
        "lies within the sessions that its stages look back on",
    )
    on_restated: OnFailure = Field("warn", description="what bars that the provider has changed since do")
    quarantine_budget: float = Field(
        0.25,
        ge=0,
        le=1,
        description="fraction of the symbols asked for that may be set aside before the run fails; one always may, "
        "unless it is 0",
    )

    @model_validator(mode="after")
    def _of_the_provider(self) -> Self:
        if self.model_extra:
            options_of(self.provider).model_validate(self.model_extra)
        return self

    @property
    def options(self) -> Section:
        """The provider's own options."""
        model = options_of(self.provider)
        return model(**{name: getattr(self, name) for name in model.model_fields if hasattr(self, name)})


Meaning = Literal["date", "symbol", "close", "adj_close", "raw_close", "open", "high", "low", "volume"]


class FilesOptions(Section):
    """What the provider ``files`` reads, and what its names and cells mean where they do not say it themselves."""

    path: str | None = Field(
        None,
        min_length=1,
        description="the CSV or Parquet file, folder or glob; relative to quantflow.toml, or any fsspec URL",
    )
    instruments: str | None = Field(
        None,
        min_length=1,
        description="CSV or Parquet with symbol, name, sector, currency, exchange, tick, lot, min_notional, "
        "delisting_return",
    )
    columns: dict[Meaning, str] = Field(
        default_factory=dict,
        description='columns by what they hold, e.g. { close = "px_last", symbol = "ticker" }; "" where there is none',
    )
    layout: Literal["long", "wide", "single"] | None = Field(
        None, description="long: a column of symbols; wide: columns per symbol; single: a file per symbol"
    )
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        None, description="what is between the cells of a CSV file; found in its first line when absent"
    )
    decimal: Literal[".", ","] | None = Field(
        None, description="the decimal sign of a CSV file; the other one may then group thousands; a point when absent"
    )
    date_format: str | None = Field(
        None,
        min_length=2,
        description='how dates are written, as strptime has it, e.g. "%m/%d/%Y"; ISO 8601 when absent',
    )
    timezone: str | None = Field(
        None, description="zone in whose calendar a moment's day is meant, e.g. America/New_York"
    )

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError(f"{value!r} is no time zone of this machine, such as America/New_York")
        return value

    @field_validator("date_format")
    @classmethod
    def _format(cls, value: str | None) -> str | None:
        if value is not None and not {"%d", "%j"} & set(re.findall("%[a-zA-Z]", value)):
            raise ValueError(f"{value!r} has no day: write it as strptime has it, such as %d.%m.%Y")
        return value


class CcxtOptions(Section):
    """What the provider ``ccxt`` asks for, of which exchange, and how."""

    exchange: str | None = Field(None, pattern="^[a-z0-9]{2,32}$", description="the exchange's id, e.g. binance")
    quote: str = Field("USDT", pattern="^[A-Z0-9]{2,16}$", description="the currency that prices are quoted in")
    top: int = Field(
        50, ge=1, le=5000, description="symbols of the largest volume today, when universe.symbols names none"
    )
    limit: int = Field(500, ge=2, le=5000, description="bars asked for in one request")
    timeout: int = Field(10, ge=1, le=300, description="seconds of silence after which a request is given up")
    base_url: str | None = Field(
        None,
        pattern="^https?://[^/?#]+$",
        description="scheme, host and port that requests go to instead of the exchange's, e.g. a proxy's",
    )
    cache: str | None = Field(
        None,
        min_length=1,
        description="folder where bars are kept for later runs, e.g. .quantflow/market; not kept when absent",
    )


OPTIONS: Mapping[str, type[Section]] = {"sample": Section, "files": FilesOptions, "ccxt": CcxtOptions}
"""The built-in providers, and the options that each has."""


def options_of(provider: str) -> type[Section]:
    """Return the model of a provider's own options: ``Config`` of a class that a package registers; none without one.

    Raises:
        ConfigError: If there is no such provider, naming the nearest, or it cannot be imported.
    """
    if provider in OPTIONS:
        return OPTIONS[provider]
    points = registered(PROVIDERS)
    if provider not in points:
        raise unknown_name("provider", provider, sorted({*OPTIONS, *points}))
    model: type[Section] = getattr(loaded(points[provider], "Provider"), "Config", Section)
    return model


@lru_cache
def data_model(options: type[Section]) -> type[DataConfig]:
    """Return the model of the section ``data`` with a provider's options among its keys; closed."""
    bases: tuple[type[DataConfig], ...] = (DataConfig, options)  # type: ignore[assignment]  # a section beside it
    return create_model("DataConfig", __base__=bases, __doc__=DataConfig.__doc__)


_TABLE = re.compile(r"[a-z][a-z0-9_]{0,31}")


class TableConfig(Section):
    """A file of values by symbol and date; each numeric column can be weighted as `NAME.COLUMN` in `scores.weights`.

    A value counts from the close of its date on (of the next session where that is not one) until there is another one.
    A symbol without a value yet is undefined, like any feature.
    """

    path: str = Field(
        min_length=1,
        description="CSV or Parquet with symbol, date (ISO, the day on which the row was known) and columns of "
        "numbers, where an empty cell says nothing new; relative to quantflow.toml, or any fsspec URL",
    )
    columns: tuple[str, ...] | None = Field(
        None, min_length=1, description="the columns that are read; all besides symbol and date when absent"
    )
    lag: int = Field(0, ge=0, le=252, description="sessions after the date from which on a row counts as known")
    higher_is_better: bool = Field(
        True,
        description="whether a long position prefers the high values of its columns, and a short one the low ones; "
        "scores.prefer turns a single column round",
    )


class TablesConfig(Section):
    """Dated tables by name, each a section `[profiles.NAME.tables.TABLE]` of its own."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, TableConfig] = Field(init=False)
    entry: ClassVar[type[Section]] = TableConfig

    @model_validator(mode="after")
    def _named(self) -> TablesConfig:
        if wrong := [name for name in self.by_name if not _TABLE.fullmatch(name)]:
            raise ValueError(f"a table cannot be called {wrong[0]!r}: small letters, digits and _, a letter first")
        return self

    @property
    def by_name(self) -> Mapping[str, TableConfig]:
        """The tables."""
        return self.__pydantic_extra__ or {}

    @property
    def sides(self) -> Mapping[str, Side]:
        """The side of its values that a long position prefers, by table."""
        return {name: "high" if table.higher_is_better else "low" for name, table in self.by_name.items()}
