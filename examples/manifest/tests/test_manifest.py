"""JSON manifests become profiles."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from quantflow.config.load import load_meta, load_profile
from quantflow.errors import ConfigError
from quantflow_manifest.imported import Imported
from quantflow_manifest.keys import OF_SECTION, RULES
from quantflow_manifest.read import imported, keys_of, read_manifest

MANIFEST: dict[str, Any] = {
    "defaults": {
        "data": {"lookback_days": 500, "interval": "1d"},
        "selection": {
            "top_n": 3,
            "max_winners": 20,
            "max_assets": 30,
            "threshold": 0.55,
            "min_momentum_score": 0.0,
            "max_clusters": 20,
        },
        "risk": {"cluster_cap": 0.25, "max_weight": 0.15, "profile": "hrp"},
        "backtest": {
            "slippage": 0.0005,
            "commission": 0.0002,
            "train_window": 504,
            "test_window": 21,
            "step_size": 21,
        },
        "features": {"entropy_max_threshold": 0.97, "hurst_random_walk_min": 0.48, "hurst_random_walk_max": 0.55},
    },
    "profiles": {
        "core": {"data": {"start_date": "2012-01-03"}, "selection": {"top_n": 2}, "alias": ["main", "not a name"]},
        "calm": {
            "extends": "core",
            "risk": {"profile": "Minimum-Variance", "max_weight": 3000},
            "selectoin": {"top_m": 1},
        },
        "same": "core",
        "again": "same",
        "lost": "nowhere",
        "us tech": {"risk": {"profile": "max_sharpe"}},
        "both": {
            "sleeves": [{"id": "c", "profile": "core", "weight": 0.5}, {"profile": "calm", "max_weight": 0.6}, "none"],
            "meta_allocation": {"method": "risk_parity", "max_weight": 0.7, "cash": 1},
        },
        "top": {"sleeves": ["both", "again"], "meta_allocation": "hrp"},
        "round": {"sleeves": ["round"]},
    },
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A workspace with the file that the manifest becomes."""
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    (tmp_path / "quantflow.toml").write_text(read_manifest(tmp_path / "manifest.json").toml)
    return tmp_path


def test_values_arrive_in_their_sections(home: Path) -> None:
    """Defaults, the profile's own values, units and synonyms are those that the manifest meant."""
    core, calm = (load_profile(name, workspace=home) for name in ("core", "calm"))
    assert (core.policy.top_n, core.features.lookback, core.clusters.max_clusters) == (2, 345, 20)
    assert (core.validation.slippage_bps, core.validation.commission_bps) == (5.0, 2.0)
    assert (core.validation.min_history, core.rebalance.every) == (504, "monthly")
    assert (core.policy.max_winners, core.clusters.distance_threshold) == (20, 0.55)
    assert (core.allocation.method, core.allocation.max_cluster_weight, core.allocation.max_weight) == (
        "hrp",
        0.25,
        0.15,
    )
    assert str(core.data.start) == "2012-01-03"
    assert (calm.allocation.method, calm.allocation.max_weight, calm.policy.top_n) == ("min_variance", 0.15, 2)
    assert load_profile("us_tech", workspace=home).allocation.method == "max_sharpe"


def test_aliases_and_meta_profiles_load(home: Path) -> None:
    """An alias is the profile that it names; sleeves may be profiles, aliases and meta profiles."""
    core = load_profile("core", workspace=home).settings()
    assert all(load_profile(name, workspace=home).settings() == core for name in ("main", "same", "again"))
    both, top = load_meta("both", workspace=home), load_meta("top", workspace=home)
    assert [(s.id, s.profile, s.max_weight) for s in both.sleeves] == [("c", "core", None), ("calm", "calm", 0.6)]
    assert (both.allocation.method, both.allocation.max_weight) == ("risk_parity", 0.7)
    assert [(s.meta, s.profile) for s in top.sleeves] == [("both", None), (None, "again")]


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("defaults.data.interval", "daily"),
        ("defaults.selection.min_momentum_score", "policy.min_alpha"),
        ("defaults.backtest.test_window", "rebalance.every"),
        ("defaults.selection.max_assets", "has set policy.max_winners to 20 already"),
        ("defaults.features.entropy_max_threshold", "in standard errors of one"),
        ("profiles.calm.risk.max_weight", "must be 'auto' or 10 or less"),
        ("profiles.calm.selectoin.top_m", "did you mean 'top_n'?"),
        ("profiles.core.alias", '"not a name" cannot be a name'),
        ("profiles.lost", "points to no profile"),
        ("profiles.both.sleeves[0].weight", "decided by the allocation"),
        ("profiles.both.sleeves[2]", "names no profile"),
        ("profiles.both.meta_allocation.cash", "no such setting"),
        ("meta.round", "contain each other"),
    ],
)
def test_what_is_not_mapped_is_listed_with_the_reason(key: str, why: str) -> None:
    """Nothing is lost in silence."""
    told = {line.key: line.note for line in imported(MANIFEST).unmapped}
    assert why in told[key]


def test_every_leaf_is_accounted_for() -> None:
    """Each key of a profile is in the list, mapped or not."""
    keys = {line.key for line in imported(MANIFEST).lines}
    for section, table in MANIFEST["defaults"].items():
        assert {f"defaults.{section}.{key}" for key in table} <= keys


@pytest.mark.parametrize("rule", [*RULES.items(), *OF_SECTION.items()], ids=lambda rule: str(rule[0]))
def test_every_rule_leads_to_a_setting(rule: Any) -> None:
    """A rule's target is a setting that exists, or the rule says why there is none."""
    target = rule[1].target
    assert rule[1].note if not target else target[1] in keys_of(target[0])


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"profiles": {}}', '{"profiles": {"a": 3}}', "{", '{"profiles": {"a": NaN}}', "[" * 5000]
)
def test_what_is_no_manifest_is_refused(text: str, tmp_path: Path) -> None:
    """Whatever is not a manifest is a config error with a message."""
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(ConfigError):
        read_manifest(tmp_path / "m.json")


def test_a_manifest_imports_no_code() -> None:
    """A JSON file from elsewhere cannot name modules to be imported."""
    found = imported({"profiles": {"p": {"pipeline": {"stages": ["os:path"]}, "risk": {"profile": "hrp"}}}})
    assert found.unmapped[0].key == "profiles.p.pipeline.stages"


def test_an_option_goes_with_its_provider() -> None:
    """In whatever order they come; without the provider it is listed with the reason."""
    named = imported({"profiles": {"a": {"data": {"data_path": "x.csv", "provider": "files"}}}})
    assert named.document["profiles"]["a"]["data"] == {"provider": "files", "path": "x.csv"}
    other = imported({"profiles": {"a": {"data": {"data_path": "x.csv", "min_sessions": 300}}}})
    assert other.document["profiles"]["a"]["data"] == {"min_sessions": 300}
    assert [line.note for line in other.unmapped] == [
        "is an option of the provider 'files', which the profile does not name; data.path stays at its default, not set"
    ]


KNOWN: dict[str, Any] = {
    "data": {"provider": "files", "path": "prices.csv"},
    "direction": "long",
    "backtest": {"slippage": 0.0005, "commission": 0.0001},
}


def publishes(profile: dict[str, Any], defaults: dict[str, Any] | None = None) -> tuple[bool, str]:
    """Whether a profile may publish, and why not."""
    found = imported({"profiles": {"p": profile}, **({"defaults": defaults} if defaults else {})})
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "quantflow.toml").write_text(found.toml)
        enabled = load_profile("p", workspace=Path(home)).publish.enabled
    why = found.held.get(("profiles", "p"), "")
    assert enabled or f"enabled = false  # {why}" in found.toml
    return enabled, why


@pytest.mark.parametrize(
    ("profile", "unknown"),
    [
        ({}, "data, direction, costs"),
        ({**KNOWN, "data": {}}, "data"),
        ({**KNOWN, "data": {"path": "prices.csv"}}, "data"),
        ({**KNOWN, "direction": "sideways"}, "direction"),
        ({**KNOWN, "direction": None}, "direction"),
        ({**KNOWN, "side": "short"}, "direction"),
        ({**KNOWN, "direction": None, "long_only": False}, "direction"),
        ({**KNOWN, "backtest": {"slippage": 0.0005}}, "costs"),
        ({**KNOWN, "backtest": {"slippage": "5 bps", "commission": 0.0001}}, "costs"),
        ({**KNOWN, "backtest": {"slippage": -1, "commission": 0.0001}}, "costs"),
    ],
)
def test_what_is_not_known_cannot_publish(profile: dict[str, Any], unknown: str) -> None:
    """Defaults of quantflow are no knowledge of theirs; the file says why, beside the setting."""
    assert publishes(profile) == (False, f"not known from the manifest: {unknown}")


def test_what_is_known_publishes() -> None:
    """By itself, by defaults, or by both; a refused value of its own makes what was inherited unknown."""
    assert publishes(KNOWN) == (True, "")
    assert publishes({}, KNOWN) == (True, "")
    assert publishes({"direction": "short"}, {**KNOWN, "direction": None}) == (True, "")
    assert publishes({"backtest": {"slippage": "much"}}, KNOWN) == (False, "not known from the manifest: costs")
    assert publishes({"publish": {"enabled": True}})[0] is False


@pytest.mark.parametrize(
    ("said", "directions"),
    [
        ({"direction": "short"}, ["SHORT"]),
        ({"selection": {"side": "SELL"}}, ["SHORT"]),
        ({"short_only": True}, ["SHORT"]),
        ({"directions": ["long", "short"]}, ["LONG", "SHORT"]),
        ({"direction": "Long-Short"}, ["LONG", "SHORT"]),
        ({"allow_short": True}, ["LONG", "SHORT"]),
        ({"allow_short": False}, ["LONG"]),
        ({"strategy": "short_trend"}, None),
    ],
)
def test_short_is_short(said: dict[str, Any], directions: list[str] | None) -> None:
    """No short profile becomes a long one; a name that says so is refused, and the profile cannot publish."""
    found = imported({"profiles": {"p": {**KNOWN, "direction": None, **said}}})
    assert found.document["profiles"]["p"].get("scores", {}).get("directions") == directions
    assert (("profiles", "p") in found.held) == (directions is None)


@pytest.mark.parametrize(
    ("profile", "key", "stays"),
    [
        ({"risk": {"max_weight": 3000}}, "risk.max_weight", 'allocation.max_weight stays at "auto"'),
        ({"selection": {"top_n": None}}, "selection.top_n", "policy.top_n stays at 7"),
        ({"risk": {"max_drawdown": 1}}, "risk.max_drawdown", "not limited"),
        ({"data": {"start": "soon"}}, "data.start", "data.start stays at"),
    ],
)
def test_a_refused_value_says_what_stays(profile: dict[str, Any], key: str, stays: str) -> None:
    """The default, or what is inherited."""
    found = imported({"defaults": {"selection": {"top_n": 7}}, "profiles": {"p": profile}})
    assert stays in {line.key: line.note for line in found.unmapped}[f"profiles.p.{key}"]


@pytest.mark.parametrize(
    ("profile", "lookback"),
    [
        ({"features": {"lookback_days": 730}}, 504),
        ({"calendar": "24/7", "features": {"lookback_days": 730}}, 730),
        ({"features": {"lookback_days": 730}, "calendar": "crypto"}, 730),
        ({"features": {"lookback": 730}}, 730),
    ],
)
def test_calendar_days_are_not_sessions(profile: dict[str, Any], lookback: int) -> None:
    """They are converted, and the list says so; a market that never closes has a session every day."""
    found = imported({"profiles": {"p": profile}})
    assert found.document["profiles"]["p"]["features"]["lookback"] == lookback
    told = [line.note for line in found.mapped if line.key.endswith("lookback_days")]
    assert told in ([], ["calendar days, converted to sessions"])
    refused = imported({"profiles": {"p": {"features": {"lookback_days": "two years"}}}})
    assert "not a number of calendar days" in refused.unmapped[0].note


def portfolio(*sleeves: Any, **meta: Any) -> Imported:
    """A manifest of two known profiles, and a portfolio of some sleeves."""
    return imported({"defaults": KNOWN, "profiles": {"a": {}, "b": {}, "m": {"sleeves": list(sleeves), **meta}}})


def test_pins_and_nested_portfolios_are_kept() -> None:
    """A pinned run stays pinned; a portfolio may be a sleeve."""
    found = portfolio({"profile": "a", "run_id": "20260302-1"}, "b")
    assert found.document["meta"]["m"]["sleeves"] == [{"profile": "a", "run_id": "20260302-1"}, {"profile": "b"}]
    assert not found.held
    nested = imported({"defaults": KNOWN, "profiles": {"a": {}, "m": {"sleeves": ["a"]}, "n": {"sleeves": ["m", "a"]}}})
    assert nested.document["meta"]["n"]["sleeves"][0] == {"meta": "m"}


@pytest.mark.parametrize(
    ("sleeve", "why"),
    [
        ({"profile": "a", "run_id": "../x"}, "cannot name a run"),
        ({"profile": "a", "direction": "short"}, "has the direction of its profile"),
        ({"sleeves": ["a"]}, "a portfolio within another"),
        ({"profile": "a", "weight": 0.5}, "decided by the allocation"),
        ("gone", "names no profile"),
        ({"profile": "m2", "run_id": "r1"}, "cannot be pinned"),
    ],
)
def test_a_portfolio_without_a_part_of_it_cannot_publish(sleeve: Any, why: str) -> None:
    """What was refused of a sleeve is said, and the portfolio is not taken for theirs."""
    manifest = {
        "defaults": KNOWN,
        "profiles": {"a": {}, "b": {}, "m2": {"sleeves": ["b"]}, "m": {"sleeves": [sleeve, "b"]}},
    }
    found = imported(manifest)
    assert any(why in line.note for line in found.unmapped)
    assert found.held["meta", "m"] == "not all that the manifest says of its sleeves could be used"
    assert found.document["meta"]["m"]["publish"] == {"enabled": False}
    assert ("meta", "m2") not in found.held


def test_a_portfolio_of_what_cannot_publish_cannot_either() -> None:
    """At any depth."""
    profiles = {"a": {}, "m": {"sleeves": ["a"]}, "n": {"sleeves": ["m"]}}
    found = imported({"profiles": profiles})
    assert found.held["meta", "m"] == "its sleeve a cannot publish"
    assert found.held["meta", "n"] == "its sleeve m cannot publish"
