"""The sections of a profile that its stages read, from the universe to the rebalances; and what all sections are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from quantflow.config.features import FEATURES, Side
from quantflow.config.methods import COVARIANCE, MEAN, METHODS, AllowedMethod, Covariance, Mean
from quantflow.errors import unknown_name

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"""What profiles, meta profiles and sleeves may be called: safe as a file name on every system."""


class Section(BaseModel):
    """One section of a profile: frozen, closed (an unknown key is an error), every field described with its unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _off_is_none(value: Any) -> Any:
    # TOML has no null.
    return None if value == "off" else value


Switch = BeforeValidator(_off_is_none)
"""Marks an optional setting that ``"off"`` switches off."""


class UniverseConfig(Section):
    """The instruments asked for: all of the provider's, or those named, less the excluded."""

    symbols: tuple[str, ...] | None = Field(None, min_length=1, description="symbols; all the provider has when absent")
    exclude: tuple[str, ...] = Field((), description="symbols left out")
    sectors: tuple[str, ...] | None = Field(None, min_length=1, description="sectors kept; all when absent")
    members: str | None = Field(
        None,
        min_length=1,
        description="CSV or Parquet with symbol, from, to: who belonged to the universe when (to is the last day, "
        "empty = still); relative to quantflow.toml, or any fsspec URL; all symbols, always, when absent",
    )
    unknown: Literal["warn", "ignore"] = Field(
        "warn",
        description="what names do that match no symbol, in exclude and the files of instruments, members and costs; "
        "warn: they are reported with the nearest, and an exclude of which none matches is an error",
    )

    @model_validator(mode="after")
    def _named_once(self) -> UniverseConfig:
        for key in ("symbols", "exclude", "sectors"):
            names = getattr(self, key) or ()
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{key} names {twice[0]!r} twice")
        return self


class FeaturesConfig(Section):
    """The windows of the features, in sessions."""

    lookback: int = Field(
        504,
        ge=128,
        le=5040,
        description="sessions over which returns, ranges and traded values are measured",
    )
    momentum_long: int = Field(
        252, ge=2, le=2520, description="age of the close that momentum starts from, in sessions"
    )
    momentum_skip: int = Field(
        21, ge=0, le=2519, description="age of the close that momentum ends at, in sessions; 0 = the last close"
    )
    trend_window: int = Field(
        200, ge=2, le=2520, description="sessions of the average close that the trend is measured against"
    )

    @model_validator(mode="after")
    def _momentum_spans_time(self) -> FeaturesConfig:
        if self.momentum_skip >= self.momentum_long:
            raise ValueError(f"momentum_skip ({self.momentum_skip}) must be below momentum_long ({self.momentum_long})")
        return self


ProbabilityMap = Literal["rank", "normal_cdf", "logistic"]
Direction = Literal["LONG", "SHORT"]

_DEFAULT_WEIGHTS = {"momentum": 1.0, "volatility": 0.5, "cvar": 0.5, "entropy": 0.25, "efficiency": 0.5, "trend": 0.5}


class ScoresConfig(Section):
    """How features become one score per symbol."""

    scorer: str = Field("log_mps", description="Scorer: log_mps, or one that a plug-in registers.", min_length=1)
    weights: dict[str, float] = Field(
        default_factory=lambda: dict(_DEFAULT_WEIGHTS),
        description="Weight of each feature in the score, > 0; features that are not named do not count. A column "
        "of a table is `table.column`.",
        min_length=1,
    )
    maps: dict[str, ProbabilityMap] = Field(
        default_factory=dict,
        description="How a feature becomes a probability: rank (default), normal_cdf of its z-score, "
        "or logistic of its robust z-score.",
    )
    prefer: dict[str, Side] = Field(
        default_factory=dict,
        description="Side of a feature that a long position prefers, high or low, where it is not the usual one; "
        'momentum = "low" buys losers (mean reversion).',
    )
    directions: tuple[Direction, ...] = Field(
        ("LONG",), description="Directions that a symbol may be held in: LONG, SHORT or both.", min_length=1
    )

    @field_validator("weights", "maps", "prefer", mode="before")
    @classmethod
    def _flat(cls, value: object) -> object:
        """Take ``ratings.score = 1``, which TOML reads as a table in a table, for a column of a table."""
        if not isinstance(value, Mapping):
            return value
        flat = {name: inner for name, inner in value.items() if not isinstance(inner, Mapping)}
        inside = {name: inner for name, inner in value.items() if isinstance(inner, Mapping)}
        return flat | {f"{name}.{column}": each for name, inner in inside.items() for column, each in inner.items()}

    @field_validator("weights", "maps", "prefer")
    @classmethod
    def _known_features(cls, value: dict[str, object]) -> dict[str, object]:
        columns = sorted(name for name in value if "." in name)
        for name in value:
            if name not in FEATURES and name not in columns:
                error = unknown_name("feature", name, FEATURES)
                raise ValueError(f"{error.message} {error.hint}")
        return {name: value[name] for name in (*FEATURES, *columns) if name in value}

    @field_validator("weights")
    @classmethod
    def _positive(cls, value: dict[str, float]) -> dict[str, float]:
        for name, weight in value.items():
            if not 0.0 < weight < float("inf"):
                raise ValueError(f"The weight of {name!r} is {weight}; it must be positive and finite.")
        return value

    @field_validator("directions")
    @classmethod
    def _long_first(cls, value: tuple[Direction, ...]) -> tuple[Direction, ...]:
        return tuple(sorted(set(value)))

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that weights, maps and sides name columns of, sorted."""
        named = (*self.weights, *self.maps, *self.prefer)
        return tuple(sorted({name.partition(".")[0] for name in named if name not in FEATURES}))

    def sign(self, feature: str, direction: Direction, sides: Mapping[str, Side] = MappingProxyType({})) -> float:
        """Return +1.0 if more of *feature* is better in *direction*, else -1.0.

        Args:
            feature: A feature, or a column of a table as ``table.column``.
            direction: How the symbol is held.
            sides: The side that a long position prefers, by table; a short one prefers the other.
        """
        known = FEATURES.get(feature)
        usual = known.better if known else sides[feature.partition(".")[0]]
        high = self.prefer.get(feature, usual) == "high"
        flipped = direction == "SHORT" and (known is None or known.directional)
        return 1.0 if high != flipped else -1.0


class ClustersConfig(Section):
    """How symbols that move together are grouped."""

    lookbacks: tuple[Annotated[int, Field(ge=20, le=5_000)], ...] = Field(
        (63, 126, 252),
        description="Windows over which correlations are taken, sessions; their distances are averaged.",
        min_length=1,
    )
    shrinkage: Literal["auto"] | Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        "auto",
        description="Share of each correlation that is replaced by 0; auto estimates it from the noise in each window.",
    )
    distance_threshold: float = Field(
        0.65,
        description="Ward height above which two groups stay apart; the distance of two symbols is 0 to 1.",
        gt=0.0,
    )
    max_clusters: int = Field(
        25, description="The most clusters that the tree is cut into, whatever the threshold.", ge=1
    )
    min_observations: int = Field(
        40,
        description="Returns that two symbols must share in a window, sessions; a symbol with fewer in the "
        "longest window is a cluster of its own.",
        ge=10,
    )

    @model_validator(mode="after")
    def _windows_can_be_filled(self) -> ClustersConfig:
        if self.min_observations > min(self.lookbacks):
            raise ValueError(
                f"min_observations is {self.min_observations}, more than the shortest lookback, {min(self.lookbacks)}."
            )
        return self


Limit = Annotated[float | None, Switch]
Count = Annotated[int | None, Switch]


class HealthConfig(Section):
    """The section ``policy`` as the stage sees it that scores symbols."""

    model_config = ConfigDict(extra="ignore")

    max_undefined: Count = Field(
        0,
        description="Health, safety veto: features of the score that may be missing for a symbol and present for "
        "others, count; each counts as the median of the others. With more of them missing it is not scored.",
        ge=0,
    )


class PolicyConfig(HealthConfig):
    """Which scored symbols may win, and how many. ``"off"`` switches a veto or cap off.

    The names of the options are the names of the rules in ``decisions``.
    """

    model_config = ConfigDict(extra="forbid")

    max_volatility: Limit = Field(
        0.8, description="Safety veto: highest annualised volatility, as a fraction (0.8 = 80 %).", gt=0.0
    )
    max_kurtosis: Limit = Field(30.0, description="Safety veto: highest excess kurtosis of returns.", gt=0.0)
    max_drawdown: Limit = Field(
        None, description="Safety veto: deepest drawdown, as a positive fraction (0.6 = 60 %).", gt=0.0, le=1.0
    )
    min_liquidity: Limit = Field(
        1_000_000.0,
        description="Friction, safety veto: least median traded value, in currency per session; "
        "passes where there is no volume.",
        gt=0.0,
    )
    max_entropy_z: Limit = Field(
        None,
        description="Spectral veto: highest permutation entropy, in standard errors from that of a random walk of the "
        "same length; -2 keeps what is more orderly than 98 % of random walks.",
        ge=-10.0,
        le=5.0,
    )
    min_efficiency_z: Limit = Field(
        None,
        description="Spectral veto: lowest efficiency ratio, in standard errors from that of a random walk of the same "
        "length; 2 keeps what goes straighter than 95 % of random walks.",
        ge=-1.0,
        le=10.0,
    )
    min_hurst_z: Limit = Field(
        None,
        description="Spectral veto: least distance of the Hurst exponent from that of a random walk of the same "
        "length, on either side, in standard errors; 2 keeps what 5 % of random walks reach.",
        gt=0.0,
        le=10.0,
    )
    relaxation: float = Field(
        0.5,
        description="Share of the way that level 2 moves each spectral limit toward where it vetoes nothing; 1 = off.",
        gt=0.0,
        le=1.0,
    )
    top_n: int = Field(2, description="The most winners per cluster and direction.", ge=1)
    max_per_sector: Count = Field(
        5, description="The most winners per sector, at every level; symbols without a sector are not limited.", ge=1
    )
    min_alpha: Limit = Field(
        None, description="Least alpha score of a winner, 0 to 1; given up from level 3.", gt=0.0, le=1.0
    )
    min_winners: int = Field(5, description="Winners below which the level is raised.", ge=1)
    max_winners: int = Field(25, description="The most winners, at every level.", ge=1)

    @model_validator(mode="after")
    def _room_for_the_minimum(self) -> PolicyConfig:
        if self.min_winners > self.max_winners:
            raise ValueError(f"min_winners is {self.min_winners}, more than max_winners, {self.max_winners}.")
        return self


class SynthesisConfig(Section):
    """What the atoms of a profile are called."""

    logic: str = Field(
        "momentum",
        max_length=32,
        pattern=r"^[A-Za-z][A-Za-z0-9_]*$",
        description="name of the profile's idea, the middle of every atom id SYMBOL_logic_LONG: letters, digits, _",
    )


MethodName = Annotated[str, AllowedMethod()]


class AllocationConfig(Section):
    """The method, what to try when it fails, and the limits that every portfolio keeps.

    All weights are fractions of capital and refer to |weight|; a limit that is absent does not limit.
    """

    method: MethodName = Field("hrp", description="how capital is divided")
    fallbacks: tuple[MethodName, ...] = Field(
        ("hrp", "inverse_volatility", "equal_weight"),
        description="methods tried in this order when the one before fails; the method itself is not tried twice",
    )
    covariance: Covariance = Field("shrunk", description=COVARIANCE)
    mean: Mean = Field("empirical", description=MEAN)
    lookback: int = Field(504, ge=60, description="sessions of returns, up to the last one, that the method sees")
    budget: float = Field(1.0, gt=0, le=10, description="gross exposure: the sum of |weight|")
    max_weight: Annotated[Literal["auto"] | Annotated[float, Field(gt=0, le=10)] | None, Switch] = Field(
        "auto",
        description="largest |weight| of one name; auto is a quarter of the budget, or twice an equal share where "
        "fewer than eight names are selected",
    )
    min_weight: float = Field(0.0, ge=0, le=10, description="smallest |weight| of every name selected")
    max_cluster_weight: float | None = Field(None, gt=0, le=10, description="largest sum of |weight| in one cluster")
    max_sector_weight: float | None = Field(
        None,
        gt=0,
        le=10,
        description="largest sum of |weight| in one sector; names without a sector count as one sector",
    )
    turnover_cost: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="cost of a change of what is held, in basis points of the amount traded, that the objective weighs "
        "against what it improves until the next rebalance; for min_variance and max_sharpe",
    )

    @model_validator(mode="after")
    def _weighs_turnover(self) -> Self:
        known = METHODS.get(self.method)
        if self.turnover_cost and not (known and known.costs):
            able = " and ".join(name for name, method in METHODS.items() if method.costs)
            raise ValueError(f"the objective of {self.method} cannot weigh turnover_cost; those of {able} can")
        return self

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if isinstance(self.max_weight, float) and self.min_weight > self.max_weight:
            raise ValueError(f"min_weight {self.min_weight:g} is above max_weight {self.max_weight:g}")
        return self

    def largest(self, names: int) -> float:
        """Return the largest |weight| that one of so many names may have, at most the budget."""
        if self.max_weight is None:
            return self.budget
        if self.max_weight == "auto":
            return max(self.min_weight, self.budget * min(1.0, max(0.25, 2.0 / max(names, 1))))
        return min(self.max_weight, self.budget)

    @property
    def chain(self) -> tuple[str, ...]:
        """The methods in the order in which they are tried, each once."""
        return tuple(dict.fromkeys((self.method, *self.fallbacks)))


Rhythm = Literal["daily", "weekly", "monthly", "quarterly"] | Annotated[int, Field(ge=1, le=2520)]


class RebalanceConfig(Section):
    """When the portfolio is decided, and when it is traded: the same for the nightly run and for the walk-forward."""

    every: Rhythm = Field(
        "monthly",
        description="decides at the close of the last session of each period; or a number of sessions from one "
        "decision to the next",
    )
    lag: int = Field(
        1, ge=0, le=20, description="sessions from the close that decides to the close that trades; 0: the same close"
    )

    def sessions(self, year: int) -> float:
        """Return how many sessions there are from one decision to the next, given those of a year."""
        periods = {"daily": year, "weekly": 52, "monthly": 12, "quarterly": 4}
        return float(self.every) if isinstance(self.every, int) else year / periods[self.every]
