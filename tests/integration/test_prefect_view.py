"""What a team with a shared API server sees of runs: tags, and artifacts that say what the run's own files say."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from processes import api_of, bare_environment, shown_to
from quantflow.config.load import load_profile
from quantflow.flows.launch import execute
from quantflow.runs.as_of import resolve_as_of
from quantflow.runs.create import create_run
from quantflow.runs.kinds import open_run
from quantflow.runs.record import RunRecord
from quantflow.server.server import ApiServer

PROFILES = """
[profiles.one]
extends = "demo"
data = { start = 2018-01-01 }
validation = { min_history = 504 }
rebalance = { every = "quarterly" }
[profiles.two]
extends = "one"
policy = { top_n = 1 }
[meta.a_pair]
sleeves = [{ profile = "one" }, { profile = "two" }]
execution = { runner = "local" }
"""


def of(server: ApiServer, what: str, record: RunRecord) -> list[dict[str, Any]]:
    """The artifacts of a run's last flow run, or that flow run."""
    wanted = {"any_": open_run(record.workspace, record.id).header.flow_runs[-1:]}
    body = {what: {"flow_run_id" if what == "artifacts" else "id": wanted}}
    with api_of(server) as client:
        answer = client.post(f"/{what}/filter", json=body)
    answer.raise_for_status()
    return list(answer.json())


def tables(server: ApiServer, record: RunRecord) -> dict[str, Any]:
    """The contents of a run's artifacts, by key."""
    found = of(server, "artifacts", record)
    return {each["key"]: json.loads(each["data"]) if each["type"] == "table" else each["data"] for each in found}


def net(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {row["symbol"]: row["weight"] for row in rows}


def csv(record: RunRecord) -> dict[str, float]:
    return dict(pd.read_csv(record.folder / "weights.csv", index_col="symbol")["weight"])


def client_of(port: int, **options: Any) -> SyncPrefectClient:
    """Prefect's own client, of the API server at another port."""
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
        return get_client(**options)


@pytest.fixture(scope="module")
def pair(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a complete meta run."""
    home = tmp_path_factory.mktemp("pair")
    (home / "quantflow.toml").write_text(PROFILES)
    command = [sys.executable, "-m", "quantflow", "meta", "-m", "a_pair", "--run-id", "both", "--no-progress"]
    httpx.get(f"{server.url}/health", timeout=60).raise_for_status()  # it may still be starting
    environment = {**bare_environment(), **shown_to(server), "PREFECT_HOME": os.environ["PREFECT_HOME"]}
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return home


def test_a_meta_runs_artifacts_are_its_sleeves_and_net_weights(pair: Path, server: ApiServer) -> None:
    """The net weights are those of weights.csv, to the bit; a sleeve's run has its own, under keys of its own."""
    record = RunRecord(pair, "both")
    found = tables(server, record)
    assert {"a-pair-weights", "a-pair-report"} == set(found)
    assert net(found["a-pair-weights"]) == pytest.approx(csv(record), abs=0, rel=1e-15)
    sleeves = re.findall(r"^\| (\w+) \| [\d.]+% \|.* both\.\1 \|$", found["a-pair-report"], re.MULTILINE)
    assert sleeves == ["one", "two"]
    for row in found["a-pair-weights"]:
        assert sum(row[name] or 0 for name in ("one", "two")) == pytest.approx(row["weight"], abs=1e-12)
    sleeve = RunRecord(pair, "both.two")
    below = tables(server, sleeve)
    assert net(below["a-pair-sleeve-two-weights"]) == pytest.approx(csv(sleeve), abs=0, rel=1e-15)


def test_runs_and_sleeves_carry_their_names_as_tags(pair: Path, server: ApiServer) -> None:
    """A flow run has the run's name, and is found by run, profile and as-of; a sleeve's also by the sleeve."""
    as_of = f"as-of:{open_run(pair, 'both').as_of}"
    (whole,) = of(server, "flow_runs", RunRecord(pair, "both"))
    assert whole["name"] == "both"
    assert {"run:both", "profile:a_pair", as_of} <= set(whole["tags"])
    (part,) = of(server, "flow_runs", RunRecord(pair, "both.two"))
    assert part["name"] == "both.two"
    assert {"run:both.two", "profile:two", "sleeve:two", as_of} <= set(part["tags"])


def test_a_profiles_runs_line_up_and_a_server_that_does_not_answer_costs_nothing_else(
    pair: Path, server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same keys with each run and each resume: weights with their why, the report with its figures and address."""
    loaded = load_profile("one", workspace=pair)
    record = create_run(loaded, pair, resolve_as_of(loaded, None), "first")
    execute(record, server)
    found = tables(server, record)
    assert set(found) == {"one-weights", "one-report"}
    assert net(found["one-weights"]) == pytest.approx(csv(record), abs=0, rel=1e-15)
    assert all(f"| {stage} |" in found["one-report"] for stage in record.stages)
    assert all(row["why"].startswith("+") for row in found["one-weights"])
    sharpe = record.again().load("metrics")["strategy"]["sharpe"]
    assert f"| {sharpe:.2f} |" in found["one-report"]
    assert f"({(record.folder / 'report.html').as_uri()})" in found["one-report"]
    again = execute(open_run(pair, "first"), server, forced=("report",))
    assert set(tables(server, again)) == set(found)
    assert len(open_run(pair, "first").header.flow_runs) == 2
    monkeypatch.setattr("quantflow.flows.artifacts.PATIENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts, and never answers
        monkeypatch.setattr("quantflow.flows.artifacts.get_client", partial(client_of, silent.getsockname()[1]))
        late = execute(open_run(pair, "first"), server, forced=("report",))
    assert late.state == "completed"
    assert tables(server, late) == {}
    (refused,) = [event for event in late.events() if event["event"] == "artifacts.refused"]
    assert "Timeout" in refused["error"]
    assert "did not take the run's artifacts" in (late.folder / "log.txt").read_text()
