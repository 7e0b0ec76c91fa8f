"""Where a profile's prices come from, and what they must satisfy."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from quantflow.config.base import Section

OnFailure = Literal["warn", "quarantine", "block"]
"""What a failed check does: it is only reported (severity warn); or its symbol is set aside with the reason (severity
error); or nothing goes on (severity error, blocks)."""


class DataConfig(Section):
    """The provider, and the contract that every symbol's prices are held to."""

    provider: str = Field(
        "sample", min_length=1, description="provider name: sample, files, ccxt, or that of a plug-in"
    )
    path: str | None = Field(
        None,
        min_length=1,
        description="files: the CSV or Parquet file, folder or glob; relative to quantflow.toml, or any fsspec URL",
    )
    instruments: str | None = Field(
        None,
        min_length=1,
        description="files: CSV or Parquet with symbol, name, sector, currency, exchange, tick, lot, min_notional",
    )
    exchange: str | None = Field(None, pattern="^[a-z0-9]{2,32}$", description="ccxt: the exchange's id, e.g. binance")
    quote: str = Field("USDT", pattern="^[A-Z0-9]{2,16}$", description="ccxt: the currency that prices are quoted in")
    top: int = Field(
        50, ge=1, le=5000, description="ccxt: symbols of the largest volume today, when universe.symbols names none"
    )
    limit: int = Field(500, ge=2, le=5000, description="ccxt: bars asked for in one request")
    timeout: int = Field(10, ge=1, le=300, description="ccxt: seconds of silence after which a request is given up")
    base_url: str | None = Field(
        None,
        pattern="^https?://[^/?#]+$",
        description="ccxt: scheme, host and port that requests go to instead of the exchange's, e.g. a proxy's",
    )
    cache: str | None = Field(
        None,
        min_length=1,
        description="ccxt: folder where bars are kept for later runs, e.g. .quantflow/market; not kept when absent",
    )
    start: date | None = Field(None, ge=date(1900, 1, 1), description="first date asked for; all there is when absent")
    min_sessions: int = Field(252, ge=2, description="sessions with a price that a symbol needs")
    max_stale: int = Field(10, ge=1, description="sessions in a row that the close may stay the same")
    max_tail: int = Field(5, ge=0, description="sessions at the end that may be missing or unchanged")
    max_gap: int = Field(5, ge=0, description="sessions in a row that may be missing between two prices")
    max_holes: float = Field(
        0.05, ge=0, le=1, description="fraction of the sessions between first and last price that may be missing"
    )
    spike_mad: float = Field(
        40.0, gt=0, description="a jump that reverts and exceeds this many MAD of log returns is a bad print"
    )
    on_history: OnFailure = Field("quarantine", description="what too short a history does")
    on_stale: OnFailure = Field("quarantine", description="what a stale stretch does")
    on_tail: OnFailure = Field("quarantine", description="what a flat or missing tail does")
    on_gap: OnFailure = Field("quarantine", description="what a gap, or too many missing sessions, does")
    on_spike: OnFailure = Field("warn", description="what a bad print does")
    on_restated: OnFailure = Field("warn", description="what bars that the provider has changed since do")
    quarantine_budget: float = Field(
        0.25,
        ge=0,
        le=1,
        description="fraction of the symbols asked for that may be set aside before the run fails; one always may, "
        "unless it is 0",
    )
