"""The sections about a run as a whole: its stages, where and when it runs, its costs, proof, book, orders, report."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field, field_validator

from quantflow.config.sections import Section, Switch
from quantflow.errors import ConfigError


class PipelineConfig(Section):
    """The stages of other packages: one replaces the stage of its id, or joins where its needs and makes put it.

    ``stages = […]`` at the top of the profile is the same. A stage's own settings are a section of the profile.
    """

    stages: tuple[str, ...] = Field(
        (), description="each `package.module:Class`, or the name under which a package registers it"
    )


class ExecutionConfig(Section):
    """The runner: a Ray cluster, a local Ray, or processes without Ray; the results have the same bytes."""

    runner: Literal["auto", "ray", "local"] = Field(
        "auto",
        description="what runs the sleeves: a Ray, or processes of this machine without one (local); auto is Ray, "
        "and processes when a Ray of this machine does not come up",
    )
    ray_address: str | None = Field(
        None, min_length=1, description="address of a Ray cluster; a local Ray is started when absent"
    )
    ray_wheels: tuple[Annotated[str, Field(pattern=r"\.whl$")], ...] = Field(
        (),
        description="wheels that the nodes of the cluster at `ray_address` are given for the run, such as quantflow's "
        "own, without their dependencies; paths from the workspace",
    )
    workers: int | None = Field(None, ge=1, le=4096, description="processes at once; one per core when absent")
    store: str | None = Field(
        None, min_length=1, description="fsspec URL of artifacts and cached results; below the workspace when absent"
    )


AFTER = r"^close\+\d{1,4}m?$"
CRON = r"^(@[a-z]+|\S+( \S+){4,5})$"


class ScheduleConfig(Section):
    """When ``quantflow serve`` runs the profile; no run depends on it. ``"off"`` takes back what is extended."""

    after: Annotated[str | None, Switch] = Field(
        None, pattern=AFTER, description="minutes after the usual close of the calendar's exchange, as `close+45m`"
    )
    cron: Annotated[str | None, Switch] = Field(
        None, pattern=CRON, description="a crontab's five fields, as `30 18 * * 1-5`; beside `after` when both are set"
    )
    timezone: str | None = Field(
        None, min_length=1, description="time zone of `cron`, as `Europe/Berlin`; the exchange's when absent"
    )

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (KeyError, OSError, ValueError) as error:
                raise ValueError(f"there is no time zone {value!r}") from error
        return value

    @property
    def is_set(self) -> bool:
        """Whether there is any time at which the profile is to run."""
        return self.after is not None or self.cron is not None


def minutes_after(text: str, named: str) -> int:
    """Return the minutes of ``close+45m``.

    Args:
        text: That text.
        named: What it is the value of, for the error.

    Raises:
        ConfigError: If it is something else.
    """
    if re.match(AFTER, text) is None:
        raise ConfigError(f"{named} {text!r} is not close+MINUTES.", hint="Write it as close+45m.")
    return int(text.removeprefix("close+").removesuffix("m"))


Event: TypeAlias = Literal["failed", "stale", "late", "out_of_band", "published"]
"""What people may want to hear of a profile."""
EVENTS: tuple[Event, ...] = get_args(Event)


class NotifyConfig(Section):
    """Who is notified of what; no run depends on it. ``notify = ["slack://…"]`` in the profile is the same as ``to``.

    An address is a credential: it is not shown, and kept out of every record. It may name variables of the environment.
    """

    to: tuple[Annotated[str, Field(pattern=r"^(\$\{\w+\}|[a-zA-Z]\w*://.+)$")], ...] = Field(
        (), description='addresses as Apprise has them: `slack://…`, `mailto://…`, `json://…`, or `"${VARIABLE}"`'
    )
    on: tuple[Event, ...] = Field(
        EVENTS,
        description="failed: a run did not complete; stale: the book was not replaced, or prices are old; late: a run "
        "for an earlier session, or a decision that was due before; out_of_band: the track left the promised band; "
        "published: a book of another decision",
    )


class PublishConfig(Section):
    """What a run must hold to before its weights become the profile's current book."""

    enabled: bool = Field(True, description="Whether a complete run moves the current book at all.")
    max_weight: float | None = Field(
        None, gt=0, le=10, description="Largest weight of one name in the book, long or short, after netting sleeves."
    )
    max_turnover: float | None = Field(
        None,
        gt=0,
        le=40,
        description="Largest turnover against the book that is there, both sides: the sum of all changes of weights.",
    )


class OrdersConfig(Section):
    """How orders are made of the book; what a trade costs is said in the section `validation`."""

    no_trade_band: float = Field(
        0.001,
        ge=0,
        lt=1,
        description="a name is not traded when its weight is nearer than this to the book's; one that left the book "
        "is always sold",
    )


class ReportConfig(Section):
    """What the report of a run is called and how long its tables are."""

    title: str | None = Field(
        default=None,
        min_length=1,
        max_length=120,
        description="Heading of the page and of the browser's tab; the profile's name when not given.",
    )
    top: int = Field(
        default=15,
        ge=1,
        le=200,
        description="Rows shown at once of winners, weights and score contributions; the rest is folded or summed.",
    )


class CostsConfig(Section):
    """What a portfolio pays to trade and to hold: the same in the walk-forward, the book's track and its orders."""

    commission_bps: float = Field(1.0, ge=0, le=1000, description="commission in basis points of the amount traded")
    slippage_bps: float = Field(
        5.0, ge=0, le=1000, description="half spread and impact in basis points of the amount traded"
    )
    borrow_bps: float = Field(
        0.0, ge=0, le=100_000, description="fee to borrow what is short, in basis points of its value, per year"
    )
    cash_rate: float = Field(
        0.0,
        gt=-1,
        le=1,
        description="what is earned on weight that is not invested, shorts' proceeds among it, as a fraction per year "
        "(0.03 = 3 %); weight above 1 pays it",
    )


class Charges(CostsConfig):
    """The costs among the other settings of a section."""

    model_config = ConfigDict(extra="ignore")


class WalkForwardConfig(CostsConfig):
    """When a walk-forward begins, and what trading and holding costs."""

    min_history: int = Field(756, ge=60, description="sessions that come before the first rebalance, itself included")
    lags: tuple[Annotated[int, Field(ge=0, le=20)], ...] = Field(
        (), description="other lags at which the same decisions are shown beside, e.g. [0]"
    )


def names_file(benchmark: str) -> bool:
    """Return whether ``validation.benchmark`` is a file, by its suffix, and not a symbol."""
    return benchmark.lower().partition("?")[0].endswith((".csv", ".csv.gz", ".parquet", ".pq"))


class ValidationConfig(WalkForwardConfig):
    """When the walk-forward begins, what trading and holding costs, and what its returns are compared with."""

    costs: str | None = Field(
        None,
        min_length=1,
        description="CSV or Parquet with symbol and any of cost_bps (in place of commission_bps and slippage_bps), "
        "spread_bps (the quoted spread; half of it in place of slippage_bps) and borrow_bps; names and cells without "
        "a number pay what this section says; relative to quantflow.toml, or any fsspec URL",
    )
    benchmark: str | None = Field(
        None,
        min_length=1,
        description="what the returns are compared with besides equal weight, bought at the first trade and held: a "
        "symbol of the universe or of its provider, or a CSV or Parquet file of dates and closes (relative to "
        "quantflow.toml, or any fsspec URL)",
    )


class WalkForwardAlone(WalkForwardConfig):
    """The section as stages see it that walk forward without a benchmark."""

    model_config = ConfigDict(extra="ignore")


class SignalsConfig(Section):
    """What is asked of features and scores; the stage `signals` is part of the pipeline where there is a horizon."""

    horizons: tuple[Annotated[int, Field(ge=1, le=504)], ...] = Field(
        (),
        description="sessions after the trade over which features and scores are compared with returns, as "
        "[1, 5, 21, 63]; without any, nothing is compared",
    )

    @field_validator("horizons")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(value)))


class ValidationFiles(Section):
    """The section as ingestion sees it, which fetches what the walk-forward is to know besides prices."""

    model_config = ConfigDict(extra="ignore")

    costs: str | None = None
    benchmark: str | None = None
