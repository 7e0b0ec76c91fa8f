"""Every way to start or continue a run owns it while it is executed, and until it is published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from quantflow.cli.run import ended, running
from quantflow.cli.run.start import run_and_show
from quantflow.config.load import load_profile
from quantflow.flows import run as flows
from quantflow.flows import scheduled
from quantflow.flows.deployed import ended as in_prefect
from quantflow.flows.run import run_meta_flow, run_selection_flow
from quantflow.ops.garbage import find_garbage
from quantflow.runs.as_of import AsOf
from quantflow.runs.begin import begun, begun_unless_done, taken_up
from quantflow.runs.find import list_runs
from quantflow.runs.kinds import open_run
from quantflow.runs.lock import owner
from quantflow.runs.run import Run
from quantflow.server import server
from recorded import AS_OF, recorded, written


@pytest.fixture
def moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Take the place of server and flow; return the moments at which the run was owned and ``gc`` would spare it."""
    seen: list[str] = []

    def look(moment: str, record: Run) -> None:
        if owner(record.folder) and not find_garbage(tmp_path, keep=0, older_than=None).runs:
            seen.append(moment)

    @contextmanager
    def no_server(*arguments: Any, **options: Any) -> Iterator[None]:
        yield

    def execute(record: Run, server: None, **options: Any) -> Run:
        look("executed", record)
        written(record, {}, {"KO": 1.0})
        record.event("run.completed")
        return open_run(record.workspace, record.id)

    def publish(run: Run) -> None:
        look("published", run)
        assert run.state == "completed"

    monkeypatch.setattr(server, "api_server", no_server)
    monkeypatch.setattr(flows, "api_server", no_server)
    monkeypatch.setattr(running, "execute", execute)
    monkeypatch.setattr(flows, "execute", execute)
    monkeypatch.setattr(ended, "move_book", publish)
    monkeypatch.setattr(in_prefect, "inherited_server", lambda home: None)
    monkeypatch.setattr(in_prefect, "execute", execute)
    monkeypatch.setattr(in_prefect, "publish", publish)
    return seen


@pytest.mark.parametrize(("call", "profile"), [(run_selection_flow, "demo"), (run_meta_flow, "demo_meta")])
def test_the_entry_points_own_what_they_run(
    call: Callable[..., Run], profile: str, moments: list[str], tmp_path: Path
) -> None:
    """A new run, and one that is continued; what they return is what the run did, and nobody owns it any more."""
    for _ in range(2):
        assert call(profile, "one", as_of=AS_OF, workspace=tmp_path).state == "completed"
    assert moments == ["executed", "executed"]
    assert owner(tmp_path / "runs" / "one") is None


@pytest.mark.parametrize("way", ["begun", "begun_unless_done", "taken_up"])
def test_the_commands_own_a_run_until_it_is_published(way: str, moments: list[str], tmp_path: Path) -> None:
    """``select``, ``meta``, ``resume`` and ``catchup``, whichever way they come to their run."""
    demo = load_profile("demo", workspace=tmp_path)
    if way == "begun":
        run_and_show(tmp_path, lambda: begun(demo, tmp_path, AsOf(AS_OF)), "none")
    elif way == "begun_unless_done":
        run_and_show(tmp_path, lambda: begun_unless_done(demo, tmp_path, AsOf(AS_OF)), "none")
    else:
        record = recorded(tmp_path, {}, {"KO": 1.0})
        run_and_show(tmp_path, lambda: taken_up(record), "none")
    assert moments == ["executed", "published"]
    (run,) = list_runs(tmp_path)
    assert owner(run.folder) is None


def test_a_run_is_published_when_nobody_reads_its_result(
    moments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``quantflow select | head -1`` leaves a book as any other ``select`` does."""

    def closed(run: Run, mode: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(running, "_show", closed)
    demo = load_profile("demo", workspace=tmp_path)
    with pytest.raises(BrokenPipeError):
        run_and_show(tmp_path, lambda: begun(demo, tmp_path, AsOf(AS_OF)), "none")
    assert moments == ["executed", "published"]


def test_a_scheduled_run_is_owned_until_it_is_published(
    moments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``serve`` follows the rules of ``select``."""
    monkeypatch.setattr(scheduled, "resolve_as_of", lambda profile, asked: AsOf(AS_OF))
    assert scheduled._run(tmp_path, "demo").name == "Completed"
    assert moments == ["executed", "published"]
