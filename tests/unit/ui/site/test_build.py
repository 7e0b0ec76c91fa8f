"""Writing the page: once per run, nothing that is left over, and never a crash for a damaged run."""

from __future__ import annotations

import json
import shutil
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quantflow.errors import ConfigError, Interrupted
from quantflow.review.why.path import path_of
from quantflow.runs.find import find_run
from quantflow.runs.lock import owned
from quantflow.runs.run import Run
from quantflow.ui.site.build import MARK, build
from ran import ran
from recorded import Name, created, recorded
from sited import HOSTILE, copies, damaged, failed, handed_over, hostile, unreadable
from swept import done, sweep

KO = {"KO": Name([59.0, 60.0])}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A complete run of the demo and its page, in a workspace of their own."""
    home = tmp_path_factory.mktemp("small")
    run = ran(home)
    build(home, home / "site")
    return run


def rows(home: Path) -> dict[str, Any]:
    """The rows of a page by id, in its order."""
    return {row["id"]: row for row in handed_over(home / "site", "index")["rows"]}


def test_a_run_is_written_once(tmp_path: Path) -> None:
    """The second time nothing is; a new run is written alone, and the others' files keep their time."""
    first = recorded(tmp_path, KO, {"KO": 0.5})
    assert build(tmp_path, tmp_path / "site").written == 1
    file = tmp_path / "site" / "data" / "runs" / f"{first.id}.js"
    before = file.stat().st_mtime_ns
    assert build(tmp_path, tmp_path / "site").written == 0
    second = recorded(tmp_path, KO, {"KO": 0.4})
    built = build(tmp_path, tmp_path / "site")
    assert (built.runs, built.written) == (2, 1)
    assert list(rows(tmp_path)) == [second.id, first.id]
    assert file.stat().st_mtime_ns == before


def test_what_was_written_before_a_signal_stays(tmp_path: Path) -> None:
    """The next time only the rest is written."""
    for weight in (0.5, 0.4, 0.3):
        recorded(tmp_path, KO, {"KO": weight})

    def tell(line: str) -> None:
        if line.startswith("3 of"):
            raise Interrupted(2)

    with pytest.raises(Interrupted):
        build(tmp_path, tmp_path / "site", tell)
    built = build(tmp_path, tmp_path / "site")
    assert (built.runs, built.written) == (3, 1)


def test_a_file_that_was_taken_away_is_written_again(tmp_path: Path) -> None:
    """Also where nothing else has changed."""
    run = recorded(tmp_path, KO, {"KO": 0.5})
    build(tmp_path, tmp_path / "site")
    (tmp_path / "site" / "data" / "runs" / f"{run.id}.js").unlink()
    assert build(tmp_path, tmp_path / "site").written == 1


def test_a_run_that_goes_on_is_written_again(tmp_path: Path) -> None:
    """While it is at work, and once more when its owner has ended."""
    run = created(tmp_path, "one")
    with owned(run.folder):
        build(tmp_path, tmp_path / "site")
        assert rows(tmp_path)["one"]["state"] == "running"
    build(tmp_path, tmp_path / "site")
    assert rows(tmp_path)["one"]["state"] == "interrupted"


def test_removed_runs_leave_nothing(tmp_path: Path) -> None:
    """Neither a row, nor a file, nor a place in what is about all runs."""
    gone, stays = (recorded(tmp_path, KO, {"KO": weight}) for weight in (0.5, 0.4))
    build(tmp_path, tmp_path / "site")
    shutil.rmtree(gone.folder)
    build(tmp_path, tmp_path / "site")
    texts = [path.read_text() for path in (tmp_path / "site" / "data").rglob("*.js")]
    assert [text for text in texts if gone.id in text] == []
    assert [path.stem for path in (tmp_path / "site" / "data" / "runs").iterdir()] == [stays.id]


def test_a_damaged_run_is_one_row_that_says_so(tmp_path: Path) -> None:
    """The others are shown as ever."""
    good, bad, torn = recorded(tmp_path, KO, {"KO": 0.5}).id, damaged(tmp_path).id, unreadable(tmp_path)
    build(tmp_path, tmp_path / "site")
    found = rows(tmp_path)
    assert found[good]["state"] == "completed"
    assert "damaged" in found[bad]["reason"]
    assert found[bad]["profile"] == "demo"
    assert found[torn]["state"] == "unreadable"
    assert handed_over(tmp_path / "site", f"runs/{torn}")["id"] == torn


def test_a_failed_run_says_why(tmp_path: Path) -> None:
    """The message of the stage that failed is in its row, and hint and type in its file."""
    run = failed(tmp_path, "No prices.")
    build(tmp_path, tmp_path / "site")
    assert rows(tmp_path)[run.id]["reason"] == "ingestion: No prices."
    assert handed_over(tmp_path / "site", f"runs/{run.id}")["error"]["hint"] == "Fix it."


def test_hostile_texts_are_data(tmp_path: Path) -> None:
    """A profile and a symbol that are markup are handed over letter by letter."""
    run = hostile(tmp_path)
    build(tmp_path, tmp_path / "site")
    assert rows(tmp_path)[run.id]["profile"] == HOSTILE
    assert handed_over(tmp_path / "site", "names")[0][3][0][0] == HOSTILE


def test_an_empty_workspace_has_a_page(tmp_path: Path) -> None:
    """With no rows, which says what to run first."""
    assert build(tmp_path, tmp_path / "site").runs == 0
    assert handed_over(tmp_path / "site", "index")["rows"] == []


def test_the_page_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Its folders and files, as all of a workspace."""
    recorded(tmp_path, KO, {"KO": 0.5})
    build(tmp_path, tmp_path / "site")
    paths = [tmp_path / "site", *(tmp_path / "site").rglob("*")]
    assert len(paths) > 20
    assert [path for path in paths if path.stat().st_mode & 0o077] == []


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    """Nothing in it is touched; an empty one is taken."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(ConfigError, match="not empty"):
        build(tmp_path, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]
    (tmp_path / "empty").mkdir()
    assert build(tmp_path, tmp_path / "empty").page.is_file()


def test_another_version_writes_all_again(tmp_path: Path) -> None:
    """What was found by another quantflow is not trusted, nor is a mark that cannot be read."""
    recorded(tmp_path, KO, {"KO": 0.5})
    build(tmp_path, tmp_path / "site")
    mark = tmp_path / "site" / MARK
    mark.write_text(json.dumps({**json.loads(mark.read_text()), "version": "another"}))
    assert build(tmp_path, tmp_path / "site").written == 1
    mark.write_text("[")
    assert build(tmp_path, tmp_path / "site").written == 1


def test_the_page_says_what_the_run_says(small: Run) -> None:
    """Row, figures, weights and curve are those of the artifacts."""
    page = small.workspace / "site"
    row, found = rows(small.workspace)[small.id], handed_over(page, f"runs/{small.id}")
    strategy = small.load("metrics")["strategy"]
    assert {name: row[name] for name in ("sharpe", "volatility", "max_drawdown")} == {
        name: strategy[name] for name in ("sharpe", "volatility", "max_drawdown")
    }
    assert found["figures"][0]["sharpe_low"] == strategy["sharpe_low"]
    assert {each["symbol"]: each["weight"] for each in found["weights"]} == small.weights
    net = small.load("oos_returns")["net"]
    assert len(found["curve"]["dates"]) == len(net)
    np.testing.assert_allclose(found["curve"]["series"]["strategy"], (1 + net).cumprod(), rtol=1e-5)


def test_why_is_as_the_command_says(small: Run) -> None:
    """The same sentences for each name that is held, what would have altered the outcome included."""
    found = handed_over(small.workspace / "site", f"runs/{small.id}")["why"]
    assert set(small.weights) <= set(found)
    for name in list(small.weights)[:2]:
        path = path_of(small, name)
        assert [step[1] for step in found[name]["steps"]] == [step.outcome for step in path.steps]
        assert found[name]["changes"] == [claim.says for claim in path.changes[:4]]


def test_lineage_leads_both_ways(small: Run) -> None:
    """What a stage read is what another made, but for what was fetched."""
    ((run_id, stages),) = handed_over(small.workspace / "site", "lineage")
    made = {sha: name for stage in stages for name, sha in stage[2].items()}
    assert run_id == small.id
    assert made[small.outputs["weights"].sha256] == "weights"
    policy = next(stage for stage in stages if stage[0] == "policy")
    assert {made[sha] for sha in policy[3].values()} == {"features", "scores", "clusters", "instruments"}


def test_what_a_trial_made_has_a_lineage(tmp_path: Path) -> None:
    """The trials of a sweep are like stages of it."""
    run = sweep(tmp_path)
    outputs = done(run, run.trials[0]).outputs
    build(tmp_path, tmp_path / "site")
    assert handed_over(tmp_path / "site", "lineage") == [
        [run.id, [["trial 1", False, {name: ref.sha256 for name, ref in outputs.items()}, {}]]]
    ]


def test_what_changed_is_worked_out_for_the_newest(small: Run, tmp_path: Path) -> None:
    """It is what diff says; and for these alone what would have altered the outcome for each name."""
    home = tmp_path / "home"
    shutil.copytree(small.workspace, home, ignore=shutil.ignore_patterns("site"))
    copies(home, find_run(home, small.id), 5)
    build(home, home / "site")
    changes = handed_over(home / "site", "index")["changes"]
    assert changes == {f"copy-{n:04d}": f"copy-{n - 1:04d}" for n in (2, 3, 4)}
    found = handed_over(home / "site", "changes/copy-0004")
    assert (found["before"], found["turnover"], found["weights"]) == ("copy-0003", 0.0, {})
    ways = {name: handed_over(home / "site", f"runs/{name}")["why"]["KO"] for name in ("copy-0001", "copy-0004")}
    assert ways["copy-0001"]["steps"] == ways["copy-0004"]["steps"]
    assert ways["copy-0001"]["changes"] == []
    assert "It would drop out if" in ways["copy-0004"]["changes"][0]


def test_hundreds_of_runs_are_looked_through_in_a_moment(small: Run, tmp_path: Path) -> None:
    """When nothing has changed: a second for a thousand, and room for a slow machine."""
    home = tmp_path / "home"
    (home / "runs").mkdir(parents=True)
    run = created(home, "one")
    copies(home, run, 300)
    build(home, home / "site")
    start = time.monotonic()
    assert build(home, home / "site").written == 0
    assert time.monotonic() - start < 5


def test_the_age_of_data_is_in_sessions(small: Run) -> None:
    """Since the run's session, where no book is published."""
    (found,) = handed_over(small.workspace / "site", "index")["profiles"]
    assert (found["name"], found["book"], found["last"]) == ("demo", None, small.id)
    assert found["age"] > 200 * (date.today() - small.as_of).days / 365
