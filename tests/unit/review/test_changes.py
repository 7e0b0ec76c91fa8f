"""What ``why`` claims is applied: to the artifacts and settings of runs, through the policy stage itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from processes import SMALL
from quantflow.errors import InfeasibleError
from quantflow.pipeline.arrange import pipeline_of
from quantflow.review.why import changes
from quantflow.review.why.changes import claims_of
from quantflow.review.why.nearest import SCORE, SETTINGS, Part
from quantflow.review.why.path import path_of
from quantflow.runs.run import Run
from quantflow.stages.policy import HEALTH, VETOES, PolicyStage
from ran import ran

PROFILES = ("demo", "demo_momentum", "demo_low_vol", "demo_steady", "demo_reversion")
STRICT = ("policy.max_volatility=0.3", "policy.max_kurtosis=8", "policy.max_per_sector=2", "policy.max_winners=8")
FEATURE = {rule: feature for rule, feature, *_ in VETOES}


def loaded(run: Run) -> dict[str, Any]:
    """What the policy stage of a run decides by."""
    return {name: run.load(name) for name in PolicyStage().needs}


def selects(run: Run, given: Mapping[str, Any], symbol: str, parts: Mapping[str, float]) -> bool:
    """Whether the policy stage selects *symbol* when some of its figures, or settings, are others."""
    stage, settings = PolicyStage(), {**run.settings, "policy": dict(run.settings["policy"])}
    inputs = {**given, "scores": given["scores"].copy(), "features": given["features"].copy()}
    for figure, to in parts.items():
        if figure in SETTINGS:
            settings["policy"][figure] = int(to)
        elif figure == SCORE:
            inputs["scores"].loc[symbol, "alpha_score"] = to
        else:
            inputs["features"].loc[symbol, FEATURE[figure]] = to
    try:
        return symbol in stage.run(inputs, stage.configured(settings))["winners"].index
    except InfeasibleError:
        return False


def printed(says: str) -> list[float]:
    """The numbers of a claim as people read them."""
    return [float(number) for number in re.findall(r" were (\S+) instead of", says)]


@pytest.mark.parametrize("limits", [(), STRICT], ids=["as it is", "strict"])
@pytest.mark.parametrize("profile", PROFILES)
def test_each_claim_of_each_name_is_true(profile: str, limits: tuple[str, ...], tmp_path: Path) -> None:
    """Of five profiles: applied, exactly or as printed, the outcome is the other; with a hair less it stays."""
    run = ran(tmp_path, *([] if profile == "demo" else SMALL), *limits, profile=profile, until="policy")
    given, winners, figures = loaded(run), set(run.load("winners").index), set()
    for symbol in run.load("decisions").index:
        claims = [claim for claim in claims_of(run, symbol) if all(part.figure != HEALTH for part in claim.parts)]
        won = symbol in winners
        assert claims, symbol
        for claim in claims:
            figures |= {part.figure for part in claim.parts}
            assert selects(run, given, symbol, {part.figure: part.to for part in claim.parts}) != won, claim
            read = zip((part.figure for part in claim.parts), printed(claim.says), strict=True)
            assert selects(run, given, symbol, dict(read)) != won, claim.says
            for part in claim.parts:
                less = {each.figure: each.to for each in claim.parts} | {part.figure: part.nearer}
                assert selects(run, given, symbol, less) == won, claim
    assert figures >= {SCORE, "max_volatility", "top_n"}


def test_a_winner_is_claimed_by_the_caps_that_would_take_it_out(tmp_path: Path) -> None:
    """A lower cap on winners, or per sector, and a veto that a figure would meet, are among the claims."""
    run = ran(tmp_path, *STRICT, until="policy")
    found = [claim for name in run.load("winners").index for claim in claims_of(run, name)]
    claimed = {part.figure for claim in found for part in claim.parts}
    assert claimed >= {SCORE, "max_volatility", "max_kurtosis", HEALTH, "max_winners", "max_per_sector"}


def test_a_name_that_misses_several_limits_changes_several_figures(tmp_path: Path) -> None:
    """What two vetoes keep out needs both figures, and the score where a quota is full as well."""
    run = ran(tmp_path, "policy.max_volatility=0.3", "policy.max_kurtosis=2", until="policy")
    decisions = run.load("decisions")
    found = [claims_of(run, name)[0] for name in decisions.index[decisions["outcome"] == "vetoed"]]
    assert any({part.figure for part in claim.parts} >= {"max_volatility", "max_kurtosis"} for claim in found)
    assert all(" and " in claim.says for claim in found if len(claim.parts) > 1)


def test_what_another_policy_decided_has_no_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where a stage took the policy's place, nor where today's policy decides otherwise than the record."""
    run = ran(tmp_path, until="policy")
    (symbol, *_) = run.load("winners").index
    assert claims_of(run, symbol)
    assert path_of(run, symbol).change == claims_of(run, symbol)[0].says
    strict: Callable[..., Any] = changes.posed
    monkeypatch.setattr(changes, "posed", lambda table, policy: strict(table, policy.model_copy(update={"top_n": 1})))
    assert claims_of(run, symbol) == ()
    monkeypatch.undo()
    other = type("Other", (PolicyStage,), {})()
    stages = tuple(other if stage.id == "policy" else stage for stage in pipeline_of(run.settings))
    monkeypatch.setattr(type(run), "pipeline", lambda self: stages)
    assert claims_of(run, symbol) == ()
    assert path_of(run, symbol).change == ""


def test_printed_numbers_are_rounded_away_from_what_they_are() -> None:
    """Four digits where these suffice, more where fewer would not reach the limit or read as no change."""
    assert changes._away(Part("max_volatility", 0.2, 0.30000001), 4) == 0.3001
    assert changes._away(Part(SCORE, 0.5, 0.33333333), 4) == 0.3333
    assert changes._number(Part(SCORE, 0.31700001, 0.317)) == "0.31700001"
