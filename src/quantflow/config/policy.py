"""The ``policy`` section: which scored symbols may win, and how many."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from quantflow.config.base import Section


def _off_is_none(value: Any) -> Any:
    # TOML has no null.
    return None if value == "off" else value


Switch = BeforeValidator(_off_is_none)
Limit = Annotated[float | None, Switch]
Count = Annotated[int | None, Switch]


class PolicyConfig(Section):
    """Which scored symbols may win, and how many. ``"off"`` switches a veto or cap off.

    The names of the options are the names of the rules in ``decisions``.
    """

    max_undefined: Count = Field(
        0, description="Health, safety veto: features that a symbol may lack which others have, count.", ge=0
    )
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
    max_entropy: Limit = Field(
        0.98, description="Spectral veto: highest normalised permutation entropy, 0 to 1 (1 = noise).", gt=0.0, lt=1.0
    )
    min_efficiency: Limit = Field(
        0.005, description="Spectral veto: lowest efficiency ratio, 0 to 1 (1 = a straight line).", gt=0.0, lt=1.0
    )
    hurst_band: Limit = Field(
        0.005,
        description="Spectral veto: a Hurst exponent nearer to 0.5 (a random walk) than this is vetoed.",
        gt=0.0,
        lt=0.5,
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
