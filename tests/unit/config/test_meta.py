"""Meta profiles: sleeves resolved, nested, and refused when they make no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantflow.config.load import load_meta, load_profile
from quantflow.config.meta import MetaAllocation, Sleeve
from quantflow.config.profile import MetaProfile, Profile
from quantflow.errors import ConfigError

TWO = '[meta.m]\nsleeves = [{ profile = "demo" }, { profile = "demo_momentum", id = "fast" }]\n'


def write(folder: Path, text: str) -> Path:
    """Put a quantflow.toml into *folder*."""
    (folder / "quantflow.toml").write_text(text, encoding="utf-8")
    return folder


def test_demo_meta_holds_the_four_demo_profiles(tmp_path: Path) -> None:
    """The built-in meta profile has four sleeves of four different characters, each resolved."""
    meta = load_meta("demo_meta", workspace=tmp_path)
    assert list(meta.resolved) == ["demo", "demo_momentum", "demo_low_vol", "demo_steady"]
    profiles = [sleeve for sleeve in meta.resolved.values() if isinstance(sleeve, Profile)]
    assert len({str(profile.scores.model_dump()) for profile in profiles}) == 4
    assert len({profile.synthesis.logic for profile in profiles}) == 4
    assert str(meta.sources["sleeves"]) == "meta profile demo_meta (built in)"
    assert str(meta.sources["budget"]) == "default"


def test_sleeves_are_resolved_as_the_profile_alone_would_be(tmp_path: Path) -> None:
    """A sleeve's settings are those of its profile with the same overrides."""
    flags = ["policy.top_n=4"]
    meta = load_meta("m", workspace=write(tmp_path, TWO), overrides=flags)
    alone = load_profile("demo_momentum", workspace=tmp_path, overrides=flags)
    assert meta.resolved["fast"] == alone


def test_meta_flags_change_the_outer_meta_profile_only(tmp_path: Path) -> None:
    """--set meta.key=value addresses the meta profile that was asked for, entries of its tables too."""
    text = TWO + '[meta.outer]\nsleeves = [{ meta = "m" }, { profile = "demo_low_vol" }]\n'
    flags = ["meta.budget=0.5", "meta.allocation.method=hrp"]
    outer = load_meta("outer", workspace=write(tmp_path, text), overrides=flags)
    inner = outer.resolved["m"]
    assert isinstance(inner, MetaProfile)
    assert (outer.budget, outer.allocation.method, str(outer.sources["allocation"])) == (0.5, "hrp", "--set")
    assert (inner.budget, inner.allocation.method) == (1.0, "risk_parity")


def test_settings_hold_no_resolved_sleeves(tmp_path: Path) -> None:
    """The settings of a meta profile are its own JSON values."""
    settings = load_meta("m", workspace=write(tmp_path, TWO)).settings()
    assert set(settings) == {
        "sleeves",
        "allocation",
        "allow_partial",
        "min_sleeves",
        "renormalise",
        "budget",
        "calendar",
        "rebalance",
        "validation",
        "publish",
        "orders",
        "report",
        "execution",
    }
    assert [sleeve["id"] for sleeve in settings["sleeves"]] == ["demo", "fast"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[meta.m]\n", "sleeves is missing"),
        ("[meta.m]\nsleeves = []\n", "must hold 1 or more"),
        ("[meta.m]\nsleeves = [{}]\n", "either a profile or a meta profile"),
        ('[meta.m]\nsleeves = [{ profil = "demo" }]\n', "Did you mean 'profile'?"),
        ('[meta.m]\nsleeves = [{ profile = "dem" }]\n', "[meta.m] sleeves: no profile named 'dem'"),
        ('[meta.m]\nsleeves = [{ meta = "n" }]\n', "no meta profile named 'n'"),
        ('[meta.m]\nsleeves = [{ meta = "m" }]\n', "contain each other: m > m"),
        ('[meta.m]\nsleeves = [{ meta = "n" }]\n[meta.n]\nsleeves = [{ meta = "m" }]\n', "m > n > m"),
        ('[meta.m]\nsleeves = [{ profile = "demo" }, { profile = "demo" }]\n', "two sleeves are called 'demo'"),
        ('[meta.m]\nsleeves = [{ profile = "demo", meta = "m" }]\n', "either a profile or a meta profile"),
        ('[meta.m]\nsleeves = [{ meta = "n", run_id = "r" }]\n', "run_id belongs to"),
        ('[meta.m]\nsleeves = [{ profile = "demo", id = "../x" }]\n', "sleeves[0].id"),
        (TWO + "allow_partial = true\n", "allow_partial needs renormalise"),
        (TWO + "min_sleeves = 3\n", "min_sleeves is 3"),
        (TWO + "budget = 0\n", "budget = 0: must be greater than 0"),
        (TWO + 'allocation = { method = "hrpp" }\n', "Did you mean 'hrp'?"),
        (TWO + "allocation = { min_weight = 0.5, max_weight = 0.1 }\n", "min_weight 0.5 is above"),
        (TWO + "allocation = { lookback = 59 }\n", "must be 60 or more"),
        (TWO + "allocation = { max_weight = 0.4 }\n", "max_weight sum to 0.8, below the budget 1"),
        (TWO + "allocation = { min_weight = 0.6 }\n", "min_weight sum to 1.2, above the budget 1"),
        (TWO + 'rebalance = { every = "yearly" }\n', "'daily', 'weekly', 'monthly' or 'quarterly'"),
        (TWO + "execution = { workers = 0 }\n", "must be 1 or more"),
        (TWO + "report = { topp = 3 }\n", "Did you mean 'top'?"),
        ('[meta.m]\nsleeves = [{ profile = "demo", id = "date" }]\n', "a sleeve cannot be called 'date'"),
        (
            '[meta.m]\nsleeves = [{ profile = "demo", min_weight = 0.5 }]\nallocation = { max_weight = 0.3 }\n',
            "sleeve 'demo': min_weight 0.5 is above max_weight 0.3",
        ),
    ],
)
def test_errors_name_the_meta_profile_and_the_rule(tmp_path: Path, text: str, part: str) -> None:
    """Each wrong meta profile is one config error that says what to fix."""
    with pytest.raises(ConfigError) as caught:
        load_meta("m", workspace=write(tmp_path, text))
    assert part in f"{caught.value.message} {caught.value.hint}"


def test_unknown_meta_profile_names_the_nearest(tmp_path: Path) -> None:
    """A typo is answered with the meta profile that was meant."""
    with pytest.raises(ConfigError) as caught:
        load_meta("demo_mta", workspace=tmp_path)
    assert "Did you mean 'demo_meta'?" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("sleeve", "section", "budget", "expected"),
    [
        ({}, {}, 1.0, (0.0, 1.0)),
        ({}, {"min_weight": 0.1, "max_weight": 0.4}, 1.0, (0.1, 0.4)),
        ({"min_weight": 0.2}, {"min_weight": 0.1, "max_weight": 0.4}, 1.0, (0.2, 0.4)),
        ({"max_weight": 0.0}, {"max_weight": 0.4}, 1.0, (0.0, 0.0)),
        ({"max_weight": 0.9}, {}, 0.5, (0.0, 0.5)),
    ],
)
def test_a_sleeves_own_limits_win(
    sleeve: dict[str, float], section: dict[str, float], budget: float, expected: tuple[float, float]
) -> None:
    """A sleeve keeps its own limits, else those of the section, and never more than the budget."""
    assert Sleeve(profile="demo", **sleeve).bounds(MetaAllocation(**section), budget) == expected


def test_the_chain_names_each_method_once() -> None:
    """The method comes first and is not tried again as a fallback."""
    assert MetaAllocation(method="hrp", fallbacks=("hrp", "equal_weight")).chain == ("hrp", "equal_weight")


CRYPTO = '[profiles.coin]\nextends = "demo"\n[profiles.coin.calendar]\nname = "24/7"\n'


@pytest.mark.parametrize(
    ("sleeves", "given", "name", "source"),
    [
        ('[{ profile = "coin" }]', "", "24/7", "its sleeves"),
        ('[{ profile = "coin" }, { profile = "demo" }]', "", "XNYS", "its sleeves"),
        ('[{ profile = "demo" }]', 'calendar = { name = "24/7" }\n', "24/7", "quantflow.toml [meta.m]"),
    ],
)
def test_the_calendar_is_that_of_the_sleeves(tmp_path: Path, sleeves: str, given: str, name: str, source: str) -> None:
    """Joined sessions are those of the sleeve with the fewest, so a year has as many, unless the profile says so."""
    meta = load_meta("m", workspace=write(tmp_path, f"{CRYPTO}[meta.m]\nsleeves = {sleeves}\n{given}"))
    assert (meta.calendar.name, str(meta.sources["calendar"])) == (name, source)


def test_where_the_work_runs_concerns_all_of_it(tmp_path: Path) -> None:
    """--set execution.key=value changes the meta profile and its sleeves alike."""
    meta = load_meta("m", workspace=write(tmp_path, TWO), overrides=["execution.runner=local"])
    assert meta.execution.runner == meta.resolved["fast"].execution.runner == "local"
