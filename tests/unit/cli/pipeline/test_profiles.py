"""``quantflow profiles`` and ``quantflow stages``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from quantflow.cli.main import app
from quantflow.config.load import load_profile
from quantflow.errors import ConfigError
from quantflow.pipeline.registry import ASKED, META, SELECTION
from quantflow.runs.create import create_run
from quantflow.runs.record import RunRecord, StageRecord
from quantflow.sdk import QuantSDK

FILE = """
[profiles.mine]
extends = "demo"
[profiles.mine.policy]
top_n = 3
[profiles.wrong.policy]
top_n = -1
[profiles.far.data]
provider = "smaple"
[meta.pair]
sleeves = [{ profile = "mine" }, { profile = "demo" }]
"""


def call(home: Path, *arguments: str) -> str:
    """What a command prints to stdout; its error is raised."""
    found = CliRunner().invoke(app, [*arguments, "--workspace", str(home)], catch_exceptions=True)
    if found.exception is not None:
        raise found.exception
    return found.stdout


def told(home: Path, *arguments: str) -> Any:
    return json.loads(call(home, *arguments, "--json"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "quantflow.toml").write_text(FILE)
    return tmp_path


def test_list_says_where_profiles_come_from(home: Path) -> None:
    """The file's come first, then the built-in ones; what they extend or hold is beside them."""
    found = {entry["name"]: entry for entry in told(home, "profiles", "list")["profiles"]}
    assert (found["mine"]["source"], found["mine"]["extends"]) == ("quantflow.toml", "demo")
    assert (found["pair"]["kind"], found["pair"]["sleeves"]) == ("meta", ["mine", "demo"])
    assert found["demo_meta"]["source"] == "built in"
    assert "mine" in call(home, "profiles", "list")


def test_show_names_the_source_of_each_value(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File, environment, flag, the profile that it extends, default."""
    monkeypatch.setenv("QUANTFLOW_POLICY__MAX_WINNERS", "9")
    arguments = ("profiles", "show", "mine", "--sources", "--set", "policy.min_winners=2")
    lines = {line.split()[0]: line for line in call(home, *arguments).splitlines()[1:]}
    assert lines["policy.top_n"].split(None, 2)[1:] == ["3", "quantflow.toml [profiles.mine.policy]"]
    assert lines["policy.max_winners"].endswith("env QUANTFLOW_POLICY__MAX_WINNERS")
    assert lines["policy.min_winners"].endswith("--set")
    assert lines["allocation.method"].endswith("profile demo (built in)")
    assert lines["features.lookback"].endswith("default")
    assert told(home, "profiles", "show", "pair")["settings"]["sleeves"][0]["profile"] == "mine"


def test_validate_tells_every_problem_at_once(home: Path) -> None:
    """All of the file by default, each problem with its hint, exit code 2; good ones pass by name."""
    with pytest.raises(ConfigError) as caught:
        call(home, "profiles", "validate")
    assert caught.value.exit_code == 2
    for text in ("2 of 4", "wrong: ", "top_n = -1", "far: ", "Did you mean 'sample'?"):
        assert text in caught.value.message
    assert "all can be used" in call(home, "profiles", "validate", "mine", "pair")
    with pytest.raises(ConfigError, match="No profile or meta profile named 'mien'"):
        call(home, "profiles", "validate", "mien")


def test_validate_warns_of_names_that_match_nothing(home: Path) -> None:
    """Each with the nearest symbol, on the terminal and as JSON; the profile can be used."""
    (home / "prices.csv").write_text("date,BRK-B,MSFT\n2024-01-02,1,2\n")
    with (home / "quantflow.toml").open("a") as file:
        file.write('[profiles.own.data]\nprovider = "files"\npath = "prices.csv"\n')
        file.write('[profiles.own.universe]\nexclude = ["MSFT", "BRK.B"]\n')
    said = call(home, "profiles", "validate", "own")
    assert "own: BRK.B: universe.exclude names it, the provider has no such symbol: did you mean 'BRK-B'?" in said
    assert "all can be used" in said
    (checked,) = told(home, "profiles", "validate", "own")["profiles"]
    assert (checked["error"], len(checked["warnings"])) == (None, 1)


def test_stages_are_listed_and_shown(home: Path) -> None:
    """Each with kind, needs, makes and package; one with its definition and settings."""
    found = [stage["id"] for stage in told(home, "stages", "list")["stages"]]
    assert found[: len(SELECTION + ASKED + META)] == [*SELECTION, *ASKED, *META]
    assert [stage["id"] for stage in told(home, "stages", "list", "-p", "mine")["stages"]] == list(SELECTION)
    shown = told(home, "stages", "show", "clustering")
    assert (shown["kind"], shown["needs"], shown["package"]) == ("compute", ["prices"], "quantflow")
    assert {"clusters.max_clusters": 25}.items() <= {key["name"]: key["default"] for key in shown["settings"]}.items()
    assert "move together" in shown["about"] or "correlation" in shown["about"]
    assert "clusters.max_clusters" in call(home, "stages", "show", "clustering")
    with pytest.raises(ConfigError) as caught:
        call(home, "stages", "show", "clusterin")
    assert "Did you mean 'clustering'?" in str(caught.value.hint)


def test_one_stage_runs_on_a_runs_artifacts(home: Path) -> None:
    """It says what it made and whether the run has the same; the record is left alone."""
    loaded = load_profile("mine", workspace=home, overrides=["data.start=2017-01-01"])
    context = QuantSDK.context("mine", workspace=home, overrides=["data.start=2017-01-01"])
    record = create_run(loaded, home, context.as_of, "r")
    context = QuantSDK.run_stage("features", QuantSDK.run_stage("ingestion", context))
    for name in ("ingestion", "features"):
        made = {artifact: context.artifacts[artifact] for artifact in QuantSDK.stage(name, context).makes}
        record.write_stage(StageRecord(name, "done", outputs=made))
    before = {path: path.read_bytes() for path in record.folder.rglob("*") if path.is_file()}
    found = told(home, "stages", "run", "features", "--run", "r")
    assert [(item["name"], item["same"]) for item in found["artifacts"]] == [("features", True)]
    assert [item["same"] for item in told(home, "stages", "run", "inference", "--run", "r")["artifacts"]] == [None]
    assert "same bytes" in call(home, "stages", "run", "features", "--run", "r")
    assert {path: path.read_bytes() for path in record.folder.rglob("*") if path.is_file()} == before
    with pytest.raises(ConfigError, match="has not made atoms"):
        call(home, "stages", "run", "allocation", "--run", "r")
    assert RunRecord(home, "r").stage("inference") is None


def test_validate_checks_the_sweeps_of_the_file(tmp_path: Path) -> None:
    """A value that is wrong is found before the night in which the sweep is to run."""
    (tmp_path / "quantflow.toml").write_text(
        '[profiles.p]\nextends = "demo"\n'
        '[sweep.good]\nprofile = "p"\nover = { "policy.top_n" = [1, 2] }\n'
        '[sweep.bad]\nprofile = "p"\nover = { "policy.topn" = [1, 2] }\n'
    )
    found = CliRunner().invoke(app, ["profiles", "validate", "-w", str(tmp_path)])
    assert isinstance(found.exception, ConfigError)
    assert "1 of 3 cannot be used" in found.exception.message
    assert "bad: --over policy.topn = 1: no such key" in found.exception.message
