"""Records live for years: those of older versions are read, those of newer ones refused in words."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from quantflow.cli.main import app
from quantflow.data.sealed import SEAL, sealed
from quantflow.errors import NewerRecordError
from quantflow.runs.book import books, current
from quantflow.runs.find import find_run, list_runs
from quantflow.runs.kinds import open_run

FIXTURES = Path(__file__).parents[2] / "fixtures"
VERSIONS = sorted(path.name for path in FIXTURES.iterdir())


@pytest.fixture(scope="module", params=VERSIONS)
def unpacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace that a version left behind."""
    folder = tmp_path_factory.mktemp("kept")
    with tarfile.open(FIXTURES / request.param / "workspace.tar.xz") as archive:
        archive.extractall(folder)
    return folder / "workspace"


@pytest.fixture
def old(unpacked: Path, tmp_path: Path) -> Path:
    """A copy of it, to be written to."""
    return Path(shutil.copytree(unpacked, tmp_path / "workspace", symlinks=True))


def command(home: Path, line: str) -> Any:
    """What a command makes of a workspace: its JSON, or the error that ended it."""
    found = CliRunner().invoke(app, [*line.split(), "-w", str(home)])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    documents = [json.loads(text) for text in found.stdout.splitlines() if text.startswith("{")]
    return documents[-1] if documents else found.output


def test_runs_are_read_with_all_that_they_made(old: Path) -> None:
    """State, settings, stages, and every artifact but the report, which the fixture leaves out."""
    ids = ["first", "portfolio", "portfolio.old", "portfolio.other", "second"]
    assert sorted(run.id for run in list_runs(old, sleeves=True)) == ids
    for name in ids:
        run = open_run(old, name)
        assert run.state == "completed"
        kept = {made for made in run.outputs if made not in ("report", "brief")}
        assert kept
        assert all(run.load(made) is not None for made in kept)
        assert sum(map(abs, run.weights.values())) == pytest.approx(1.0)
    assert books(old) == ["old", "pair"]
    book = current(old, "old")
    assert book is not None
    assert book.run_id == "second"


def test_commands_read_them(old: Path) -> None:
    """``inspect``, ``why``, ``diff``, ``orders`` and ``status`` say of old runs what they said."""
    shown = command(old, "inspect second --json")
    assert (shown["state"], shown["profile"], len(shown["stages"])) == ("completed", "old", 9)
    assert "selected by top_n" in command(old, "why KO second")
    assert command(old, "diff first second --json")["turnover"] == pytest.approx(0.1021, abs=1e-4)
    orders = command(old, f"orders second --holdings {old}/holdings.csv --capital 10000 --json")
    assert [line["symbol"] for line in orders["orders"]] == ["KO", "PEP", "JPM", "XOM"]
    assert "old" in command(old, "status --profile old")
    assert "would remove" in command(old, "gc --keep 0 --dry-run")


@pytest.mark.parametrize("run", ["second", "portfolio"])
def test_a_resume_knows_what_it_can_keep(old: Path, run: str) -> None:
    """What was fetched is kept for good; a stage runs again for a reason that is a change, never for a lost record."""
    plan = {line["stage"]: line["reason"] for line in command(old, f"resume {run} --dry-run --json")["stages"]}
    assert plan.get("ingestion", "complete") == "complete"
    assert set(plan.values()) <= {"complete", "cached", "code_changed", "upstream", "damaged"}
    assert not set(plan.values()) & {"no_record", "incomplete"}


def made_newer(path: Path) -> None:
    """As a newer version would write it: with a larger number, and keys and a seal of its own."""
    found = json.loads(path.read_bytes())
    found.pop(SEAL, None)
    path.write_text(
        json.dumps({**sealed({**found, "schema_version": 2, "kind": "unheard of"}), SEAL: "of another kind"})
    )


@pytest.mark.parametrize(
    "line", ["inspect second", "inspect latest", "resume second", "resume second --dry-run", "status", "gc --keep 0"]
)
def test_a_newer_record_is_refused_in_words(old: Path, line: str) -> None:
    """It is named, with both numbers, what to do, and exit code 30; nothing is removed or written."""
    made_newer(old / "runs" / "second" / "run.json")
    before = sorted(path for path in old.rglob("*"))
    with pytest.raises(NewerRecordError) as caught:
        command(old, line)
    assert caught.value.message == "Run second was written by a newer quantflow (schema 2); this one reads up to 1."
    assert "Upgrade" in str(caught.value.hint)
    assert caught.value.exit_code == 30
    assert sorted(path for path in old.rglob("*") if path.name != "gc.lock") == before


def test_others_are_shown_beside_a_newer_one(old: Path) -> None:
    """The list of runs names it, and older runs are read as before."""
    made_newer(old / "runs" / "second" / "run.json")
    shown = command(old, "inspect")
    assert "unreadable" in shown
    assert "written by a newer quantflow (schema 2)" in shown
    assert find_run(old, "first").state == "completed"


def test_newer_links_and_books_are_refused_too(old: Path) -> None:
    """A newer link is no missing sleeve, and a newer book not none: that would be bought again."""
    made_newer(old / "runs" / "portfolio" / "sleeves" / "old.json")
    with pytest.raises(NewerRecordError, match="The link to sleeve 'old' was written by a newer"):
        _ = open_run(old, "portfolio").sleeves
    book = old / "current" / "old" / "book.json"
    book.write_text(json.dumps({**json.loads(book.read_text()), "schema_version": 2}))
    with pytest.raises(NewerRecordError, match="The book of old was written by a newer"):
        current(old, "old")
