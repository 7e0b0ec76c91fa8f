"""Allocation: atoms become weights, within the limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from quantflow.config.calendar import CalendarConfig
from quantflow.config.extensions import ALLOCATIONS, modules_of
from quantflow.config.sections import AllocationConfig, RebalanceConfig
from quantflow.data.panel import Panel
from quantflow.pipeline.arrange import INCUMBENT
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, Stage, StageConfig, Summary
from quantflow.quant.allocation import Allocation, Held, allocate, synthetic_longs
from quantflow.quant.limits import GroupCap, Limits
from quantflow.quant.moments.estimators import Estimators
from quantflow.types import Settings

if TYPE_CHECKING:
    import pandas as pd

CONTEXT = ("direction", "cluster", "sector", "alpha_score")

Atoms: TypeAlias = Mapping[str, npt.NDArray[Any]]
"""Atoms by symbol: ``atom_id``, ``symbol`` and the columns of ``CONTEXT``, of shape (N,) each."""


class AllocationStageConfig(StageConfig):
    """What allocation reads."""

    allocation: AllocationConfig


class TurnoverAllocationStageConfig(AllocationStageConfig):
    """What allocation reads that weighs the cost of leaving what is held."""

    rebalance: RebalanceConfig
    calendar: CalendarConfig


class AllocationStage(BasePipelineStage[AllocationStageConfig]):
    """Divides the budget among the atoms by the configured method, or the first fallback that works."""

    id = "allocation"
    kind = Kind.COMPUTE
    needs: tuple[str, ...] = ("prices", "atoms")
    makes = ("weights", "allocation")
    Config: type[StageConfig] = AllocationStageConfig

    def run(self, inputs: Inputs, config: AllocationStageConfig) -> Outputs:
        """Return ``weights`` (signed, largest first) and ``allocation`` (how they came about).

        Returns are those of the last ``lookback`` sessions on which every atom has one. Atoms are handled in the
        order of their symbols, so the order in which they come does not matter.

        Raises:
            InfeasibleError: If no weights keep the limits, or every method fails.
        """
        atoms = _by_symbol(inputs["atoms"])
        limits = _limits(atoms, config.allocation)
        chosen = config.allocation
        returns = _returns(inputs["prices"], atoms, chosen.lookback)
        estimators = Estimators(chosen.covariance, chosen.mean)
        found = allocate(returns, limits, chosen.chain, estimators, self._held(inputs, atoms, config))
        return {"weights": _weights(atoms, found), "allocation": found.record}

    def under(self, settings: Settings) -> Stage:
        """Return the stage that knows what is held, where leaving that has a cost."""
        return TurnoverAllocationStage() if settings.get("allocation", {}).get("turnover_cost") else self

    def _held(self, inputs: Inputs, atoms: Atoms, config: AllocationStageConfig) -> Held | None:
        return None

    def modules(self) -> frozenset[str]:
        """Return this module, and those of the methods that packages register."""
        return super().modules() | modules_of(ALLOCATIONS)

    def reach(self, config: AllocationStageConfig) -> int:
        """Return the lookback, and the session before it."""
        return config.allocation.lookback + 1

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return the method that was used, the largest weight, and whether a fallback had to step in."""
        weights, record = outputs["weights"], outputs["allocation"]
        fallback = record["used"] != record["method"]
        note = f"{record['used']}{' instead of ' + record['method'] if fallback else ''}"
        largest = float(weights["weight"].abs().max())
        return Summary(len(inputs["atoms"]), len(weights), f"{note}, largest {largest:.1%}", degraded=fallback)


class TurnoverAllocationStage(AllocationStage):
    """The same, of which the objective weighs what it costs to leave what is held.

    The cost is paid once and counts until the next decision: per session, it is spread over those in between.
    """

    needs: tuple[str, ...] = (*AllocationStage.needs, INCUMBENT)
    Config: type[StageConfig] = TurnoverAllocationStageConfig

    def _held(self, inputs: Inputs, atoms: Atoms, config: AllocationStageConfig) -> Held | None:
        assert isinstance(config, TurnoverAllocationStageConfig)
        weights = inputs[INCUMBENT]["weight"].reindex(atoms["symbol"], fill_value=0.0).to_numpy(dtype=float)
        sessions = config.rebalance.sessions(config.calendar.annualisation)
        budget = config.allocation.budget
        return Held(_signs(atoms) * weights / budget, config.allocation.turnover_cost * 1e-4 / sessions)


def _by_symbol(table: pd.DataFrame) -> Atoms:
    """Return the columns of ``atoms`` that count, and its index, in the order of symbols."""
    order = np.argsort(table["symbol"].to_numpy(dtype=object), kind="stable")
    columns = {name: table[name].to_numpy()[order] for name in ("symbol", *CONTEXT)}
    return {"atom_id": table.index.to_numpy()[order], **columns}


def _signs(atoms: Atoms) -> Any:
    return np.where(atoms["direction"] == "SHORT", -1.0, 1.0)


def _limits(atoms: Atoms, config: AllocationConfig) -> Limits:
    count = len(atoms["symbol"])
    caps = (
        _cap("max_cluster_weight", "clusters", atoms["cluster"], config.max_cluster_weight),
        _cap("max_sector_weight", "sectors", _texts(atoms["sector"]), config.max_sector_weight),
    )
    kept = tuple(cap for cap in caps if cap is not None)
    return Limits(count, config.budget, config.min_weight, config.largest(count), kept)


def _cap(name: str, noun: str, labels: Any, cap: float | None) -> GroupCap | None:
    if cap is None or not len(labels):
        return None
    return GroupCap(name, noun, np.unique(labels, return_inverse=True)[1], cap)


def _texts(labels: Any) -> Any:
    """Return labels as texts, empty where there is none."""
    return np.array(["" if label is None or label != label else str(label) for label in labels.tolist()])


def _returns(prices: Panel, atoms: Atoms, lookback: int) -> Any:
    row = {symbol: i for i, symbol in enumerate(prices.symbols)}
    close = prices.close[[row[symbol] for symbol in atoms["symbol"]], -(lookback + 1) :]
    return synthetic_longs(close[:, 1:] / close[:, :-1] - 1.0, _signs(atoms))


def _weights(atoms: Atoms, found: Allocation) -> pd.DataFrame:
    import pandas as pd

    signs = _signs(atoms)
    order = [i for i in np.argsort(-found.weights, kind="stable") if found.weights[i] > 0.0]
    columns = {"weight": (signs * found.weights)[order]}
    columns |= {name: atoms[name][order] for name in ("atom_id", *CONTEXT)}
    return pd.DataFrame(columns, index=pd.Index(atoms["symbol"][order], name="symbol"))
