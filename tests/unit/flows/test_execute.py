"""How a flow is called: what it is given, what is cleaned before, and what comes back."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_mock import MockerFixture

from quantflow.config.load import load_meta, load_profile
from quantflow.errors import InfrastructureError
from quantflow.flows import launch as ours
from quantflow.runs.create import create_run
from quantflow.runs.lock import is_owned_here
from quantflow.runs.run import Run
from quantflow.server.server import ApiServer
from recorded import AS_OF, written

SERVER = ApiServer("http://127.0.0.1:9/api", embedded=False, environment={"PREFECT_API_URL": "http://127.0.0.1:9/api"})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A selection run that has been created."""
    return create_run(load_profile("demo", workspace=tmp_path), tmp_path, AS_OF, "one")


@pytest.fixture
def quiet(mocker: MockerFixture) -> None:
    """No watcher, no log: what is looked at is the call."""

    @contextmanager
    def nothing(*arguments: Any) -> Iterator[None]:
        yield

    for name in ("logged", "_watched", "_loaded_settings"):
        mocker.patch.object(ours, name, nothing)


@pytest.mark.usefixtures("quiet")
def test_the_flow_is_called_within_the_runs_lock(run: Run, mocker: MockerFixture) -> None:
    """And what comes back is the run as the flow has left it."""
    owned: list[bool] = []

    def flow(record: Run, tag: str, forced: Any, runner: Any, *, waits: bool) -> None:
        owned.append(is_owned_here(record.folder))
        written(record, {}, {"KO": 1.0})

    mocker.patch.object(ours, "_call_flow", side_effect=flow)
    assert ours.execute(run, SERVER).state == "completed"
    assert owned == [True]
    assert not is_owned_here(run.folder)
    assert [event["event"] for event in run.events()][-1] == "run.completed"


@pytest.mark.usefixtures("quiet")
def test_each_execution_has_a_tag_of_its_own(run: Run, mocker: MockerFixture) -> None:
    """Task runs of an earlier one are not taken for those of this one."""
    call = mocker.patch.object(ours, "_call_flow")
    ours.execute(run, SERVER)
    run.add_flow_run("11111111-1111-1111-1111-111111111111")
    ours.execute(run.again(), SERVER, forced=["report"])
    (first, second) = (each.args for each in call.call_args_list)
    assert first[1] != second[1]
    assert (list(first[2]), list(second[2])) == ([], ["report"])


@pytest.mark.usefixtures("quiet")
def test_what_a_killed_process_left_is_removed_first(run: Run, mocker: MockerFixture) -> None:
    """Unfinished files of the run, its stages, the cache and the store; finished ones stay."""
    mocker.patch.object(ours, "_call_flow")
    folders = [run.folder, run.folder / "stages", Path(run.layout.cache), Path(run.layout.store) / "ab"]
    dead = subprocess.Popen(["true"])
    dead.wait()
    unfinished = f".tmp-{socket.gethostname()}-{dead.pid}-abc"
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "finished.json").write_text("{}")
        (folder / unfinished).touch()
    ours.execute(run, SERVER)
    assert [folder for folder in folders if (folder / unfinished).exists()] == []
    assert all((folder / "finished.json").exists() for folder in folders)


@pytest.mark.usefixtures("quiet")
def test_a_selection_needs_no_workers(run: Run, mocker: MockerFixture) -> None:
    """Those are of a portfolio."""
    workers = mocker.patch.object(ours, "workers_for", return_value=nullcontext("runner"))
    call = mocker.patch.object(ours, "_call_flow")
    ours.execute(run, SERVER)
    assert workers.call_count == 0
    assert call.call_args.args[3] is None


@pytest.mark.usefixtures("quiet")
def test_a_portfolio_gets_its_workers(tmp_path: Path, mocker: MockerFixture) -> None:
    """With the server that they report to, and the tag of their tasks."""
    portfolio = create_run(load_meta("demo_meta", workspace=tmp_path), tmp_path, AS_OF, "m")
    workers = mocker.patch.object(ours, "workers_for", return_value=nullcontext("runner"))
    call = mocker.patch.object(ours, "_call_flow")
    ours.execute(portfolio, SERVER)
    tag = call.call_args.args[1]
    workers.assert_called_once_with(portfolio, SERVER, tag)
    assert call.call_args.args[3] == "runner"


@pytest.mark.usefixtures("quiet")
def test_an_error_of_the_flow_goes_on_and_frees_the_run(run: Run, mocker: MockerFixture) -> None:
    """It can be resumed at once."""
    mocker.patch.object(ours, "_call_flow", side_effect=InfrastructureError("no disk"))
    with pytest.raises(InfrastructureError, match="no disk"):
        ours.execute(run, SERVER)
    assert not is_owned_here(run.folder)
    assert run.again().state == "failed"
    assert (run.again().error or {})["message"] == "no disk"


def test_the_flow_of_the_kind_is_called_with_what_people_look_for(run: Run, mocker: MockerFixture) -> None:
    """Run, profile and session are tags; a task runner makes it the flow of a portfolio."""
    seen: dict[str, Any] = {}

    @contextmanager
    def tags(*names: str) -> Iterator[None]:
        seen["tags"] = names
        yield

    mocker.patch("prefect.tags", tags)
    selection = mocker.patch("quantflow.flows.selection.selection_flow")
    portfolio = mocker.patch("quantflow.flows.meta.meta_flow")
    ours._call_flow(run, "tag", ["report"], None, waits=False)
    selection.assert_called_once_with("demo", "one", str(run.workspace), ["report"])
    assert seen["tags"] == ("tag", "run:one", "profile:demo", f"as-of:{AS_OF}")
    ours._call_flow(run, "tag", [], lambda: SimpleNamespace(name="runner"), waits=False)
    assert portfolio.with_options.call_args.kwargs["task_runner"].name == "runner"
    portfolio.with_options.return_value.assert_called_once_with("demo", "one", str(run.workspace), [])
