"""Inference: one score per symbol from its features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quantflow.config.data import TablesConfig
from quantflow.config.extensions import SCORERS, loaded, modules_of, registered
from quantflow.config.features import Side
from quantflow.config.sections import HealthConfig, ScoresConfig
from quantflow.data.tables import TABLES
from quantflow.errors import ConfigError, DataError, StageError, unknown_name
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, Stage, StageConfig, Summary
from quantflow.quant.scores import SCORERS as BUILT_IN
from quantflow.quant.scores import FloatArray, Scorer, alpha_scores, completed, scorable
from quantflow.types import Settings

if TYPE_CHECKING:
    import pandas as pd


ObjectArray = npt.NDArray[np.object_]


class InferenceStageConfig(StageConfig):
    """What the inference stage reads."""

    scores: ScoresConfig
    policy: HealthConfig = HealthConfig()


class TabledInferenceConfig(InferenceStageConfig):
    """What it reads where the profile has dated tables."""

    tables: TablesConfig


class InferenceStage(BasePipelineStage[InferenceStageConfig]):
    """Score each symbol in each allowed direction and keep the better one (a tie goes to LONG).

    A feature that is undefined for all symbols is left out for all; its ``c_`` column stays, as NaN. A symbol with
    more of the other weighted features missing than ``policy.max_undefined`` is not scored and takes no part in the
    cross-section of the others; up to that many count as the median of those that have them.
    """

    id = "inference"
    kind = Kind.COMPUTE
    needs = ("features",)
    makes = ("scores",)
    Config: type[InferenceStageConfig] = InferenceStageConfig

    def run(self, inputs: Inputs, config: InferenceStageConfig) -> Outputs:
        """Return ``scores``: direction, score, alpha_score, rank and contributions of each scored symbol.

        Raises:
            ConfigError: If there is no scorer of that name, or no table has a column of that name.
            DataError: If no symbol can be scored.
            StageError: If a plug-in's scorer breaks its contract.
        """
        chosen, features = config.scores, inputs["features"]
        names, scorer = list(chosen.weights), find_scorer(chosen.scorer)
        sides = self._sides(config)
        _check_columns(names, features)
        columns = [features.columns.get_loc(name) for name in names]
        values = np.ascontiguousarray(features.to_numpy(dtype=np.float64)[:, columns])
        usable, scored = scorable(values, config.policy.max_undefined)
        if not scored.any():
            raise _nothing_scored(names, values)
        used = [name for name, ok in zip(names, usable, strict=True) if ok]
        weights = np.array([chosen.weights[name] for name in used])
        maps = [chosen.maps.get(name, "rank") for name in used]
        values = completed(values[np.ix_(scored, usable)])
        parts = [
            _checked(scorer(values * [chosen.sign(name, d, sides) for name in used], weights, maps), values.shape)
            for d in chosen.directions
        ]
        alphas = np.stack([alpha_scores(part, weights) for part in parts])
        best, rows = alphas.argmax(axis=0), np.arange(alphas.shape[1])
        contributions = np.full((len(rows), len(names)), np.nan)
        contributions[:, usable] = np.stack(parts)[best, rows]
        directions = np.array(chosen.directions, dtype=object)[best]
        symbols = features.index if scored.all() else features.index[scored]
        return {"scores": _frame(symbols, directions, alphas[best, rows], contributions, names)}

    def _sides(self, config: InferenceStageConfig) -> Mapping[str, Side]:
        """Return which values are better, by table; a stage of another package may not read the section."""
        tables: TablesConfig | None = getattr(config, "tables", None)
        if tables is None and config.scores.tables:
            raise ConfigError(
                f"{type(self).__name__} does not read the section 'tables', which scores.weights names a column of.",
                hint="Give its Config a field tables: TablesConfig (quantflow.config.data).",
            )
        return tables.sides if tables is not None else {}

    def under(self, settings: Settings) -> Stage:
        """Return the stage that knows which values of the profile's dated tables are better, where there are any."""
        if not settings.get(TABLES):
            return self
        knowing = copy(self)
        knowing.Config = TabledInferenceConfig
        return knowing

    def modules(self) -> frozenset[str]:
        """Return this module, and those of the scorers that packages register."""
        return super().modules() | modules_of(SCORERS)

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return how many symbols could be scored, on how many features, and which features were left out."""
        scores = outputs["scores"]
        parts = scores.loc[:, scores.columns.str.startswith("c_")]
        dropped = [name.removeprefix("c_") for name in parts.columns[parts.isna().all()]]
        note = f"{parts.shape[1] - len(dropped)} features"
        if dropped:
            note += f", undefined for all: {', '.join(dropped)}"
        return Summary(entered=len(inputs["features"]), left=len(scores), note=note)


def find_scorer(name: str) -> Scorer:
    """Return the scorer *name*: a built-in one, else one that a package registers.

    Raises:
        ConfigError: If there is none, naming the nearest.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    points = registered(SCORERS)  # reads the metadata of every installed package
    if name not in points:
        raise unknown_name("scorer", name, [*BUILT_IN, *points])
    found: Scorer = loaded(points[name], "Scorer")
    return found


def _check_columns(names: Sequence[str], features: pd.DataFrame) -> None:
    """Refuse a weight of a column that no table has; the other features are known before a run begins."""
    if missing := [name for name in names if "." in name and name not in features]:
        columns = [name for name in features.columns if "." in name]
        raise unknown_name("column of a table", missing[0], columns)


def _frame(
    symbols: pd.Index, directions: Any, alpha: FloatArray, contributions: FloatArray, names: Sequence[str]
) -> pd.DataFrame:
    import pandas as pd

    rank = np.empty(len(symbols), dtype=np.int64)
    rank[np.lexsort((symbols.to_numpy(dtype=object), -alpha))] = np.arange(1, len(symbols) + 1)
    columns = {"direction": directions, "score": np.nansum(contributions, axis=1), "alpha_score": alpha, "rank": rank}
    columns |= {f"c_{name}": contributions[:, i] for i, name in enumerate(names)}
    return pd.DataFrame(columns, index=symbols.rename("symbol"))


def _checked(contributions: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    if np.shape(contributions) != shape or not (np.isfinite(contributions) & (np.asarray(contributions) <= 0.0)).all():
        raise StageError(
            "The scorer returned something else than finite contributions <= 0 for each symbol and feature.",
            hint="See quantflow.quant.scores.Scorer for what a scorer returns.",
        )
    return contributions


def _nothing_scored(names: Sequence[str], values: FloatArray) -> DataError:
    missing = (~np.isfinite(values)).sum(axis=0)
    worst = int(missing.argmax())
    return DataError(
        f"None of {len(values)} symbols has all the features that the score needs.",
        hint=f"{names[worst]!r} is undefined for {int(missing[worst])} of them: take it out of scores.weights, "
        "or give the symbols more history.",
    )
