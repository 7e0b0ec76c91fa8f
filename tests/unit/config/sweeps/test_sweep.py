"""A sweep as the file or flags describe it: what it varies, what is refused, and in which order trials are numbered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quantflow.config.sweeps.sweep import SweepConfig, load_sweep, read_over, sweep_names
from quantflow.errors import ConfigError
from quantflow.runs.create import create_run
from quantflow.runs.find import find_run
from quantflow.runs.kinds import Sweep
from recorded import AS_OF

GIVEN = {"profile": "demo", "over": {"policy.top_n": [1, 2]}}


def load(home: Path, file: str = "", name: str | None = None, *sets: str, **given: Any) -> SweepConfig:
    """A sweep of that file, with keys given by flags."""
    if file:
        (home / "quantflow.toml").write_text(file)
    return load_sweep(name, workspace=home, given=given, overrides=sets).config


def test_flags_alone_are_a_sweep(tmp_path: Path) -> None:
    """Without a file; what is not given has its default."""
    found = load(tmp_path, **GIVEN, metric="calmar", nested=True)
    assert (found.name, found.profile, found.over) == ("", "demo", {"policy.top_n": (1, 2)})
    assert (found.design, found.trials, found.seed, found.metric, found.nested) == ("grid", None, 0, "calmar", True)


@pytest.mark.parametrize(
    "over",
    [
        '[sweep.wide.over]\n"policy.top_n" = [1, 2]\n"allocation.method" = ["hrp", "equal_weight"]',
        '[sweep.wide.over]\npolicy.top_n = [1, 2]\nallocation.method = ["hrp", "equal_weight"]',
        '[sweep.wide.over.policy]\ntop_n = [1, 2]\n[sweep.wide.over.allocation]\nmethod = ["hrp", "equal_weight"]',
    ],
)
def test_a_setting_may_be_quoted_or_a_table_in_a_table(over: str, tmp_path: Path) -> None:
    """TOML reads ``policy.top_n`` as a table; both mean the setting."""
    found = load(tmp_path, f'[sweep.wide]\nprofile = "demo"\n{over}\n', "wide")
    assert found.name == "wide"
    assert dict(found.over) == {"allocation.method": ("hrp", "equal_weight"), "policy.top_n": (1, 2)}
    assert sweep_names(tmp_path) == ("wide",)


def test_a_setting_that_is_quoted_and_a_table_too_is_refused(tmp_path: Path) -> None:
    """Half of its values would not be tried, without a word."""
    file = '[sweep.s]\nprofile = "demo"\n[sweep.s.over]\n"policy.top_n" = [1, 2]\npolicy.top_n = [3, 4]\n'
    with pytest.raises(ConfigError, match=r"policy\.top_n stands there twice"):
        load(tmp_path, file, "s")


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    """Key by key; ``over`` as a whole."""
    file = '[sweep.s]\nprofile = "demo"\nseed = 3\n[sweep.s.over]\n"policy.top_n" = [1, 2]\n'
    found = load(tmp_path, file, "s", seed=4, over={"allocation.method": ["hrp", "equal_weight"]})
    assert (found.seed, list(found.over)) == (4, ["allocation.method"])


def test_sets_change_the_profile_for_all_trials(tmp_path: Path) -> None:
    """And not what is varied."""
    loaded = load_sweep(None, workspace=tmp_path, given=GIVEN, overrides=["clusters.max_clusters=9"])
    assert loaded.base.clusters.max_clusters == 9
    assert loaded.settings()["sweep"]["over"] == {"policy.top_n": [1, 2]}


@pytest.mark.parametrize("design", [{}, {"design": "random", "trials": 5}, {"design": "sobol", "trials": 5}])
def test_trials_keep_their_numbers_once_they_are_recorded(design: dict[str, Any], tmp_path: Path) -> None:
    """The record sorts its keys: the order in which settings were named must not matter."""
    over = {"policy.top_n": [1, 2, 3], "allocation.method": ["hrp", "equal_weight"], "clusters.max_clusters": [4, 5]}
    loaded = load_sweep(None, workspace=tmp_path, given={"profile": "demo", "over": over, **design})
    create_run(loaded, tmp_path, AS_OF, "s")
    read = find_run(tmp_path, "s")
    assert isinstance(read, Sweep)
    before = [json.dumps(variant) for variant in loaded.config.variants()]
    assert [json.dumps(trial.variant) for trial in read.trials] == before
    turned = {**GIVEN, "over": dict(reversed(list(over.items()))), **design}
    assert [json.dumps(v) for v in load_sweep(None, workspace=tmp_path, given=turned).config.variants()] == before


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"over": {"policy": [1, 2]}}, r"over: 'policy' is not a setting; write it as section\.key"),
        ({"over": {"policy.": [1, 2]}}, r"'policy\.' is not a setting"),
        ({"over": {"execution.workers": [1, 2]}}, r"execution\.workers changes nothing in a walk-forward"),
        ({"over": {"report.top": [1, 2]}}, r"report\.top changes nothing in a walk-forward"),
        ({"over": {"policy.top_n": []}}, r"over: policy\.top_n has no values"),
        ({"over": {"policy.top_n": [1, 2, 1]}}, r"over: policy\.top_n names a value twice"),
        ({"over": {}}, "over"),
        ({"design": "random"}, "design random needs trials"),
        ({"design": "sobol"}, "design sobol needs trials"),
        ({"trials": 3}, "design grid tries all combinations; trials is for random and sobol"),
        ({"design": "random", "trials": 1}, r"--trials = 1"),
        ({"design": "bayes"}, "--design = .bayes.: must be 'grid', 'random' or 'sobol'"),
        ({"metric": "luck"}, "--metric = .luck.: must be 'sharpe'"),
        ({"seed": -1}, r"--seed = -1"),
        ({"profile": "dmeo"}, "dmeo"),
        ({"over": {"policy.top_n": [5]}}, "A sweep needs at least two variants"),
        ({"over": {f"s.k{n}": list(range(30)) for n in range(3)}}, "The grid has 27,000 combinations; a sweep tries"),
    ],
)
def test_what_is_wrong_is_said(given: dict[str, Any], words: str, tmp_path: Path) -> None:
    """In one line that names the flag, the rule and what was given."""
    with pytest.raises(ConfigError, match=words):
        load(tmp_path, **{**GIVEN, **given})


def test_a_sweep_without_a_profile_or_a_file_is_refused(tmp_path: Path) -> None:
    """With a line that can be copied; an unknown name with the nearest one."""
    with pytest.raises(ConfigError, match="A sweep needs a profile") as raised:
        load(tmp_path, over={"policy.top_n": [1, 2]})
    assert "quantflow sweep --profile demo" in str(raised.value.hint)
    (tmp_path / "quantflow.toml").write_text('[sweep.wide]\nprofile = "demo"\n[sweep.wide.over]\n"a.b" = [1, 2]\n')
    with pytest.raises(ConfigError, match="wdie") as raised:
        load(tmp_path, name="wdie")
    assert "wide" in str(raised.value.hint)
    with pytest.raises(ConfigError, match="name of a sweep"):
        load(tmp_path, name="../wide")


def test_what_is_wrong_in_the_file_names_the_table(tmp_path: Path) -> None:
    """And the nearest key."""
    with pytest.raises(ConfigError, match=r"\[sweep\.s\] desing") as raised:
        load(tmp_path, '[sweep.s]\nprofile = "demo"\ndesing = "grid"\nover = {"policy.top_n" = [1, 2]}\n', "s")
    assert "design" in str(raised.value.hint)


def test_a_value_that_is_valid_in_no_combination_is_refused(tmp_path: Path) -> None:
    """Before anything runs, naming the setting and the value."""
    with pytest.raises(ConfigError, match=r"policy\.top_n.*0"):
        load(tmp_path, profile="demo", over={"policy.top_n": [1, 0], "allocation.method": ["hrp", "equal_weight"]})
    with pytest.raises(ConfigError, match="top_m") as raised:
        load(tmp_path, profile="demo", over={"policy.top_m": [1, 2]})
    assert "top_n" in str(raised.value.hint)
    with pytest.raises(ConfigError, match="'pollicy'"):
        load(tmp_path, profile="demo", over={"pollicy.top_n": [1, 2]})
    with pytest.raises(ConfigError, match="The stages of a run are fixed"):
        load(tmp_path, profile="demo", over={"pipeline.stages": [["a:B"], ["a:C"]]})


def test_a_value_that_is_valid_in_some_combination_is_not(tmp_path: Path) -> None:
    """The others are trials that fail: the sweep tells what of its grid makes sense."""
    over = {"features.momentum_skip": [21, 200], "features.momentum_long": [126, 252]}
    loaded = load_sweep(None, workspace=tmp_path, given={"profile": "demo", "over": over})
    run = create_run(loaded, tmp_path, AS_OF, "s")
    assert isinstance(run, Sweep)
    (wrong,) = [trial for trial in run.trials if set(trial.variant.values()) == {200, 126}]
    with pytest.raises(ConfigError, match=r"momentum_skip \(200\) must be below"):
        _ = wrong.settings


@pytest.mark.parametrize(
    ("flag", "values"),
    [
        ("policy.top_n=5,10, 20", [5, 10, 20]),
        ("allocation.method=hrp,equal_weight", ["hrp", "equal_weight"]),
        ("policy.neutral = true,false", [True, False]),
        ("signals.horizons=[[1, 5], [21]]", [[1, 5], [21]]),
        ('universe.label=["a,b", "c"]', ["a,b", "c"]),
        ("policy.top_n=[1, 2]", [1, 2]),
        ("a.b=x=1,y=2", ["x=1", "y=2"]),
    ],
)
def test_flags_are_read_as_toml_or_text(flag: str, values: list[Any]) -> None:
    """Values that hold commas stand in one list."""
    (found,) = read_over([flag]).values()
    assert found == values


@pytest.mark.parametrize("flag", ["", "policy.top_n", "policy.top_n=", "top_n=1,2", "=1,2"])
def test_a_flag_of_another_form_is_refused(flag: str) -> None:
    """With an example."""
    with pytest.raises(ConfigError, match=r"must be section\.key=value,value") as raised:
        read_over([flag])
    assert "--over policy.top_n=5,10,20" in str(raised.value.hint)


def test_a_setting_in_two_flags_is_refused() -> None:
    """The second would replace the first, without a word."""
    with pytest.raises(ConfigError, match=r"--over names policy\.top_n twice"):
        read_over(["policy.top_n=1,2", "policy.top_n=3"])


def test_a_sweep_is_named_by_its_table(tmp_path: Path) -> None:
    """A key ``name`` would be another name, which nothing would use."""
    (tmp_path / "quantflow.toml").write_text(
        '[sweep.core]\nname = "other"\nprofile = "demo"\nover = { "policy.top_n" = [1, 2] }\n'
    )
    with pytest.raises(ConfigError, match=r"\[sweep\.core\] name: no such key"):
        load_sweep("core", workspace=tmp_path)
