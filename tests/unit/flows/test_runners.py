"""Who runs the sleeves: the choice between Ray and processes, and how Ray is let go of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from prefect.task_runners import ProcessPoolTaskRunner
from prefect_ray import RayTaskRunner
from pytest_mock import MockerFixture

from quantflow.config.load import load_meta
from quantflow.errors import InfrastructureError
from quantflow.execution.ray import Cluster
from quantflow.flows import runners as ours
from quantflow.runs.create import create_run
from quantflow.runs.run import Run
from quantflow.server.server import ApiServer

EMBEDDED = ApiServer("http://127.0.0.1:1/api", embedded=True, environment={})
ELSEWHERE = ApiServer("https://prefect.example/api", embedded=False, environment={})
BROKEN = InfrastructureError("Ray on this machine cannot be used: no room.")


def meta(workspace: Path, *overrides: str) -> Run:
    loaded = load_meta("demo_meta", workspace=workspace, overrides=overrides)
    return create_run(loaded, workspace, date(2022, 12, 28), "m")


class Rays:
    """Stands for the Ray that would be started or joined."""

    def __init__(self, mocker: MockerFixture, found: Cluster | Exception, *, machines: bool = False) -> None:
        self.found, self.begun, self.left = found, 0, False
        mocker.patch.object(ours.ray_cluster, "cluster", self.cluster)
        mocker.patch.object(ours.ray_cluster, "warm")
        mocker.patch.object(ours.ray_cluster, "spans_machines", return_value=machines)
        self.compared = mocker.patch.object(ours, "refuse_unfit_nodes")

    @contextmanager
    def cluster(self, *_: Any) -> Iterator[Cluster]:
        """Begin, and note when it is left."""
        self.begun += 1
        if isinstance(self.found, Exception):
            raise self.found
        yield self.found
        self.left = True


@pytest.mark.parametrize("runner", ["auto", "ray"])
def test_a_ray_that_comes_up_runs_them(runner: str, tmp_path: Path, mocker: MockerFixture) -> None:
    """It is left with the block; its code is this process's, and need not be asked."""
    rays = Rays(mocker, Cluster(2, started=True))
    with ours.workers_for(meta(tmp_path, f"meta.execution.runner={runner}"), EMBEDDED, "t") as task_runner:
        assert isinstance(task_runner(), RayTaskRunner)
        assert not rays.left
    assert rays.left
    rays.compared.assert_not_called()


def test_processes_run_them_where_no_ray_is_wanted(tmp_path: Path, mocker: MockerFixture) -> None:
    """And none is started."""
    rays = Rays(mocker, BROKEN)
    with ours.workers_for(meta(tmp_path, "meta.execution.runner=local"), EMBEDDED, "t") as task_runner:
        assert isinstance(task_runner(), ProcessPoolTaskRunner)
    assert rays.begun == 0


def test_with_auto_processes_take_the_place_of_a_ray_that_does_not_come_up(
    tmp_path: Path, mocker: MockerFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says so, and the run's events."""
    Rays(mocker, BROKEN)
    record = meta(tmp_path)
    with ours.workers_for(record, EMBEDDED, "t") as task_runner:
        assert isinstance(task_runner(), ProcessPoolTaskRunner)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"warning: {BROKEN.message} The work is done in processes of this machine instead."
    assert [e["message"] for e in record.events() if e["event"] == "ray.replaced"] == [BROKEN.message]


@pytest.mark.parametrize("overrides", [["meta.execution.runner=ray"], ['meta.execution.ray_address="h:1"']])
def test_who_insists_on_a_ray_gets_its_error(overrides: list[str], tmp_path: Path, mocker: MockerFixture) -> None:
    """Whoever names a cluster wants that one."""
    Rays(mocker, BROKEN)
    with (
        ours.workers_for(meta(tmp_path, *overrides), EMBEDDED, "t") as task_runner,
        pytest.raises(InfrastructureError, match="no room"),
    ):
        task_runner()


def test_a_cluster_that_was_joined_is_compared(tmp_path: Path, mocker: MockerFixture) -> None:
    """Its workers may have other code."""
    rays = Rays(mocker, Cluster(2))
    record = meta(tmp_path, 'meta.execution.ray_address="h:1"')
    with ours.workers_for(record, ELSEWHERE, "t") as task_runner:
        task_runner()
    rays.compared.assert_called_once_with(record)


def test_other_machines_need_a_server_that_they_reach(tmp_path: Path, mocker: MockerFixture) -> None:
    """The workspace's own listens on loopback alone."""
    Rays(mocker, Cluster(2), machines=True)
    record = meta(tmp_path, 'meta.execution.ray_address="h:1"')
    with (
        ours.workers_for(record, EMBEDDED, "t") as task_runner,
        pytest.raises(InfrastructureError, match="own API server"),
    ):
        task_runner()
    with ours.workers_for(record, ELSEWHERE, "t") as task_runner:
        assert isinstance(task_runner(), RayTaskRunner)


def test_ray_is_let_go_of_once_its_last_words_have_arrived(tmp_path: Path, mocker: MockerFixture) -> None:
    """While the block goes on; what the API has heard by then is asked for by the names of the sleeves."""
    rays = Rays(mocker, Cluster(2, started=True))
    asked = mocker.patch("quantflow.flows.watch.settle")
    with ours.workers_for(meta(tmp_path), EMBEDDED, "tag") as task_runner:
        task_runner()
        ours.stop_workers()
        until = time.monotonic() + 5
        while not rays.left and time.monotonic() < until:
            time.sleep(0.01)
        assert rays.left
    (tag, names), _ = asked.call_args
    assert tag == "tag"
    assert names == {f"sleeve {name}" for name in ("demo", "demo_momentum", "demo_low_vol", "demo_steady")}
