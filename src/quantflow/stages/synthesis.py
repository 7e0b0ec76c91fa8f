"""Synthesis: winners become strategy atoms, with what is needed to trade them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.config.data import DataConfig
from quantflow.config.sections import SynthesisConfig
from quantflow.data.providers import open_provider
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, StageConfig, Summary

if TYPE_CHECKING:
    import pandas as pd

FACTS = ("tick", "lot", "min_notional")
COLUMNS = ("symbol", "logic", "direction", "cluster", "sector", "alpha_score", "currency", *FACTS)


class SynthesisStageConfig(StageConfig):
    """What synthesis reads: the atoms' logic, and the provider that knows the instruments."""

    synthesis: SynthesisConfig
    data: DataConfig


class SynthesisStage(BasePipelineStage[SynthesisStageConfig]):
    """Makes one atom ``{symbol}_{logic}_{LONG|SHORT}`` of each winner, in the order of their ranks.

    A SHORT atom is traded as a short but allocated as a synthetic long, whose return is -r in every session: a
    short that is reset to its weight at each close. To estimate risk or return of an atom inverts so
    (``quant.allocation.synthetic_longs``); the atom itself carries the direction and no return.
    """

    id = "synthesis"
    kind = Kind.NETWORK
    needs = ("winners", "instruments")
    makes = ("atoms",)
    Config = SynthesisStageConfig

    def run(self, inputs: Inputs, config: SynthesisStageConfig) -> Outputs:
        """Return ``atoms`` with the provider's facts: currency, tick, lot and minimum notional.

        Raises:
            DataUnavailableError: If the provider does not answer; worth another try.
        """
        winners = inputs["winners"]
        facts = open_provider(config.data).facts(tuple(winners.index))
        return {"atoms": _atoms(winners, inputs["instruments"], facts, config.synthesis.logic)}

    def replay(self, inputs: Inputs, config: SynthesisStageConfig) -> Outputs:
        """Return ``atoms`` of a past date without asking the provider: tick, lot and minimum notional are NaN."""
        return {"atoms": _atoms(inputs["winners"], inputs["instruments"], None, config.synthesis.logic)}

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return how many atoms were made, and how many of them are short."""
        atoms = outputs["atoms"]
        shorts = int((atoms["direction"] == "SHORT").sum())
        return Summary(len(inputs["winners"]), len(atoms), f"{len(atoms) - shorts} long, {shorts} short")


def _atoms(winners: pd.DataFrame, instruments: pd.DataFrame, facts: pd.DataFrame | None, logic: str) -> pd.DataFrame:
    import pandas as pd

    symbols = winners.index
    known_currency = np.append(instruments["currency"].to_numpy(dtype=object), [np.nan])
    currency = known_currency[instruments.index.get_indexer(symbols)]
    known: dict[str, Any] = dict.fromkeys(FACTS, np.full(len(symbols), np.nan))
    if facts is not None:
        found = facts.reindex(symbols)
        currency = found["currency"].where(found["currency"].notna(), currency).to_numpy()
        known = {name: found[name].to_numpy(dtype=np.float64) for name in FACTS}
    sides = winners["direction"].tolist()
    ids = [f"{symbol}_{logic}_{side}" for symbol, side in zip(symbols.tolist(), sides, strict=True)]
    columns = {
        "symbol": symbols.to_numpy(),
        "logic": np.full(len(symbols), logic, dtype=object),
        **{name: winners[name].to_numpy() for name in ("direction", "cluster", "sector", "alpha_score")},
        "currency": currency,
        **known,
    }
    return pd.DataFrame(columns, index=pd.Index(ids, name="atom_id"))
