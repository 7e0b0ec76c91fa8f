"""Reproducing runs that really ran: what is the same is certified, what is planted is found and its cause named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pandas as pd
import pyarrow.parquet as parquet
import pytest

from processes import run_cli
from quantflow.config.load import load_meta
from quantflow.data.store import ArtifactRef, ArtifactStore, write_bytes
from quantflow.errors import ConfigError, IntegrityError
from quantflow.review.reproduce import parts_of, reproduce, scratch_folder
from quantflow.review.reproduction import Reproduction, Verdict
from quantflow.runs.create import create_run
from quantflow.runs.header import SleeveFailure
from quantflow.runs.kinds import open_run
from quantflow.runs.record import StageRecord, versions
from quantflow.runs.run import Run
from ran import AS_OF, executed, ran, ran_meta
from recorded import without_stage

COMPUTED = ("features", "inference", "clustering", "policy", "allocation", "validation")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of the demo."""
    return ran(tmp_path_factory.mktemp("made"), "data.start=2019-01-01")


@pytest.fixture
def run(made: Run, tmp_path: Path) -> Run:
    """A copy of it that a test may spoil."""
    home = shutil.copytree(made.workspace, tmp_path / "home")
    return open_run(home, made.id)


def again(run: Run, *, refetch: bool = False) -> Reproduction:
    told: list[str] = []
    fresh = open_run(run.workspace, run.id)
    with scratch_folder(run.workspace, keep=False) as folder:
        found = reproduce(fresh, folder, refetch=refetch, tell=told.append)
    assert not folder.exists()
    assert told == [f"reproducing {name}" for name in run.stages]
    assert json.loads(json.dumps(found.json()))["same"] is found.same
    return found


def verdicts(found: Reproduction) -> dict[str, str]:
    return {row.stage: row.verdict for row in found.stages}


def stored(run: Run, name: str) -> Path:
    return Path(ArtifactStore(run.layout.store).path(run.outputs[name]))


def stage(run: Run, name: str) -> StageRecord:
    found = run.stage(name)
    assert found is not None
    return found


def test_an_honest_run_is_certified(run: Run) -> None:
    """What it fetched is given, every stage that computes gives the same bytes, and so does the file of weights."""
    found = again(run)
    assert (found.same, found.exact, found.first, found.cause) == (True, True, "", "")
    assert verdicts(found) == {
        "ingestion": "given",
        "synthesis": "given",
        "report": "not compared",
        "weights.csv": "same",
        **dict.fromkeys(COMPUTED, "same"),
    }
    assert all(row.recorded == row.reproduced for row in found.stages if row.verdict is Verdict.SAME)


def test_nothing_comes_from_what_is_stored(run: Run) -> None:
    """With all that was computed gone from the store, the hashes alone certify it; what is gone is said."""
    for name in ("features", "scores", "clusters", "winners", "oos_returns"):
        stored(run, name).unlink()
    found = again(run)
    assert found.same
    details = {row.stage: row.detail for row in found.stages}
    assert details["features"] == "the stored features is gone"
    assert details["policy"] == "the stored winners is gone"
    assert details["allocation"] == ""


def test_without_the_prices_they_must_be_fetched(run: Run) -> None:
    """What the stages start from cannot be made up: the error says how to fetch it, and that works."""
    stored(run, "prices").unlink()
    with pytest.raises(IntegrityError, match="The prices of run") as caught:
        again(run)
    assert caught.value.hint == f"Fetch it again: quantflow reproduce {run.id} --refetch"
    assert verdicts(again(run, refetch=True))["ingestion"] == "same"


def test_a_damaged_artifact_is_named(run: Run) -> None:
    """A stored file with other bytes is not a certificate, though the stage gives what the record says."""
    path = stored(run, "clusters")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    found = again(run)
    assert (found.first, verdicts(found)["clustering"]) == ("clustering", "differs")
    assert found.cause == "data: the stored file was damaged or changed after the run had written it"
    assert verdicts(found)["policy"] == "same"


def test_a_damaged_artifact_is_named_whatever_the_verdict(run: Run) -> None:
    """Also of a stage whose other artifact has other bytes for the same values."""
    record, own = stage(run, "validation"), run.outputs["oos_returns"]
    laid_out = BytesIO()
    parquet.write_table(parquet.read_table(stored(run, "oos_returns")), laid_out, compression="gzip")
    sha = sha256(laid_out.getvalue()).hexdigest()
    other = replace(own, sha256=sha, uri=own.uri.replace(own.sha256, sha).replace(own.sha256[:2], sha[:2]))
    write_bytes(ArtifactStore(run.layout.store).path(other), laid_out.getvalue())
    run.write_stage(replace(record, outputs={**record.outputs, "oos_returns": other}))
    stored(run, "metrics").write_bytes(b"{}")
    (row,) = [row for row in again(run).stages if row.stage == "validation"]
    assert (row.verdict, row.detail) == ("differs", "the stored metrics has other bytes than were written")
    stored(run, "metrics").unlink()
    (row,) = [row for row in again(run).stages if row.stage == "validation"]
    assert (row.verdict, row.detail) == ("same values", "the stored metrics is gone")


def test_a_damaged_report_is_named(run: Run) -> None:
    """It is not compared, but what is stored of it has to be what was written."""
    sha = sha256(b"a page").hexdigest()
    ref = ArtifactRef("report", f"{sha[:2]}/{sha}.txt", sha)
    run.write_stage(replace(stage(run, "report"), outputs={"report": ref}))
    write_bytes(ArtifactStore(run.layout.store).path(ref), b"another page")
    found = again(run)
    assert (found.first, found.cause) == (
        "report",
        "data: the stored file was damaged or changed after the run had written it",
    )


def test_a_changed_setting_is_named(run: Run) -> None:
    """Settings of the record that are not those that it ran with: the first stage that reads them, and why."""
    settings = run.header.settings
    run.update(settings={**settings, "policy": {**settings["policy"], "top_n": 1}})
    found = again(run)
    assert found.first == "policy"
    assert found.cause == "settings: those of the run are not those that this stage ran with"
    (row,) = [row for row in found.stages if row.stage == "policy"]
    assert row.detail.startswith("winners: row of ")
    assert verdicts(found)["clustering"] == "same"
    assert verdicts(found)["weights.csv"] == "same"  # the file still has what the record's weights are


def test_a_result_that_no_code_gives_is_named(run: Run) -> None:
    """Weights that were put into the record by hand: nothing that is recorded explains them."""
    record = stage(run, "allocation")
    weights = ArtifactStore(run.layout.store).get(run.outputs["weights"])
    store = ArtifactStore(run.layout.store)
    outputs = {**record.outputs, "weights": store.put("weights", weights.assign(weight=weights["weight"] * 1.001))}
    run.write_stage(replace(record, outputs=outputs))
    found = again(run)
    assert found.first == "allocation"
    assert found.cause.startswith("nothing that is recorded differs, and the stage gives the same twice")


def test_other_code_and_other_packages_are_named(run: Run) -> None:
    """A stage that ran under other code; where the record names another package version, that one."""
    record = stage(run, "features")
    features = ArtifactStore(run.layout.store).get(run.outputs["features"])
    other = ArtifactStore(run.layout.store).put("features", features + 1.0)
    mark = {**record.fingerprint, "code": "of old"}
    run.write_stage(replace(record, outputs={"features": other}, fingerprint=mark))
    found = again(run)
    assert (found.first, found.cause) == ("features", "code: of the stage, or of what it imports")
    run.update(versions={**run.header.versions, "numpy": "1.0.0"})
    assert again(run).cause == f"packages: numpy 1.0.0 → {versions()['numpy']}"


@pytest.mark.parametrize(
    ("size", "cpu", "verdict"),
    [(1e-11, "", "differs"), (1e-11, "Another CPU", "within 1e-9"), (1e-7, "Another CPU", "differs")],
)
def test_on_another_cpu_numbers_may_differ_in_their_last_digits(run: Run, size: float, cpu: str, verdict: str) -> None:
    """Within 1e-9 and said so; beyond that it differs, and the CPU is named; on the same CPU every bit counts."""
    record, store = stage(run, "features"), ArtifactStore(run.layout.store)
    near = store.put("features", store.get(run.outputs["features"]) * (1 + size))
    run.write_stage(replace(record, outputs={"features": near}))
    run.update(cpu=cpu or run.header.cpu)
    found = again(run)
    assert verdicts(found)["features"] == verdict
    assert found.exact is not bool(cpu)
    assert found.same is (verdict != "differs")
    assert ("CPU: Another CPU → " in found.cause) is (bool(cpu) and verdict == "differs")


def test_last_digits_do_not_part_what_was_fetched_from_what_it_was_fetched_for(run: Run) -> None:
    """On another CPU the winners' scores differ in their last digits: the fetched atoms are given all the same."""
    record, store = stage(run, "policy"), ArtifactStore(run.layout.store)
    winners = store.get(run.outputs["winners"])
    near = store.put("winners", winners.assign(alpha_score=winners["alpha_score"] * (1 + 1e-12)))
    run.write_stage(replace(record, outputs={**record.outputs, "winners": near}))
    mark = stage(run, "synthesis").fingerprint
    inputs = {**mark["inputs"], "winners": near.sha256}
    run.write_stage(replace(stage(run, "synthesis"), fingerprint={**mark, "inputs": inputs}))
    run.update(cpu="Another CPU")
    found = again(run)
    assert (found.same, verdicts(found)["policy"], verdicts(found)["synthesis"]) == (True, "within 1e-9", "given")


def test_an_edited_file_of_weights_is_named(run: Run) -> None:
    """The file that people take the weights from is part of what is certified."""
    file = run.folder / "weights.csv"
    file.write_text(file.read_text().replace("0.", "0.1", 1))
    found = again(run)
    assert (found.first, found.cause) == ("weights.csv", "the file was changed after the run had written it")


def test_an_unfinished_run_is_refused(run: Run) -> None:
    """Only what is complete can be certified; the hint finishes it."""
    without_stage(run, "validation")
    with pytest.raises(ConfigError, match="only a complete run") as caught:
        again(run)
    assert caught.value.hint == f"Finish it first: quantflow resume {run.id}"


FILES = """
[profiles.mine]
extends = "demo"
[profiles.mine.data]
provider = "files"
path = "prices.csv"
start = 2019-01-01
[profiles.mine.validation]
min_history = 504
[profiles.mine.rebalance]
every = "quarterly"
"""


def test_a_vendor_that_restates_is_found_by_fetching_anew(made: Run, tmp_path: Path) -> None:
    """As stored, the run is certified; fetched again, the bar that the vendor has changed is named."""
    prices = ArtifactStore(made.layout.store).get(made.outputs["prices"])
    table = prices.frame().reset_index().melt("date", var_name="symbol", value_name="close")
    (tmp_path / "quantflow.toml").write_text(FILES)
    table.to_csv(tmp_path / "prices.csv", index=False)
    run = ran(tmp_path, profile="mine")
    assert again(run, refetch=True).same
    changed = (table["symbol"] == "KO") & (table["date"] == pd.Timestamp("2021-03-01"))
    assert changed.sum() == 1
    table.loc[changed, "close"] *= 1.02
    table.to_csv(tmp_path / "prices.csv", index=False)
    assert again(run).same
    found = again(run, refetch=True)
    assert (found.first, found.cause[:40]) == ("ingestion", "data: the provider gives other data than")
    assert found.stages[0].detail.startswith("prices: close of KO on 2021-03-01: ")
    (tmp_path / "prices.csv").unlink()
    gone = again(run, refetch=True)
    assert (gone.first, gone.stages[0].verdict) == ("ingestion", "failed")
    assert gone.cause == "data: the provider does not give the data now"


DICE = """
import random
from pathlib import Path

from quantflow import BasePipelineStage, Kind


class Dice(BasePipelineStage):
    id, kind, needs, makes = "dice", Kind.COMPUTE, ("prices",), ("dice",)

    def run(self, inputs, config):
        if (Path(__file__).parent / "broken").exists():
            raise ZeroDivisionError("no dice")
        return {"dice": {"thrown": random.random()}}
"""


def test_a_stage_that_is_not_deterministic_is_told_so(tmp_path: Path) -> None:
    """A plug-in's stage that throws dice: it is executed twice, and is the cause itself; the others are the same.

    When it fails instead, the error is the detail, and what comes after it is not run.
    """
    (tmp_path / "dice_of_test_reproduce.py").write_text(DICE)
    toml = FILES.replace('[profiles.mine.data]\nprovider = "files"\npath = "prices.csv"', "[profiles.mine.data]")
    toml = toml.replace('extends = "demo"', 'extends = "demo"\nstages = ["dice_of_test_reproduce:Dice"]')
    (tmp_path / "quantflow.toml").write_text(toml)
    run = ran(tmp_path, profile="mine")
    found = again(run)
    assert [row.stage for row in found.stages if row.verdict is Verdict.DIFFERS] == ["dice"]
    assert found.cause.startswith("the stage is not deterministic: executed twice on the same inputs")
    (tmp_path / "broken").touch()
    failed = again(run)
    details = {row.stage: row.detail for row in failed.stages if row.verdict is Verdict.FAILED}
    assert (failed.first, details) == ("dice", {"dice": "ZeroDivisionError: no dice"})
    assert failed.cause.startswith("nothing that is recorded differs; the error has a cause outside")
    after = {row.stage for row in failed.stages if row.verdict is Verdict.NOT_RUN}
    assert {"policy", "allocation", "validation"} <= after


def test_what_was_made_is_kept_when_that_is_asked_for(run: Run) -> None:
    """The folder then holds what the stages made, to be looked at."""
    with scratch_folder(run.workspace, keep=True) as folder:
        reproduce(run, folder, refetch=False, tell=lambda line: None)
    features = ArtifactStore(folder).get(run.outputs["features"])
    assert features.equals(ArtifactStore(run.layout.store).get(run.outputs["features"]))


def test_the_folder_of_a_killed_process_is_removed(run: Run) -> None:
    """By the next one that reproduces here."""
    parent = run.workspace / ".quantflow"
    imports = "import os, sys; from pathlib import Path; from quantflow.review.reproduce import scratch_folder"
    code = f"{imports}\nwith scratch_folder(Path(sys.argv[1]), keep=False): os.kill(os.getpid(), 9)"
    before = set(parent.iterdir())
    subprocess.run([sys.executable, "-c", code, str(run.workspace)], check=False)
    assert len({*parent.iterdir()} - before) == 1
    with scratch_folder(run.workspace, keep=False) as folder:
        assert {*parent.iterdir()} - before == {folder}


def test_a_meta_run_is_reproduced_on_its_sleeves_as_recorded(tmp_path: Path) -> None:
    """Its own stages are executed again on what the sleeves' runs hold now; another result of one is found there."""
    (tmp_path / "quantflow.toml").write_text(META)
    run = ran_meta(tmp_path, "both")
    assert run.state == "completed"
    found = again(run)
    assert found.same
    assert verdicts(found) == {
        **dict.fromkeys(("meta.gather", "meta.aggregation", "meta.optimisation", "meta.flattening"), "same"),
        "meta.validation": "same",
        "meta.report": "not compared",
        "weights.csv": "same",
    }
    sleeves = [sleeve.link.run_id for sleeve in run.sleeves]
    assert list(found.sleeves) == sleeves
    assert [each.id for each in run.parts()] == [*sleeves, run.id]
    one = open_run(tmp_path, sleeves[0])
    record, store = stage(one, "allocation"), ArtifactStore(one.layout.store)
    weights = store.get(one.outputs["weights"])
    outputs = {**record.outputs, "weights": store.put("weights", weights.iloc[::-1].assign(weight=1 / len(weights)))}
    one.write_stage(replace(record, outputs=outputs))
    spoilt = again(run)
    assert (spoilt.first, spoilt.cause[:39]) == ("meta.gather", "data: a sleeve has other results than w")


def test_a_sleeve_that_failed_is_left_out_and_one_that_is_there_twice_is_once(tmp_path: Path) -> None:
    """Of a portfolio that was made without it; the sleeve is named, and the rest is reproduced."""
    partial = 'allow_partial = true\nrenormalise = "proportional"\nsleeves ='
    (tmp_path / "quantflow.toml").write_text(META.replace("sleeves =", partial))
    record = create_run(load_meta("both", workspace=tmp_path), tmp_path, AS_OF)
    steady, few = record.sleeves
    executed(steady.run)
    record.update(failed=[vars(SleeveFailure("few", few.link.run_id, "policy", "no names", "log.txt"))])
    run = executed(record)
    assert run.state == "completed"
    runs, without = parts_of(run)
    assert ([each.id for each in runs], without) == ([steady.link.run_id, record.id], ["few"])
    shown = run_cli("reproduce", record.id, "--sleeves", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "sleeve few is excluded: it failed" in shown.stderr
    record.update(failed=[])
    replace(few.link, run_id=steady.link.run_id).write(record.folder)
    assert [each.id for each in parts_of(run)[0]] == [steady.link.run_id, record.id]


META = """
[profiles.steady]
extends = "demo"
[profiles.steady.data]
start = 2019-01-01
[profiles.steady.validation]
min_history = 504
[profiles.steady.rebalance]
every = "quarterly"
[profiles.few]
extends = "steady"
[profiles.few.policy]
top_n = 1
[meta.both]
sleeves = [{ profile = "steady" }, { profile = "few" }]
"""
