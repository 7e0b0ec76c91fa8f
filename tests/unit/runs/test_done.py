"""When a run counts as done, and what is known of that without planning it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from processes import SMALL
from quantflow.config.load import load_meta, load_profile
from quantflow.data import store
from quantflow.pipeline.keys import fingerprint
from quantflow.runs import done
from quantflow.runs.create import create_run, source_of
from quantflow.runs.done import STANDS, find_done, may_be_done, note_standing, same_sleeves
from quantflow.runs.record import StageRecord
from quantflow.runs.run import Run
from ran import AS_OF, ran

PROFILES = """
[profiles.a]
extends = "demo"
[profiles.a.policy]
top_n = {top}
[meta.inner]
sleeves = [{{ profile = "a" }}]
[meta.outer]
sleeves = [{{ profile = "demo" }}, {{ meta = "inner" }}]
"""


@pytest.mark.parametrize("name", ["inner", "outer"])
def test_a_changed_sleeve_is_another_portfolio(name: str, tmp_path: Path) -> None:
    """A setting of a sleeve's profile, at any depth, makes a run of the meta profile differ from what is asked for."""
    settings = tmp_path / "quantflow.toml"
    settings.write_text(PROFILES.format(top=2))
    record = create_run(load_meta(name, workspace=tmp_path), tmp_path, date(2022, 12, 28))
    assert same_sleeves(record, load_meta(name, workspace=tmp_path))
    settings.write_text(PROFILES.format(top=3))
    assert not same_sleeves(record, load_meta(name, workspace=tmp_path))


@pytest.mark.parametrize(
    ("section", "key", "rows"),
    [
        ("universe", "members", ("symbol,from,to\nKO,2010-01-04,\n", "symbol,from,to\nKO,2010-01-04,2020-01-02\n")),
        ("validation", "costs", ("symbol,cost_bps\nKO,2\n", "symbol,cost_bps\nKO,2.5\n")),
    ],
)
def test_another_file_is_other_source_data(section: str, key: str, rows: tuple[str, str], tmp_path: Path) -> None:
    """A night is not done when members or costs have changed since, whatever the provider is."""
    (tmp_path / "quantflow.toml").write_text(
        f'[profiles.a]\nextends = "demo"\n[profiles.a.{section}]\n{key} = "m.csv"\n'
    )
    profile = load_profile("a", workspace=tmp_path)
    assert source_of(load_profile("demo", workspace=tmp_path)) is None
    assert source_of(profile) != source_of(profile), "a file that is not there is never the same"
    (tmp_path / "m.csv").write_text(rows[0])
    before = source_of(profile)
    assert before == source_of(profile)
    (tmp_path / "m.csv").write_text(rows[1])
    assert source_of(profile) != before


@pytest.fixture
def complete(tmp_path: Path) -> Run:
    """A complete run of the demo, all of whose stages a plan would reuse."""
    run = ran(tmp_path)
    report = run.pipeline()[-1]
    mark = fingerprint(report, run.scope, run.settings, run.outputs)
    run.write_stage(StageRecord(report.id, "done", mark.key, mark.json()))
    return run.again()


def found(run: Run, *, at_once: bool, overrides: tuple[str, ...] = SMALL) -> str | None:
    """The run that makes one of the demo unnecessary."""
    demo = load_profile("demo", workspace=run.workspace, overrides=overrides)
    standing = find_done(demo, run.workspace, AS_OF, at_once=at_once)
    return None if standing is None else standing.id


def test_what_was_planned_once_is_known_at_once(complete: Run, mocker: MockerFixture) -> None:
    """The first look plans the run; from then on it is not planned again, nor where that was noted."""
    assert found(complete, at_once=True) is None
    assert found(complete, at_once=False) == complete.id
    mocker.patch.object(Run, "plan", side_effect=AssertionError("planned"))
    assert found(complete, at_once=True) == found(complete, at_once=False) == complete.id
    (complete.folder / STANDS).unlink()
    note_standing(complete.again())
    assert found(complete, at_once=True) == complete.id


@pytest.mark.parametrize(
    "change", ["code", "version", "scorer", "record", "header", "damaged", "missing", "mark", "binary", "plug-in"]
)
def test_what_has_changed_since_is_planned_anew(complete: Run, mocker: MockerFixture, change: str) -> None:
    """Code, packages, records and artifacts: what was noted is of them as they were, and an artifact must be whole."""
    note_standing(complete)
    artifact = Path(complete.store.path(complete.outputs["weights"]))
    match change:
        case "code":
            mocker.patch.object(done, "package_version", return_value="another")
        case "version":
            mocker.patch.object(done, "numeric_versions", return_value=["numpy==0"])
        case "scorer":
            mocker.patch.object(done, "modules_of", return_value=frozenset({"theirs"}))
        case "plug-in":
            mocker.patch.object(done, "specs_of", return_value=("theirs:Stage",))
        case "record":
            path = complete.folder / "stages" / "5-policy.json"
            path.write_text(path.read_text() + " ")
        case "header":
            complete.update(versions={})
        case "damaged":
            artifact.write_bytes(artifact.read_bytes()[:-1])
        case "missing":
            artifact.unlink()
        case "mark":
            (complete.folder / STANDS).write_text("0" * 64)
        case "binary":
            (complete.folder / STANDS).write_bytes(b"\xff")
    mocker.patch.object(store, "_verified", set())  # as in another process
    assert found(complete, at_once=True) is None
    assert found(complete, at_once=False) == (None if change in ("damaged", "missing") else complete.id)


def test_another_question_has_another_answer(complete: Run) -> None:
    """Other settings, or a portfolio by hand, are not what was done; nor is a run that has none of its files."""
    note_standing(complete)
    assert found(complete, at_once=True, overrides=(*SMALL, "policy.top_n=3")) is None
    demo = load_profile("demo", workspace=complete.workspace, overrides=SMALL)
    assert find_done(demo, complete.workspace, date(2022, 12, 27), at_once=True) is None
    (complete.folder / "weights.csv").unlink()
    assert found(complete, at_once=True) is None


def test_where_nothing_can_be_done_already_nothing_is_looked_up(complete: Run) -> None:
    """Of other settings, or another profile, there is no run on any session."""
    home = complete.workspace
    assert may_be_done(load_profile("demo", workspace=home, overrides=SMALL), home)
    assert not may_be_done(load_profile("demo", workspace=home), home)
    assert not may_be_done(load_profile("demo", workspace=home / "elsewhere", overrides=SMALL), home / "elsewhere")
