"""The trials of a sweep side by side: their figures on the sessions that all of them have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quantflow.errors import DataError
from quantflow.quant import metrics
from quantflow.quant.research.deflated import deflated
from quantflow.quant.research.effective import effective
from quantflow.quant.significance import SharpeEstimate, estimate, expected_best, interval, probabilistic_sharpe

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]

FIGURES = (
    "sharpe",
    "sharpe_low",
    "sharpe_high",
    "deflated_sharpe",
    "cagr",
    "volatility",
    "sortino",
    "calmar",
    "max_drawdown",
    "turnover_annual",
    "cost",
    "over_equal_weight",
    "beta",
    "beyond",
    "beyond_deflated",
)
"""The columns of figures, all after costs: Sharpe ratio a year with its 95 % interval, probability that it is above 0
given all trials, return a year, volatility a year, Sortino, Calmar, max drawdown, two-sided turnover a year, return a
year that costs took, Sharpe ratio less that of the equally weighted universe, and beta to it.

``beyond`` is the Sharpe ratio a year of what beta does not explain, returns less beta times equal weight, and
``beyond_deflated`` the probability that it is above 0 given all trials: what holds stocks earns what stocks earn.
"""

LEAST = 60
"""Sessions that trials must share to be compared."""


@dataclass(frozen=True, eq=False)
class Trials:
    """What a sweep has to compare.

    Attributes:
        variants: All trials, as the run's facts have them: number, variant, state, message, settings.
        streams: ``oos_returns`` of each trial that succeeded, by its number.
        others: Sharpe ratios per session of other settings that were tried on the same data before.
        annualisation: Sessions per year.
    """

    variants: Sequence[Mapping[str, Any]]
    streams: Mapping[int, pd.DataFrame]
    others: Sequence[float]
    annualisation: int

    @cached_property
    def sessions(self) -> pd.DatetimeIndex:
        """The sessions that all trials have.

        Raises:
            DataError: If these are fewer than 60.
        """
        common = reduce(lambda a, b: a.intersection(b), (stream.index for stream in self.streams.values()))
        if len(common) < LEAST:
            raise DataError(
                f"The trials have only {len(common)} sessions in common, so their figures cannot be compared.",
                hint="Vary fewer settings that move the begin of the walk-forward, or give more history (data.start).",
            )
        return common

    @cached_property
    def net(self) -> FloatArray:
        """Returns after costs on the common sessions, shape (K, S), of the K trials that succeeded."""
        return np.stack([stream.loc[self.sessions, "net"].to_numpy(float) for stream in self.streams.values()])

    @cached_property
    def estimates(self) -> dict[int, SharpeEstimate | None]:
        """The Sharpe ratio of each trial that succeeded, per session."""
        return {number: estimate(row) for number, row in zip(self.streams, self.net, strict=True)}

    @cached_property
    def betas(self) -> FloatArray:
        """Beta to equal weight of each trial that succeeded, shape (K,); 0 where that has no risk."""
        found = (metrics.beta(net, equal) for net, equal in zip(self.net, self._equal, strict=True))
        return np.array([0.0 if each is None else each for each in found])

    @cached_property
    def beyond(self) -> FloatArray:
        """Returns less beta times equal weight, shape (K, S)."""
        return self.net - self.betas[:, None] * self._equal

    @cached_property
    def beyond_estimates(self) -> dict[int, SharpeEstimate | None]:
        """The Sharpe ratio of that, per session, of each trial that succeeded."""
        return {number: estimate(row) for number, row in zip(self.streams, self.beyond, strict=True)}

    @cached_property
    def expected_beyond(self) -> float:
        """The highest such ratio, per session, that as many trials without skill are expected to show.

        Counted each by itself and by clusters, whichever is higher; other settings that were tried before count too,
        with the variance of these, since of theirs only the Sharpe ratio is known. The variance is not above that of a
        ratio without skill, 1 / S: where trials differ by more, some have skill and others do not.
        """
        ratios = np.array([found.ratio for found in self.beyond_estimates.values() if found is not None])
        return max(self._expected(ratios), self._expected(effective(self.beyond.T).ratios))

    def _expected(self, ratios: FloatArray) -> float:
        variance = float(np.var(ratios, ddof=1)) if len(ratios) > 1 else 0.0
        return expected_best(len(ratios) + len(self.others), min(variance, 1.0 / len(self.sessions)))

    @cached_property
    def _equal(self) -> FloatArray:
        return np.stack([stream.loc[self.sessions, "equal_weight"].to_numpy(float) for stream in self.streams.values()])

    @cached_property
    def ratios(self) -> list[float]:
        """The Sharpe ratios per session of all that was tried: by this sweep, and before it on the same data."""
        return [found.ratio for found in self.estimates.values() if found is not None] + list(self.others)

    @cached_property
    def clusters(self) -> list[float]:
        """The Sharpe ratios per session of the clusters of all trials; what was tried before is each its own."""
        return [*map(float, effective(self.net.T).ratios), *self.others]

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings that are varied."""
        return tuple(self.variants[0]["variant"])

    def table(self) -> pd.DataFrame:
        """Return a row per trial, in the order of their numbers: its values, its state, its figures."""
        import pandas as pd

        rows = [self._row(each) for each in self.variants]
        frame = pd.DataFrame(rows, index=pd.Index([each["number"] for each in self.variants], name="trial"))
        for name in self.settings:
            values = [each["variant"][name] for each in self.variants]
            frame[name] = values if _are_numbers(values) else [text_of(value) for value in values]
        return frame[[*self.settings, "state", *FIGURES, "message"]]

    def returns(self) -> pd.DataFrame:
        """Return the returns after costs: a row per common session, a column per trial that succeeded."""
        import pandas as pd

        columns = [str(number) for number in self.streams]
        return pd.DataFrame(self.net.T, index=self.sessions.rename("date"), columns=columns)

    def _row(self, trial: Mapping[str, Any]) -> dict[str, Any]:
        number = trial["number"]
        known = {"state": trial["state"], "message": trial["message"]}
        if number not in self.streams:
            return known | dict.fromkeys(FIGURES, np.nan)
        stream = self.streams[number].loc[self.sessions]
        return known | {name: np.nan if value is None else value for name, value in self._figures(stream, number)}

    def _beyond_figures(self, number: int) -> dict[str, float | None]:
        found = self.beyond_estimates[number]
        beta = float(self.betas[list(self.streams).index(number)])
        if found is None:
            return {"beta": beta, "beyond": None, "beyond_deflated": None}
        sure = probabilistic_sharpe(found, self.expected_beyond)
        return {"beta": beta, "beyond": found.ratio * self.annualisation**0.5, "beyond_deflated": sure}

    def _figures(self, stream: pd.DataFrame, number: int) -> list[tuple[str, float | None]]:
        year = self.annualisation
        net, gross, equal = (stream[name].to_numpy(float) for name in ("net", "gross", "equal_weight"))
        found, whole = self.estimates[number], metrics.summarise(net, year)
        low, high = (None, None) if found is None else (each * year**0.5 for each in interval(found))
        beside = metrics.sharpe(equal, year)
        own: dict[str, float | None] = {
            **whole,
            "sharpe_low": low,
            "sharpe_high": high,
            "deflated_sharpe": None if found is None else deflated(found, self.ratios, self.clusters).probability,
            "turnover_annual": metrics.annual_turnover(stream["turnover"].to_numpy(float), year),
            "cost": metrics.cost_drag(gross, net, year),
            "over_equal_weight": None if found is None or beside is None else whole["sharpe"] - beside,
            **self._beyond_figures(number),
        }
        return [(name, own[name]) for name in FIGURES]


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def text_of(value: Any) -> str:
    """Return a setting's value as people write it; text without quotes."""
    return value if isinstance(value, str) else json.dumps(value)
