"""The flows as deployments: run by a worker of a process pool, cancelled, killed, retried, served."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from processes import run_cli
from quantflow.runs.find import list_runs
from quantflow.runs.run import Run
from team_server import Team

ROOT = Path(__file__).parents[2]
HALTING = '''
import time
from pathlib import Path

import pandas as pd

from quantflow import BasePipelineStage, Kind, StageConfig


class Halting(BasePipelineStage[StageConfig]):
    """Sleeps or fails as a file beside this module says."""

    id = "halting"
    kind = Kind.COMPUTE
    needs = ("features",)
    makes = ("halted",)
    Config = StageConfig

    def run(self, inputs, config):
        here = Path(__file__).parent
        (here / "begun").touch()
        order = (here / "order").read_text()
        if order == "sleep":
            time.sleep(120)
        if order == "fail":
            raise ValueError("as ordered")
        return {"halted": pd.DataFrame({"x": [1.0]})}
'''
PROFILES = """
[profiles.demo]
data = { start = 2017-01-01 }
validation = { min_history = 504 }
rebalance = { every = "quarterly" }
[profiles.halts]
extends = "demo"
stages = ["halting:Halting"]
"""


def until(what: Callable[[], Any], seconds: float = 120) -> Any:
    """Wait for a true value."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.2)
    return found


class Desk:
    """A team's deployments, and the workspace in which they run.

    Args:
        team: The server.
        home: The workspace.
    """

    def __init__(self, team: Team, home: Path) -> None:
        self.team, self.home = team, home

    def run(self, deployment: str, *words: str, **parameters: Any) -> str:
        """Start a run of a deployment; return the flow run's id."""
        given = [f"--param={name}={json.dumps(value)}" for name, value in parameters.items()]
        said = self.team.prefect("deployment", "run", deployment, *given, *words)
        return said.partition("UUID: ")[2].split()[0]

    def state(self, flow_run: str) -> dict[str, Any]:
        """The state of a flow run."""
        with self.team.client() as client:
            return dict(client.get(f"/flow_runs/{flow_run}").raise_for_status().json()["state"])

    def ended(self, flow_run: str) -> tuple[str, str]:
        """Name and message of the state in which a flow run ends."""
        kinds = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        until(lambda: self.state(flow_run)["type"] in kinds)
        state = self.state(flow_run)
        return state["name"], state["message"]

    def own(self, flow_run: str) -> Run:
        """The one run of a flow run."""
        (found,) = [run for run in list_runs(self.home) if run.id.endswith(flow_run.replace("-", "")[-8:])]
        return found

    def crashes(self) -> int:
        """How many processes the worker itself has seen killed; its runner reports each some seconds earlier."""
        return (self.home / "worker.log").read_text().count("flow_runs.worker - Check whether the flow run exceeded")

    def order(self, what: str) -> None:
        """Say what the stage ``halting`` does from now on."""
        (self.home / "begun").unlink(missing_ok=True)
        (self.home / "order").write_text(what)

    def begun(self) -> None:
        """Wait until that stage has begun."""
        until((self.home / "begun").exists)


def _take_signals() -> None:
    """A worker ends by SIGINT, which a shell has its background jobs ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="module")
def desk(team: Team, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """``deploy/prefect.yaml`` deployed to a process pool, and a worker of it."""
    home = tmp_path_factory.mktemp("desk")
    (home / "quantflow.toml").write_text(PROFILES)
    (home / "halting.py").write_text(HALTING)
    team.prefect("work-pool", "create", "quantflow", "--type", "process")
    file = str(ROOT / "deploy" / "prefect.yaml")
    os.environ["WORKSPACE"] = str(home)
    try:
        team.prefect("deploy", "--all", "--prefect-file", file, cwd=ROOT)
    finally:
        del os.environ["WORKSPACE"]
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "quantflow", "--type", "process"]
    with (home / "worker.log").open("w") as log:
        worker = subprocess.Popen(
            command, env=team.environment, cwd=home, stdout=log, stderr=log, preexec_fn=_take_signals
        )
    try:
        yield Desk(team, home)
    finally:
        worker.send_signal(signal.SIGINT)
        worker.wait(60)


def test_a_worker_runs_what_select_runs(desk: Desk, workspace: Path) -> None:
    """The run has the record, the book and the bytes that ``quantflow select`` makes; the next finds it done."""
    flow_run = desk.run("quantflow-select/demo")
    name, message = desk.ended(flow_run)
    run = desk.own(flow_run)
    assert (name, message) == ("Completed", f"{run.id} is complete")
    assert run.id.startswith(f"{run.as_of:%Y%m%d}-demo-")
    (workspace / "quantflow.toml").write_text(PROFILES)
    assert run_cli("select", "--profile", "demo", "--run-id", "same", cwd=workspace).returncode == 0
    weights = (run.folder / "weights.csv").read_bytes()
    assert weights == (workspace / "runs" / "same" / "weights.csv").read_bytes()
    assert weights == (desk.home / "current" / "demo" / "weights.csv").read_bytes()
    assert desk.ended(desk.run("quantflow-select/demo")) == (
        "AlreadyDone",
        f"already done: {run.id} (as-of {run.as_of})",
    )


def test_what_cannot_run_is_a_failed_flow_run_with_the_exit_code(desk: Desk) -> None:
    """Its message is what the command line says."""
    name, message = desk.ended(desk.run("quantflow-select/demo", profile="demi"))
    assert name == "Failed"
    assert message.startswith("exit code 2: No profile named 'demi'. Did you mean 'demo'?")


def test_a_cancelled_run_is_interrupted_and_continued(desk: Desk) -> None:
    """``prefect flow-run cancel``; then ``quantflow resume``, which keeps what is complete."""
    desk.order("sleep")
    flow_run = desk.run("quantflow-select/demo", profile="halts", force=True)
    desk.begun()
    desk.team.prefect("flow-run", "cancel", flow_run)
    assert desk.ended(flow_run)[0] == "Cancelled"
    run = desk.own(flow_run)
    assert run.state == "interrupted"
    desk.order("go")
    resumed = run_cli("resume", run.id, cwd=desk.home)
    assert resumed.returncode == 0, resumed.stderr
    assert "keep  ingestion, features" in resumed.stderr


def test_a_killed_run_that_prefect_starts_again_continues_itself(desk: Desk) -> None:
    """The worker reports the crash; ``prefect flow-run retry`` continues the same run, and starts no second one."""
    desk.order("sleep")
    flow_run = desk.run("quantflow-select/demo", profile="halts", force=True)
    desk.begun()
    seen = desk.crashes()
    os.kill(int(json.loads((desk.own(flow_run).folder / "lock").read_text())["pid"]), signal.SIGKILL)
    assert desk.ended(flow_run)[0] == "Crashed"
    until(lambda: desk.crashes() > seen)  # a retry before its second report is lost
    desk.order("go")
    desk.team.prefect("flow-run", "retry", flow_run)
    until(lambda: desk.state(flow_run)["type"] in ("COMPLETED", "FAILED"))
    run = desk.own(flow_run)
    assert (run.state, desk.state(flow_run)["message"]) == ("completed", f"{run.id} is complete")
    assert [event["event"] for event in run.events()].count("run.started") == 2


def test_a_run_that_fails_is_retried_by_prefect_as_the_same_run(desk: Desk) -> None:
    """With ``PREFECT_FLOWS_DEFAULT_RETRIES`` in the pool's or the deployment's environment."""
    desk.order("fail")
    retries = {"PREFECT_FLOWS_DEFAULT_RETRIES": "1", "PREFECT_FLOWS_DEFAULT_RETRY_DELAY_SECONDS": "4"}
    variables = f"--job-variable=env={json.dumps(retries)}"
    flow_run = desk.run("quantflow-select/demo", variables, profile="halts", force=True)
    until(lambda: desk.state(flow_run)["name"] == "AwaitingRetry")
    assert desk.own(flow_run).state == "failed"
    desk.order("go")
    assert desk.ended(flow_run)[0] == "Completed"
    assert desk.own(flow_run).state == "completed"


def test_a_run_that_its_machine_gives_up_is_started_elsewhere(desk: Desk) -> None:
    """A Kubernetes Job whose pod is evicted: SIGTERM, and ``PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR=reschedule``."""
    desk.order("sleep")
    desk.team.prefect("work-pool", "create", "pods", "--type", "process")  # without a worker: its part is played here
    words = ("--name=pods", "--pool=pods", "--param=profile=halts", f"--param=workspace={desk.home}")
    entrypoint = "quantflow.flows.deployed.flows:select"
    desk.team.prefect("deploy", entrypoint, *words, cwd=desk.home)
    flow_run = desk.run("quantflow-select/pods", force=True)
    environment = {
        **desk.team.environment,
        "PREFECT__FLOW_RUN_ID": flow_run,
        "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR": "reschedule",
    }
    command = [sys.executable, "-m", "prefect", "flow-run", "execute"]
    pod = subprocess.Popen(
        command, env=environment, cwd=desk.home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    desk.begun()
    pod.terminate()
    pod.wait(60)
    assert (desk.own(flow_run).state, desk.state(flow_run)["name"]) == ("interrupted", "AwaitingRetry")
    desk.order("go")
    subprocess.run(command, env=environment, cwd=desk.home, capture_output=True, timeout=120, check=True)
    assert desk.state(flow_run)["name"] == "Completed"
    assert desk.own(flow_run).state == "completed"


def test_a_portfolio_runs_as_a_deployment(desk: Desk) -> None:
    """Its sleeves in processes of the worker's machine."""
    flow_run = desk.run("quantflow-meta/demo_meta", overrides=["rebalance.every=quarterly"])
    assert desk.ended(flow_run)[0] == "Completed", desk.state(flow_run)
    assert len(desk.own(flow_run).sleeves) == 4


def test_an_automation_starts_a_crashed_run_again(desk: Desk, tmp_path: Path) -> None:
    """``deploy/automations/restart-crashed.yaml``: nobody has to look; Prefect also hears of the new book."""
    written = (ROOT / "deploy" / "automations" / "restart-crashed.yaml").read_text()
    file = tmp_path / "soon.yaml"
    file.write_text(written.replace("within: 60", "within: 15"))
    desk.team.prefect("automation", "create", "--from-file", str(file))
    desk.order("sleep")
    flow_run = desk.run("quantflow-select/demo", profile="halts", force=True)
    desk.begun()
    process = int(json.loads((desk.own(flow_run).folder / "lock").read_text())["pid"])
    desk.order("go")
    os.kill(process, signal.SIGKILL)
    until(lambda: desk.state(flow_run)["type"] == "COMPLETED")
    assert desk.own(flow_run).state == "completed"
    with desk.team.client() as client:
        wanted = {"filter": {"event": {"name": ["quantflow.book.published"]}}}
        found = until(lambda: client.post("/events/filter", json=wanted).raise_for_status().json()["events"])
    assert {event["resource"]["prefect.resource.id"] for event in found} >= {"quantflow.book.halts"}
    desk.team.prefect("automation", "delete", "quantflow restart crashed")


DEPLOYED = """
import sys

from prefect.types.entrypoint import EntrypointType
from quantflow.flows.deployed.flows import select

select.deploy(
    "by-program", work_pool_name="quantflow", parameters={"profile": "demo", "workspace": sys.argv[1]},
    entrypoint_type=EntrypointType.MODULE_PATH, build=False, push=False,
)
"""


def test_a_program_deploys_a_flow(desk: Desk) -> None:
    """``select.deploy``, as documented."""
    environment, command = desk.team.environment, [sys.executable, "-c", DEPLOYED, str(desk.home)]
    subprocess.run(command, env=environment, cwd=desk.home, check=True, capture_output=True, timeout=120)
    assert desk.ended(desk.run("quantflow-select/by-program", as_of="2022-12-27"))[0] == "Completed"


def test_a_flow_is_served_by_a_command(desk: Desk) -> None:
    """``prefect flow serve`` with the flow's module, without a pool or a worker."""
    command = [sys.executable, "-m", "prefect", "flow", "serve", "quantflow.flows.deployed.flows:select"]
    with subprocess.Popen(
        [*command, "--name", "served"], env=desk.team.environment, cwd=desk.home, stdout=subprocess.PIPE, text=True
    ) as serving:
        try:
            assert serving.stdout is not None
            next(line for line in serving.stdout if "polling" in line.lower())
            flow_run = desk.run("quantflow-select/served", profile="demo", as_of="2022-12-23")
            assert desk.ended(flow_run)[0] == "Completed"
        finally:
            serving.terminate()
            serving.communicate(timeout=60)


def test_a_kubernetes_pool_takes_its_template_and_deployments(team: Team) -> None:
    """As documented; the server checks variables and parameters by their schemas."""
    files = ROOT / "deploy" / "kubernetes"
    template = ("--base-job-template", str(files / "job-template.json"))
    team.prefect("work-pool", "create", "quantflow-kubernetes", "--type", "kubernetes", *template)
    team.prefect("deploy", "--all", "--prefect-file", str(files / "prefect.yaml"), cwd=ROOT)
    with team.client() as client:
        wanted = {"work_pools": {"name": {"any_": ["quantflow-kubernetes"]}}}
        found = client.post("/deployments/filter", json=wanted).raise_for_status().json()
    assert {each["name"] for each in found} == {"demo-kubernetes", "demo_meta-kubernetes"}
    assert all(each["job_variables"]["image"] == "quantflow:0.1.0" for each in found)
