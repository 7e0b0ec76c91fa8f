from __future__ import annotations

import pandas as pd
import pytest
from pydantic import ValidationError

from quantflow.config.data import DataConfig
from quantflow.config.sections import SynthesisConfig
from quantflow.errors import ConfigError
from quantflow.pipeline.stage import Kind
from quantflow.stages.synthesis import COLUMNS, FACTS, SynthesisStage, SynthesisStageConfig


def inputs() -> dict[str, pd.DataFrame]:
    """Two winners, and instruments whose currencies the provider contradicts."""
    symbols = pd.Index(["XOM", "AAPL"], name="symbol")
    winners = pd.DataFrame(
        {
            "direction": ["SHORT", "LONG"],
            "cluster": [2, 1],
            "sector": ["Energy", "Information Technology"],
            "alpha_score": [0.9, 0.8],
            "rank": [1, 2],
            "level": [1, 1],
        },
        index=symbols,
    )
    known = pd.Index(["AAPL", "KO", "XOM"], name="symbol")
    instruments = pd.DataFrame(
        {"name": "-", "sector": "-", "currency": ["EUR", "CHF", "GBP"], "exchange": "XNYS"}, index=known
    )
    return {"winners": winners, "instruments": instruments}


def config(logic: str = "momentum", provider: str = "sample") -> SynthesisStageConfig:
    """The stage's settings."""
    return SynthesisStageConfig(synthesis=SynthesisConfig(logic=logic), data=DataConfig(provider=provider))


def test_atoms_carry_what_is_needed_to_trade_them() -> None:
    """Each winner becomes one atom, in the winners' order, with the provider's facts."""
    atoms = SynthesisStage().run(inputs(), config())["atoms"]
    assert atoms.index.tolist() == ["XOM_momentum_SHORT", "AAPL_momentum_LONG"]
    assert atoms.index.name == "atom_id"
    assert tuple(atoms.columns) == COLUMNS
    assert atoms["currency"].tolist() == ["USD", "USD"]
    assert atoms["tick"].tolist() == [0.01, 0.01]
    assert atoms["cluster"].tolist() == [2, 1]


def test_a_replay_asks_nobody() -> None:
    """A replay needs no provider: facts are NaN, the currency is the instrument's, all else is as in a run."""
    atoms = SynthesisStage().replay(inputs(), config(provider="does_not_exist"))["atoms"]
    assert atoms["currency"].tolist() == ["GBP", "EUR"]
    assert atoms[["tick", "lot", "min_notional"]].isna().all().all()
    same = ["symbol", "logic", "direction", "cluster", "sector", "alpha_score"]
    pd.testing.assert_frame_equal(atoms[same], SynthesisStage().run(inputs(), config())["atoms"][same])


def test_an_unknown_provider_is_named() -> None:
    """A run with a provider that does not exist says so."""
    with pytest.raises(ConfigError, match="does_not_exist"):
        SynthesisStage().run(inputs(), config(provider="does_not_exist"))


def test_logic_is_part_of_every_id() -> None:
    """The configured logic names the atoms."""
    assert SynthesisStage().replay(inputs(), config("carry"))["atoms"].index[0] == "XOM_carry_SHORT"


@pytest.mark.parametrize("logic", ["", "two words", "9lives", "a-b", "x" * 33])
def test_logic_is_an_identifier(logic: str) -> None:
    """A logic that would make ids ambiguous is refused."""
    with pytest.raises(ValidationError):
        SynthesisConfig(logic=logic)


def test_facts_of_the_past_are_numbers() -> None:
    """A replay's atoms have the types of a run's: what is not known of the past is NaN, a number."""
    stage = SynthesisStage()
    then, now = stage.replay(inputs(), config())["atoms"], stage.run(inputs(), config())["atoms"]
    assert then.dtypes.to_dict() == now.dtypes.to_dict()
    assert then[list(FACTS)].isna().to_numpy().all()


def test_no_winners_make_no_atoms() -> None:
    """An empty table of winners gives an empty table of atoms with all columns."""
    empty = inputs() | {"winners": inputs()["winners"].iloc[:0]}
    atoms = SynthesisStage().replay(empty, config())["atoms"]
    assert atoms.empty
    assert tuple(atoms.columns) == COLUMNS


def test_inputs_are_not_changed_and_summary_counts_shorts() -> None:
    """The stage leaves its inputs alone, is of the network kind, and says how many atoms are short."""
    given, stage = inputs(), SynthesisStage()
    outputs = stage.run(given, config())
    for name, frame in inputs().items():
        pd.testing.assert_frame_equal(given[name], frame)
    assert stage.kind is Kind.NETWORK
    assert stage.summary(given, outputs).note == "1 long, 1 short"
