"""JSON manifests become profiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quantflow.config.load import load_meta, load_profile
from quantflow.errors import ConfigError
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
    assert (core.policy.top_n, core.features.lookback, core.clusters.max_clusters) == (2, 500, 20)
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
    assert named.document["profiles"]["a"] == {"data": {"provider": "files", "path": "x.csv"}}
    other = imported({"profiles": {"a": {"data": {"data_path": "x.csv", "min_days": 300}}}})
    assert other.document["profiles"]["a"] == {"data": {"min_sessions": 300}}
    assert [line.note for line in other.unmapped] == [
        "is an option of the provider 'files', which the profile does not name"
    ]
