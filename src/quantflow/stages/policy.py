"""Policy: who wins, and the reason for everyone who does not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from quantflow.config.sections import PolicyConfig
from quantflow.errors import DataError, InfeasibleError
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, StageConfig, Summary, step
from quantflow.quant import random_walk
from quantflow.quant.policy import UNSCORED, Decisions, FloatArray, Pool, Quotas, Veto, apply_level, decide

if TYPE_CHECKING:
    import pandas as pd

NO_SECTOR = frozenset({"", "unknown"})
"""Sector names, in lower case, that say that there is none."""

HEALTH = "max_undefined"
"""The health veto, on the number of weighted features that are missing for a symbol and present for others."""

VETOES: tuple[tuple[str, str, Literal["cap", "floor", "band"], float | None], ...] = (
    (HEALTH, HEALTH, "cap", None),
    ("max_volatility", "volatility", "cap", None),
    ("max_kurtosis", "kurtosis", "cap", None),
    ("max_drawdown", "drawdown", "cap", None),
    ("min_liquidity", "liquidity", "floor", None),
    ("max_entropy_z", "entropy", "cap", 1.0),
    ("min_efficiency_z", "efficiency", "floor", 0.0),
    ("min_hurst_z", "hurst", "band", None),
)
"""Rule (the option that holds its limit), feature, kind of limit, and the value of the feature that nothing is beyond.

In the order in which they are looked at: safety vetoes first. A rule on a feature of ``random_walk`` is a spectral
veto: it looks at the feature in standard errors.
"""


class PolicyStageConfig(StageConfig):
    """What the policy stage reads."""

    policy: PolicyConfig


class PolicyStage(BasePipelineStage[PolicyStageConfig]):
    """Choose the winners, at the lowest level of relaxation that gives enough of them.

    See ``quantflow.quant.policy`` for the levels and for what a decision says.
    """

    id = "policy"
    kind = Kind.COMPUTE
    needs = ("features", "scores", "clusters", "instruments")
    makes = ("winners", "decisions")
    Config = PolicyStageConfig

    def run(self, inputs: Inputs, config: PolicyStageConfig) -> Outputs:
        """Return ``winners``, best rank first, and ``decisions``, a row for every symbol of ``features``.

        Raises:
            DataError: If a symbol has no cluster.
            InfeasibleError: If nobody wins at any level.
        """
        table = table_of(inputs)
        decided = decide(*posed(table, config.policy), _as_step)
        if not decided.selected.any():
            raise _nobody_wins(decided)
        return {"winners": _winners(table, decided), "decisions": _decisions(table, decided)}

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return how many won, and the level that was needed."""
        level = int(outputs["decisions"]["level"].max())
        return Summary(len(inputs["features"]), len(outputs["winners"]), f"level {level}", degraded=level > 1)


def _as_step(level: int, *given: Any) -> Decisions:
    found: Decisions = step(f"policy level {level}", apply_level, level, *given)
    return found


@dataclass(frozen=True, eq=False)
class Table:
    """What is known of the N symbols of ``features``, sorted by symbol; ``features`` also counts the undefined."""

    symbols: Any
    features: dict[str, FloatArray]
    pool: Pool
    direction: Any
    rank: Any
    sector: Any


def posed(table: Table, policy: PolicyConfig) -> tuple[Pool, list[Veto], Quotas]:
    """Return what ``quantflow.quant.policy`` decides on."""
    quotas = Quotas(**{name: getattr(policy, name) for name in Quotas.__dataclass_fields__})
    return table.pool, _vetoes(table.features, policy), quotas


def table_of(inputs: Inputs) -> Table:
    """Return the symbols as the policy sees them.

    Raises:
        DataError: If a symbol has no cluster.
    """
    features, scores = inputs["features"], inputs["scores"]
    features = features if features.index.is_monotonic_increasing else features.sort_index()
    symbols = features.index
    cluster = inputs["clusters"].index.get_indexer(symbols)
    if (cluster < 0).any():
        raise DataError(
            f"{symbols[cluster < 0][0]!r} has features but no cluster.",
            hint="Features and clusters must be made from the same prices.",
        )
    names, values = features.columns.tolist(), features.to_numpy(dtype=np.float64)
    columns, contributions = dict(zip(names, values.T, strict=True)), set(scores.columns.tolist())
    columns[HEALTH] = _undefined(values[:, [i for i, name in enumerate(names) if f"c_{name}" in contributions]])
    scored, listed = scores.index.get_indexer(symbols), inputs["instruments"].index.get_indexer(symbols)
    alpha = _lookup(scores["alpha_score"], scored, np.nan).astype(np.float64)
    direction = _lookup(scores["direction"], scored, "")
    sector = _lookup(inputs["instruments"]["sector"], listed, "")
    number = inputs["clusters"]["cluster"].to_numpy(dtype=np.int64)[cluster]
    pool = Pool(alpha, columns[HEALTH], number, direction == "SHORT", _sector_codes(sector))
    return Table(symbols.to_numpy(dtype=object), columns, pool, direction, _lookup(scores["rank"], scored, 0), sector)


def _lookup(column: Any, rows: Any, absent: object) -> Any:
    """Return the column's values in *rows* as objects, *absent* for row -1."""
    padded = np.append(column.to_numpy(dtype=object), [absent])
    return padded[rows]


def _undefined(values: FloatArray) -> FloatArray:
    missing = ~np.isfinite(values)
    return np.asarray(missing[:, ~missing.all(axis=0)].sum(axis=1), dtype=np.float64)


def _sector_codes(sectors: Any) -> Any:
    names = sorted({str(name) for name in sectors})
    codes = {name: -1 if name.strip().lower() in NO_SECTOR else code for code, name in enumerate(names)}
    return np.array([codes[str(name)] for name in sectors], dtype=np.int64)


def _vetoes(features: dict[str, FloatArray], policy: PolicyConfig) -> list[Veto]:
    """Return the vetoes that are switched on."""
    found = []
    for rule, feature, side, extreme in VETOES:
        limit = getattr(policy, rule)
        if limit is not None and feature in random_walk.FEATURES:
            found.append(_spectral(rule, feature, features, limit, side, extreme))
        elif limit is not None:
            found.append(Veto(rule, features[feature], limit, side, whole=rule == HEALTH))
    return found


def _spectral(
    rule: str,
    feature: str,
    features: dict[str, FloatArray],
    limit: float,
    side: Literal["cap", "floor", "band"],
    extreme: float | None,
) -> Veto:
    number = features["observations"]
    values = random_walk.standard_errors(feature, features[feature], number)
    vacuous = 0.0 if extreme is None else random_walk.standard_errors(feature, np.full(len(number), extreme), number)
    return Veto(rule, values, limit, side, vacuous)


def _winners(table: Table, decided: Decisions) -> pd.DataFrame:
    import pandas as pd

    won = np.flatnonzero(decided.selected)
    rank = table.rank[won].astype(np.int64)
    won = won[np.argsort(rank, kind="stable")]
    columns = {
        "direction": table.direction[won],
        "cluster": table.pool.cluster[won],
        "sector": table.sector[won],
        "alpha_score": table.pool.alpha[won],
        "rank": np.sort(rank),
        "level": decided.level[won],
    }
    return pd.DataFrame(columns, index=pd.Index(table.symbols[won], name="symbol"))


def _decisions(table: Table, decided: Decisions) -> pd.DataFrame:
    import pandas as pd

    columns = {
        "outcome": decided.outcome.astype(object),
        "rule": decided.rule.astype(object),
        "value": decided.value,
        "limit": decided.limit,
        "margin": decided.margin,
        "level": decided.level,
    }
    return pd.DataFrame(columns, index=pd.Index(table.symbols, name="symbol"))


def _nobody_wins(decided: Decisions) -> InfeasibleError:
    (rule, count), *_ = sorted(Counter(decided.rule.tolist()).items(), key=lambda item: (-item[1], item[0]))
    remedy = "Fewer scores.weights or more history would help" if rule == UNSCORED else f"Loosen policy.{rule}"
    return InfeasibleError(
        f"None of {len(decided.rule)} symbols passes the policy, at any level.",
        hint=f"{count} of them fail {rule!r}. {remedy}.",
        rule=rule,
        removed=count,
    )
