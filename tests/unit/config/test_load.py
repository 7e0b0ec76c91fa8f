"""The profile loader: precedence, sources, extends, and errors that say what to fix."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from quantflow.config.load import find_workspace, load_meta, load_profile, meta_names, profile_names
from quantflow.config.profile import SECTIONS
from quantflow.errors import ConfigError

BASE = '[profiles.us_core]\nextends = "demo"\n'
POLICY = "[profiles.us_core.policy]\n"


def write(folder: Path, text: str) -> Path:
    """Put a quantflow.toml into *folder*."""
    (folder / "quantflow.toml").write_text(text, encoding="utf-8")
    return folder


def refused(workspace: Path, *overrides: str, name: str = "us_core") -> ConfigError:
    """Return the error of loading a profile."""
    with pytest.raises(ConfigError) as caught:
        load_profile(name, workspace=workspace, overrides=overrides)
    return caught.value


def test_layers_win_in_the_documented_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flag beats environment beats profile beats what it extends beats default, and the source says which won."""
    write(tmp_path, BASE + POLICY + "top_n = 3\nmin_winners = 4\nmax_winners = 9\n")
    monkeypatch.setenv("QUANTFLOW_POLICY__MIN_WINNERS", "2")
    monkeypatch.setenv("QUANTFLOW_POLICY__MAX_WINNERS", "8")
    profile = load_profile("us_core", workspace=tmp_path, overrides=["policy.max_winners=7"])
    assert (profile.policy.top_n, profile.policy.min_winners, profile.policy.max_winners) == (3, 2, 7)
    assert profile.allocation.method == "hrp"
    assert str(profile.sources["policy.top_n"]) == "quantflow.toml [profiles.us_core.policy]"
    assert str(profile.sources["policy.min_winners"]) == "env QUANTFLOW_POLICY__MIN_WINNERS"
    assert str(profile.sources["policy.max_winners"]) == "--set"
    assert str(profile.sources["allocation.method"]) == "profile demo (built in)"
    assert str(profile.sources["policy.relaxation"]) == "default"


def test_every_value_has_a_source(tmp_path: Path) -> None:
    """No setting of a profile is without a source, and no source is without a setting."""
    profile = load_profile("demo", workspace=tmp_path)
    tables = profile.model_dump(exclude={"name"}).items()
    assert set(profile.sources) == {f"{section}.{key}" for section, keys in tables for key in keys}


def test_settings_are_the_sections_as_json(tmp_path: Path) -> None:
    """The settings hold every section but those on which no run depends, and nothing else; dates as text."""
    settings = load_profile("demo", workspace=tmp_path).settings()
    assert tuple(settings) == tuple(name for name in SECTIONS if name not in ("schedule", "notify"))
    assert isinstance(settings["data"]["start"], str)


def test_a_flag_changes_one_entry_of_a_table(tmp_path: Path) -> None:
    """A dotted flag changes one weight and keeps the others, also where the table is a default."""
    write(tmp_path, "[profiles.plain]\n")
    before = load_profile("plain", workspace=tmp_path).scores.weights
    after = load_profile("plain", workspace=tmp_path, overrides=["scores.weights.trend=2"]).scores.weights
    assert after == {**before, "trend": 2.0}


def test_one_load_leaves_no_trace_in_the_next(tmp_path: Path) -> None:
    """Overrides of one load never reach the built-in profiles of the next."""
    before = load_profile("demo", workspace=tmp_path).settings()
    load_profile("demo", workspace=tmp_path, overrides=["scores.weights.trend=9", "policy.top_n=1"])
    assert load_profile("demo", workspace=tmp_path).settings() == before


def test_a_later_layer_replaces_a_table_as_a_whole(tmp_path: Path) -> None:
    """A profile's weights are the weights it names, not a mixture with those it extends."""
    write(tmp_path, BASE + "[profiles.us_core.scores.weights]\nmomentum = 1\n")
    assert load_profile("us_core", workspace=tmp_path).scores.weights == {"momentum": 1.0}


def test_values_of_flags_are_toml_or_text(tmp_path: Path) -> None:
    """Lists, dates, numbers and bare words are understood."""
    flags = ['universe.symbols=["KO", "PEP"]', "data.start=2015-01-02", "calendar.name=24/7", "synthesis.logic=value"]
    profile = load_profile("demo", workspace=tmp_path, overrides=flags)
    assert profile.universe.symbols == ("KO", "PEP")
    assert str(profile.data.start) == "2015-01-02"
    assert profile.calendar.annualisation == 365
    assert profile.synthesis.logic == "value"


def test_own_profile_may_extend_the_built_in_one_of_its_name(tmp_path: Path) -> None:
    """A profile called demo extends the built-in demo, and built-in ones keep extending the built-in demo."""
    write(tmp_path, '[profiles.demo]\nextends = "demo"\n[profiles.demo.policy]\ntop_n = 1\n')
    assert load_profile("demo", workspace=tmp_path).policy.top_n == 1
    assert load_profile("demo", workspace=tmp_path).allocation.max_weight is not None
    assert load_profile("demo_momentum", workspace=tmp_path).policy.top_n != 1


def test_relative_path_starts_at_the_file(tmp_path: Path) -> None:
    """data.path is relative to the workspace, a URL is left alone."""
    write(tmp_path, BASE + '[profiles.us_core.data]\nprovider = "files"\npath = "prices/*.parquet"\n')
    assert load_profile("us_core", workspace=tmp_path).data.path == str(tmp_path / "prices" / "*.parquet")
    url = load_profile("us_core", workspace=tmp_path, overrides=["data.path=s3://bucket/x"])
    assert url.data.path == "s3://bucket/x"
    members = load_profile("us_core", workspace=tmp_path, overrides=["universe.members=lists/members.csv"])
    assert members.universe.members == str(tmp_path / "lists" / "members.csv")


def test_names_are_the_files_or_the_built_in_ones(tmp_path: Path) -> None:
    """Without a file there are the demo profiles, with one its own; the demo ones can still be loaded."""
    assert set(profile_names(tmp_path)) == {"demo", "demo_momentum", "demo_low_vol", "demo_reversion", "demo_steady"}
    assert meta_names(tmp_path) == ("demo_long_short", "demo_meta")
    write(tmp_path, BASE)
    assert profile_names(tmp_path) == ("us_core",)
    assert meta_names(tmp_path) == ()
    assert load_profile("demo", workspace=tmp_path).name == "demo"


def test_workspace_is_the_nearest_folder_with_the_file(tmp_path: Path) -> None:
    """The search goes upwards, stops at the nearest file, and an explicit folder wins."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find_workspace(inner) == inner
    write(tmp_path, BASE)
    assert find_workspace(inner) == tmp_path
    assert find_workspace(inner, tmp_path / "new") == tmp_path / "new"
    with pytest.raises(ConfigError, match="not a folder"):
        find_workspace(inner, tmp_path / "quantflow.toml")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (POLICY + "top_n = -3", ["quantflow.toml: [profiles.us_core.policy] top_n = -3: must be 1 or more", "winners"]),
        (POLICY + "top_m = 3", ["[profiles.us_core.policy] top_m = 3: no such key", "Did you mean 'top_n'?"]),
        (POLICY + 'top_n = "3"', ['top_n = "3": must be a whole number']),
        (POLICY + "top_n = true", ["top_n = true: must be a whole number"]),
        (POLICY + "top_n = 2.5", ["top_n = 2.5: must be a whole number"]),
        (POLICY + "relaxation = nan", ["relaxation = nan: must be a finite number"]),
        (POLICY + "top_n = -1\nmin_winners = -1\nzz = 1", ["top_n = -1", "There are 2 more"]),
        ("[profiles.us_core.polcy]", ["[profiles.us_core] polcy: no such section", "Did you mean 'policy'?"]),
        ("policy = 3", ["[profiles.us_core] policy = 3: must be a table"]),
        ('[profiles.us_core.allocation]\nmethod = "hrpp"', ['method = "hrpp": must be', "Did you mean 'hrp'?"]),
        ("[profiles.us_core.allocation]\nmin_weight = 0.9", ["[profiles.us_core.allocation]: min_weight 0.9 is above"]),
        ("[profiles.us_core.scores]\nweights = { momentu = 1 }", ["weights", "Did you mean 'momentum'?"]),
        ("[profiles.us_core.clusters]\nlookbacks = [5]", ["lookbacks[0] = 5: must be 20 or more"]),
        ("[profiles.us_core.universe]\nsymbols = ['A', 'A']", ["symbols names 'A' twice"]),
        ("[profiles.us_core.data]\nstart = 'soon'", ['start = "soon": must be a date, YYYY-MM-DD']),
        ("[profiles.us_core.data]\nstart = 1815-06-18", ["start", "1900-01-01 or more"]),
        ("x = \n", ["quantflow.toml, line 3, column 5"]),
        ("[profiles.us_core.data", ["quantflow.toml, line 3"]),
        ("[profile.x]", ["no table may be called 'profile'", "Did you mean 'profiles'?"]),
        ('[profiles."../x"]', ['the name of a profile cannot be "../x"']),
        ("deep = " + "[" * 3000, ["not usable as TOML"]),
        ("number = " + "9" * 5000, ["not usable as TOML"]),
        ("[profiles.us_core.policy.top_n]\n" + ".".join("x" * 900) + " = 1", ["nested too deeply"]),
    ],
)
def test_errors_name_file_key_value_rule_and_nearest(tmp_path: Path, text: str, parts: list[str]) -> None:
    """Each wrong value is one error that names where it stands, what it is, the rule, and the nearest valid name."""
    error = refused(write(tmp_path, BASE + text))
    for part in parts:
        assert part in f"{error.message} {error.hint}"
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("flag", "part"),
    [
        ("policy.top_n", '--set "policy.top_n": must be section.key=value'),
        ("policy=3", "must be section.key=value"),
        ("policy..top_n=3", "must be section.key=value"),
        ("policy.top_n=0", "--set policy.top_n = 0: must be 1 or more"),
        ("policy.topn=1", "Did you mean 'top_n'?"),
        ("plicy.top_n=1", "Did you mean 'policy'?"),
        ("policy.top_n.x=1", "must be a whole number"),
        ("synthesis.logic=a\0b", "cannot be printed"),
        ("meta.budget=1", "no section 'meta'"),
        ("allocation.min_weight=0.9", "--set, allocation: min_weight 0.9 is above"),
        ("policy" + ".x" * 5000 + "=1", "must be section.key=value"),
    ],
)
def test_errors_of_flags_name_the_flag(tmp_path: Path, flag: str, part: str) -> None:
    """A wrong --set names itself, its rule and the nearest name."""
    error = refused(tmp_path, flag, name="demo")
    assert part in f"{error.message} {error.hint}"


@pytest.mark.parametrize(("variable", "part"), [("POLICY__TOP_N", "= 0"), ("POLICY__TOPN", "top_n"), ("X__Y", "'x'")])
def test_errors_of_the_environment_name_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, part: str
) -> None:
    """A wrong variable names itself."""
    monkeypatch.setenv(f"QUANTFLOW_{variable}", "0")
    error = refused(tmp_path, name="demo")
    assert f"env QUANTFLOW_{variable}" in error.message
    assert part in f"{error.message} {error.hint}"


def test_a_variable_for_meta_profiles_leaves_profiles_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """QUANTFLOW_META__… has a meaning for meta profiles only."""
    monkeypatch.setenv("QUANTFLOW_META__BUDGET", "2")
    assert load_profile("demo", workspace=tmp_path).name == "demo"
    assert load_meta("demo_meta", workspace=tmp_path).budget == 2.0


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('[profiles.a]\nextends = "b"\n[profiles.b]\nextends = "a"', "extend each other: a > b > a"),
        ('[profiles.a]\nextends = "a"', "extends itself"),
        ('[profiles.a]\nextends = "dem"', "Did you mean 'demo'?"),
        ("[profiles.a]\nextends = 3", "must be a profile's name"),
    ],
)
def test_extends_must_lead_to_an_end(tmp_path: Path, text: str, part: str) -> None:
    """Circles, unknown bases and non-names are config errors that name the profiles."""
    error = refused(write(tmp_path, text), name="a")
    assert part in f"{error.message} {error.hint}"


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a\0b", "a" * 65, "-a", "a\n", "ä"])
def test_unsafe_names_are_refused(tmp_path: Path, name: str) -> None:
    """A name that is not safe as a file name never reaches the disk."""
    assert "cannot be" in refused(tmp_path, name=name).message


def test_unknown_profile_names_the_nearest(tmp_path: Path) -> None:
    """A typo in a profile's name is answered with the profile that was meant."""
    assert "Did you mean 'us_core'?" in str(refused(write(tmp_path, BASE), name="us_cor").hint)


@pytest.mark.parametrize(("content", "part"), [(b"\xff\xfe", "not UTF-8"), (b"\xef\xbb\xbf" + BASE.encode(), "")])
def test_encoding(tmp_path: Path, content: bytes, part: str) -> None:
    """Only UTF-8 is read, with or without a byte order mark."""
    (tmp_path / "quantflow.toml").write_bytes(content)
    if part:
        assert part in refused(tmp_path).message
    else:
        assert load_profile("us_core", workspace=tmp_path).name == "us_core"


def test_loader_stays_light() -> None:
    """Importing the loader imports no numeric package."""
    code = "import sys; import quantflow.config.load; print({'numpy', 'pandas', 'scipy', 'skfolio'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_data_of_ones_own_do_not_inherit_the_start_of_the_samples(tmp_path: Path) -> None:
    """It is that of the sample; a start that the file sets, also further down the chain, is inherited."""
    own = '[profiles.own]\nextends = "demo"\n[profiles.own.data]\nprovider = "files"\npath = "prices.csv"\n'
    write(tmp_path, f'{own}[profiles.late]\nextends = "own"\n[profiles.late.data]\nstart = 2015-01-02\n{BASE}')
    found = load_profile("own", workspace=tmp_path)
    assert (found.data.start, str(found.sources["data.start"])) == (None, "default")
    assert found.allocation.method == load_profile("demo", workspace=tmp_path).allocation.method
    assert str(load_profile("late", workspace=tmp_path).data.start) == "2015-01-02"
    assert str(load_profile("us_core", workspace=tmp_path).data.start) == "2012-01-03"
    flags = ("data.provider=files", "data.path=prices.csv")
    assert load_profile("demo", workspace=tmp_path, overrides=flags).data.start is None


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every path of a profile, from file and flag; a user that does not exist is an error with the setting."""
    monkeypatch.setenv("HOME", "/home/ann")
    write(
        tmp_path,
        '[profiles.us_core.data]\nprovider = "files"\npath = "~/prices/*.csv"\ninstruments = "~/names.csv"\n'
        '[profiles.us_core.universe]\nmembers = "~/members.csv"\n'
        '[profiles.us_core.validation]\ncosts = "~/costs.csv"\nbenchmark = "~/spx.csv"\n',
    )
    found = load_profile("us_core", workspace=tmp_path)
    assert (found.data.model_extra or vars(found.data))["path"] == "/home/ann/prices/*.csv"
    paths = [found.universe.members, found.validation.costs, found.validation.benchmark]
    assert paths == ["/home/ann/members.csv", "/home/ann/costs.csv", "/home/ann/spx.csv"]
    flagged = load_profile("us_core", workspace=tmp_path, overrides=["universe.members=~/m.csv"])
    assert flagged.universe.members == "/home/ann/m.csv"
    error = refused(tmp_path, "data.path=~nobody-at-all/x.csv")
    assert "data.path = '~nobody-at-all/x.csv'" in error.message
