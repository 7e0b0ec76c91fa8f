"""What a sweep says: its best trial, how likely that is luck, which settings matter, and how they look in pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from quantflow.errors import ConfigError, DataError
from quantflow.quant.research.deflated import deflated
from quantflow.quant.research.importance import importance
from quantflow.quant.research.overfitting import overfitting
from quantflow.quant.research.paths import Folds, choice_paths
from quantflow.quant.research.surface import levels, surface
from quantflow.quant.significance import CONFIDENCE, expected_best, probabilistic_sharpe
from quantflow.stages.sweep.trials import Trials, text_of
from quantflow.types import Json, Record

FloatArray = npt.NDArray[np.float64]

PAIRS = 6
"""Heat maps that are made: those of the settings that explain most."""


def findings(trials: Trials, metric: str, held: int) -> Json:
    """Return the record ``sweep``, but for the nested walk-forward.

    Args:
        trials: The trials; at least one succeeded.
        metric: The figure by which they are ranked.
        held: Sessions between two rebalances: what is held at the border of two folds earns in both.
    """
    table = trials.table()
    values = table[metric].to_numpy(float)
    if np.isnan(values).all():
        raise DataError(f"No trial has a {metric}: none took any risk.", hint="Rank by another figure: --metric cagr.")
    best = int(np.nanargmax(values))
    number = int(table.index[best])
    ranked = [{"name": name, **share} for name, share in zip(trials.settings, _shares(trials, values), strict=True)]
    row = {name: _plain(value) for name, value in table.iloc[best].items() if name not in trials.settings}
    chance = luck(trials, number)
    overfit = pbo(trials)
    return {
        "metric": metric,
        "trials": len(table),
        "completed": len(trials.streams),
        "failed": int((table["state"] != "completed").sum()),
        "before": len(trials.others),
        "start": str(trials.sessions[0].date()),
        "end": str(trials.sessions[-1].date()),
        "sessions": len(trials.sessions),
        "annualisation": trials.annualisation,
        "best": {"trial": number, "variant": dict(trials.variants[best]["variant"]), **row},
        "luck": chance,
        "overfitting": overfit,
        "cross_validation": cross_validation(trials, held),
        "importance": ranked,
        "surfaces": _surfaces(trials, values, metric, ranked),
        "sentence": sentence(number, row, chance, overfit),
    }


def luck(trials: Trials, number: int) -> Json:
    """Return what the best of as many trials without skill is expected to show, and how the best one stands to it.

    Trials are counted each by itself, and by clusters of those that resemble one another; what leaves less is said.
    ``expected_best`` is a Sharpe ratio a year, ``expected_beyond`` one of returns beyond equal weight;
    ``probabilistic_sharpe`` is the probability that the trial's true one is above 0 if it had been the only trial,
    ``deflated_sharpe`` given that it was chosen among ``among``.
    """
    found = trials.estimates[number]
    if found is None:
        return {"among": f"{len(trials.ratios)} trials"} | dict.fromkeys(CHANCES)
    left = deflated(found, trials.ratios, trials.clusters)
    counted = trials.clusters if left.clustered else trials.ratios
    variance = float(np.var(counted, ddof=1)) if len(counted) > 1 else 0.0
    return {
        "among": left.number,
        "expected_best": expected_best(len(counted), variance) * math.sqrt(trials.annualisation),
        "expected_beyond": trials.expected_beyond * math.sqrt(trials.annualisation),
        "probabilistic_sharpe": probabilistic_sharpe(found),
        "deflated_sharpe": left.probability,
    }


CHANCES = ("expected_best", "expected_beyond", "probabilistic_sharpe", "deflated_sharpe")


def pbo(trials: Trials) -> float | None:
    """Return the probability of backtest overfitting; None where too few trials or sessions are there to tell."""
    try:
        return overfitting(trials.net.T).probability
    except DataError:
        return None


def cross_validation(trials: Trials, held: int) -> Json | None:
    """Return what choosing by Sharpe ratio earned on folds of time that it was not chosen on; None with too few.

    Ratios a year: ``trained`` and ``tested``, the medians over splits of the chosen trial's, and ``paths``, one of each
    way through time. See ``quant.research.paths.choice_paths``; two of six folds are tested at once.
    """
    try:
        found = choice_paths(trials.net, Folds(purge=held))
    except (ConfigError, DataError):
        return None
    year = math.sqrt(trials.annualisation)
    middle = {name: _plain(float(np.nanmedian(getattr(found, name))) * year) for name in ("trained", "tested")}
    return {**middle, "paths": [_plain(float(ratio) * year) for ratio in found.sharpe], "splits": len(found.chosen)}


def is_skill(row: Record, chance: Record) -> bool:
    """Whether a trial is more than luck.

    Both its Sharpe ratio and what it has beyond its share of equal weight are above 0 with a probability of 95 %, given
    all trials.
    """
    sure = (chance["deflated_sharpe"], row["beyond_deflated"])
    return all(each is not None and each >= CONFIDENCE for each in sure)


def sentence(number: int, row: Record, chance: Record, overfit: float | None) -> str:
    """Return in a few short sentences whether the best trial beats what luck gives, and what the market gives."""
    sharpe, sure, beyond = row["sharpe"], chance["deflated_sharpe"], row["beyond_deflated"]
    if sharpe is None or sure is None:
        return f"Trial {number} is the best of {chance['among']}; nothing can be said of luck, since it took no risk."
    text = (
        f"The best, trial {number}, has a Sharpe ratio of {sharpe:.2f} (95%: {row['sharpe_low']:.2f} to "
        f"{row['sharpe_high']:.2f}), above 0 with probability {sure:.1%} as the choice among {chance['among']}."
    )
    if beyond is None:
        text += " It is equal weight and may be luck: beyond that it has nothing."
    else:
        text += (
            f" Beyond its share of equal weight (beta {row['beta']:.2f}) it has {row['beyond']:.2f}, which "
            f"{'is more than luck' if is_skill(row, chance) else 'may be luck'}: the best of as many without skill is "
            f"expected to have {chance['expected_beyond']:.2f}, and it is above 0 with probability {beyond:.1%}."
        )
    return text if overfit is None else f"{text} Probability of overfitting: {overfit:.0%}."


def _shares(trials: Trials, values: FloatArray) -> list[Json]:
    places = np.stack([_levels(trials, name)[1] for name in trials.settings], axis=1)
    return [{name: _plain(value) for name, value in vars(found).items()} for found in importance(values, places)]


def _levels(trials: Trials, name: str) -> tuple[list[Any], npt.NDArray[np.int64]]:
    return levels([each["variant"][name] for each in trials.variants])


def _surfaces(trials: Trials, values: FloatArray, metric: str, ranked: Sequence[Record]) -> list[Json]:
    """Return the heat maps of pairs of settings, those first that explain most; of one setting, a row per value."""
    varied = [name for name in trials.settings if len(_levels(trials, name)[0]) > 1]
    order = {each["name"]: -(each["share"] or 0.0) for each in ranked}
    names = sorted(varied, key=lambda name: order[name])
    pairs = sorted(combinations(names, 2), key=lambda pair: (order[pair[0]] + order[pair[1]], pair))[:PAIRS]
    error = _error(trials, values, metric)
    if not pairs:
        return [_surface(trials, values, error, name, None) for name in names]
    return [_surface(trials, values, error, rows, columns) for rows, columns in pairs]


def _error(trials: Trials, values: FloatArray, metric: str) -> float:
    """Return the standard error of the figure of a trial; of one whose error is unknown, its deviation over trials."""
    if metric != "sharpe":
        return float(np.nanstd(values))
    table = trials.table()
    half = (table["sharpe_high"] - table["sharpe_low"]) / 2.0
    return float(half.median()) / 1.959963984540054


def _surface(trials: Trials, values: FloatArray, error: float, rows: str, columns: str | None) -> Json:
    down, which_row = _levels(trials, rows)
    across, which_column = ([""], np.zeros_like(which_row)) if columns is None else _levels(trials, columns)
    found = surface(values, which_row, which_column, error)
    cells = {name: [[_plain(cell) for cell in line] for line in getattr(found, name)] for name in _CELLS}
    shown = {"row_values": [text_of(value) for value in down], "column_values": [text_of(value) for value in across]}
    return {"rows": rows, "columns": columns or "", **shown, **cells}


_CELLS = ("mean", "count", "around", "spread", "lonely")


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: NaN is null."""
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain
