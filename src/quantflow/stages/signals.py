"""Signals: whether features and scores foretold returns, as they were known at each rebalance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.config.calendar import CalendarConfig
from quantflow.config.data import DataConfig, TablesConfig
from quantflow.config.operation import SignalsConfig, WalkForwardAlone
from quantflow.config.sections import RebalanceConfig, ScoresConfig
from quantflow.data.panel import Panel
from quantflow.data.quality.history import quotes, whole
from quantflow.data.quality.usable import BoolArray, usable
from quantflow.pipeline.play import in_the_background, play
from quantflow.pipeline.stage import Artifacts, Inputs, Kind, Outputs, StageConfig, Summary
from quantflow.quant import metrics
from quantflow.quant.backtest import FloatArray, IntArray, equal_weights
from quantflow.quant.research import signals as research
from quantflow.stages.replaying import ReplayingStage
from quantflow.stages.replays import Past
from quantflow.stages.walk_forward import Market, Rules, schedule
from quantflow.types import Record

if TYPE_CHECKING:
    import pandas as pd

SCORE = "score"
"""What the alpha score is called among the signals."""


def score_of(record: Record) -> Record:
    """Return the figures of the score among those of the signals."""
    return next(each for each in record["signals"] if each["name"] == SCORE)


class SignalsStageConfig(StageConfig):
    """What the stage reads: its own section, and those of every stage that it replays."""

    scores: ScoresConfig
    rebalance: RebalanceConfig
    validation: WalkForwardAlone
    calendar: CalendarConfig
    data: DataConfig
    signals: SignalsConfig


@dataclass(frozen=True, eq=False)
class Examination:
    """What signals are compared with.

    Attributes:
        market: N names over T sessions.
        scheduled: K positions of the sessions that decide, increasing.
        rules: How decisions become trades, and what these cost.
        horizons: Sessions after the trade, increasing.
        signals: Each by name, shape (K, N), more being better; the score is one of them.
    """

    market: Market
    scheduled: IntArray
    rules: Rules
    horizons: tuple[int, ...]
    signals: Mapping[str, FloatArray]

    def record(self, sides: Mapping[str, str]) -> Record:
        """Return the figures of all signals.

        Args:
            sides: Which of its values a long position prefers, by feature.
        """
        found = self.signals
        counted = np.isfinite(found[SCORE]).sum(axis=1)
        names = int(np.median(counted))
        days = self.market.quotes.sessions[self.scheduled]
        count = research.bucket_count(names)
        between = research.mean_correlations(np.stack(list(found.values())))
        return {
            "horizons": list(self.horizons),
            "lag": self.rules.rebalance.lag,
            "rebalances": len(self.scheduled),
            "first": str(days[0]),
            "last": str(days[-1]),
            "names": names,
            "buckets": count,
            "signals": [{"name": name, "side": sides.get(name)} | self._figures(name, count) for name in found],
            "correlations": {
                name: dict(zip(found, map(_number, row), strict=True)) for name, row in zip(found, between, strict=True)
            },
        }

    def history(self) -> pd.DataFrame:
        """Return the information coefficient by date (that decides), signal and horizon; those that are known."""
        import pandas as pd

        days = self.market.quotes.sessions[self.scheduled]
        parts = [
            pd.DataFrame({"date": days, "signal": name, "horizon": horizon, "ic": values})
            for (name, horizon), values in self._coefficients.items()
        ]
        table = pd.concat(parts, ignore_index=True).dropna(subset=["ic"])
        return table.sort_values("date", kind="stable", ignore_index=True)

    def _figures(self, name: str, count: int) -> dict[str, Any]:
        signal = self.signals[name]
        bucket = research.buckets(signal, count) if count else None
        stay = research.rank_autocorrelations(signal)
        return {
            "horizons": [self._at(name, each, bucket, count) for each in self.horizons],
            "rank_autocorrelation": _number(_mean(stay)),
            "spread": self._spread(research.spread_targets(bucket, count)) if bucket is not None else None,
        }

    def _at(self, name: str, horizon: int, bucket: IntArray | None, count: int) -> dict[str, Any]:
        earned = None if bucket is None else research.bucket_returns(bucket, self._forward[horizon], count)
        return {
            "horizon": horizon,
            "ic": asdict(research.mean_of_overlapping(self._coefficients[name, horizon], self.scheduled, horizon)),
            "later": self._later(self.signals[name], horizon),
            "buckets": [] if earned is None else [_number(_mean(each)) for each in earned.T],
        }

    def _later(self, signal: FloatArray, horizon: int) -> dict[str, Any]:
        """Return the coefficient in the sessions after the horizon before this one alone: how it decays."""
        before = max((each for each in self.horizons if each < horizon), default=0)
        earned = self._known(research.forward_returns(*self._terms, horizon, self.rules.rebalance.lag, skip=before))
        values = research.rank_correlations(signal, earned)
        found = research.mean_of_overlapping(values, self.scheduled, horizon - before)
        return {"after": before, **asdict(found)}

    def _spread(self, targets: FloatArray) -> dict[str, float | None]:
        """Return what top less bottom earns a year, held from rebalance to rebalance, before and after costs."""
        year = self.rules.sessions
        found = self.market.earned(self.scheduled, targets, self.rules, self.rules.rebalance.lag)
        return {
            "gross": float(found.gross.mean()) * year,
            "net": float(found.net.mean()) * year,
            "sharpe": metrics.sharpe(found.net, year),
            "turnover_annual": metrics.annual_turnover(found.turnover, year),
        }

    @property
    def _terms(self) -> tuple[FloatArray, IntArray]:
        return self.market.quotes.returns, self.scheduled

    @cached_property
    def _coefficients(self) -> dict[tuple[str, int], FloatArray]:
        """Information coefficients by signal and horizon, shape (K,)."""
        return {
            (name, each): research.rank_correlations(signal, self._forward[each])
            for name, signal in self.signals.items()
            for each in self.horizons
        }

    @cached_property
    def _forward(self) -> dict[int, FloatArray]:
        """Forward returns by horizon, shape (K, N)."""
        lag = self.rules.rebalance.lag
        return {each: self._known(research.forward_returns(*self._terms, each, lag)) for each in self.horizons}

    def _known(self, forward: FloatArray) -> FloatArray:
        """Return forward returns of the names that could be traded when they begin; NaN for the others."""
        able = self.market.quotes.tradable[:, self.scheduled + self.rules.rebalance.lag].T
        return np.where(able, forward, np.nan)


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


class SignalsStage(ReplayingStage[SignalsStageConfig]):
    """Compare each feature of the score, and the score, with the returns that came after; it vetoes nothing.

    Features and scores are replayed at each rebalance of the walk-forward, on what was known at that close. A feature
    counts in the direction that a long position prefers, the alpha score of a short against it: more is better. Forward
    returns begin at the close that trades, ``rebalance.lag`` sessions later, for names that can be traded there, and
    keep what a name that ends earned up to its last move.

    ``signals`` has figures by signal: information coefficients by horizon, buckets, the spread of top and bottom
    bucket after costs, rank autocorrelation, and correlations among signals. ``signal_history`` has each coefficient by
    date.
    """

    id = "signals"
    kind = Kind.COMPUTE
    makes = ("signals", "signal_history")
    Config = SignalsStageConfig
    goal = "scores"
    usual = ("features", "inference")

    def run(self, inputs: Inputs, config: SignalsStageConfig) -> Outputs:
        """Return ``signals`` and ``signal_history``.

        Raises:
            DataError: If the history is too short for a single rebalance.
        """
        prices = whole(inputs["prices"], inputs["past"])
        charged = config.validation.model_copy(update={"cash_rate": 0.0})  # a spread is not to live on interest
        rules = Rules(config.rebalance, charged, config.calendar.annualisation)
        scheduled = schedule(prices.sessions, rules, "prices")
        able = usable(prices, scheduled, config.data, inputs["roster"])
        traded = quotes(inputs["prices"], inputs["past"], inputs["roster"], config.data)
        with in_the_background():
            found = self._signals(prices, scheduled, able, inputs, config)
        desk = Examination(Market(traded, equal_weights(able)), scheduled, rules, config.signals.horizons, found)
        sides = {name: "high" if _sign(config, name) > 0 else "low" for name in found if name != SCORE}
        return {"signals": desk.record(sides), "signal_history": desk.history()}

    def _signals(
        self, prices: Panel, scheduled: IntArray, able: BoolArray, inputs: Inputs, config: SignalsStageConfig
    ) -> dict[str, FloatArray]:
        """Return the score and the features that it is made of, by name, each of shape (K, N), more being better."""
        row = {symbol: i for i, symbol in enumerate(prices.symbols)}
        empty = np.full(able.shape, np.nan)
        found = {SCORE: empty.copy()}
        past = self.past(prices, dict(zip(scheduled.tolist(), able, strict=True)), inputs, config)
        for k, made in self._replayed(past):
            features: pd.DataFrame | None = made.get("features")
            scores = made["scores"]
            signs = np.where(scores["direction"].to_numpy() == "SHORT", -1.0, 1.0)
            found[SCORE][k, [row[symbol] for symbol in scores.index]] = signs * scores["alpha_score"].to_numpy()
            if features is None:  # a scoring stage of another package may read prices alone
                continue
            at = [row[symbol] for symbol in features.index]
            for name in config.scores.weights:
                if name in features:
                    values = _sign(config, name) * features[name].to_numpy(dtype=np.float64)
                    found.setdefault(name, empty.copy())[k, at] = np.where(np.isfinite(values), values, np.nan)
        return found

    def _replayed(self, past: Past) -> Iterator[tuple[int, Artifacts]]:
        """Yield the number of each rebalance with what the stages make then; not where no symbol could be used."""
        for position, k in past.number.items():
            if past.able[position].any():
                yield k, play(self.chain, past.at(position), past.settings_at(position), replay=True)

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return the score's information coefficient at the first horizon."""
        first = score_of(outputs["signals"])["horizons"][0]
        horizon, ic = first["horizon"], first["ic"]
        value, t = ("n/a" if ic[name] is None else f"{ic[name]:.{digits}f}" for name, digits in (("mean", 3), ("t", 1)))
        counted = len(inputs["prices"].symbols)
        return Summary(counted, counted, f"score IC {value} at {horizon} session{'s'[: horizon > 1]} (t {t})")


def _sign(config: SignalsStageConfig, name: str) -> float:
    tables: TablesConfig | None = getattr(config, "tables", None)
    return config.scores.sign(name, "LONG", tables.sides if tables is not None else {})
