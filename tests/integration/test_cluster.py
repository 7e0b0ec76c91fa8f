"""A cluster of two nodes, and a store that is not a folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import quantflow
from processes import TWO_SLEEVES, bare_environment, run_cli
from quantflow.pipeline.code_version import package_version
from quantflow.runs.kinds import open_run
from quantflow.server.server import ApiServer


@pytest.fixture
def home(fresh: Path) -> Path:
    """A workspace with a meta profile of two small sleeves."""
    (fresh / "quantflow.toml").write_text(TWO_SLEEVES)
    return fresh


CLUSTER = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@pytest.fixture
def cluster_address() -> Iterator[str]:
    """The address of a Ray cluster of two nodes with a core each, run by a process of its own."""
    environment = {**bare_environment(), "RAY_USAGE_STATS_ENABLED": "0"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    process = subprocess.Popen([sys.executable, "-c", CLUSTER], env=environment, **pipes)  # type: ignore[call-overload]
    yield next(line.strip() for line in process.stdout if ":" in line)
    process.communicate(timeout=60)


def test_a_cluster_of_two_nodes_runs_the_sleeves_and_is_left_running(
    home: Path, cluster_address: str, server: ApiServer
) -> None:
    """Sleeves run on both nodes of the user's cluster; the weights are those of a run without Ray."""
    for run_id in ("one", "two"):  # the second run finds the cluster as the first left it
        command = ("meta", "-m", "two", "--run-id", run_id, "--ray-address", cluster_address)
        done = run_cli(*command, cwd=home, server=server)
        assert done.returncode == 0, done.stderr
    local = run_cli("meta", "-m", "two", "--run-id", "local", "--runner", "local", cwd=home, server=server)
    assert local.returncode == 0, local.stderr
    books = [(home / "runs" / name / "weights.csv").read_bytes() for name in ("one", "two", "local")]
    assert books[0] == books[1] == books[2]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket on a real S3 API on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "FSSPEC_S3_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    import boto3

    boto3.client("s3").create_bucket(Bucket="quantflow")
    yield "s3://quantflow/store"
    server.stop()


def test_artifacts_and_cache_can_lie_in_s3(home: Path, s3: str, server: ApiServer) -> None:
    """With ``execution.store`` on S3 nothing of the result is local but the run's own folder, and runs share it."""
    store = f"execution.store={s3}"
    first = run_cli("select", "-p", "small", "--run-id", "first", "--set", store, cwd=home, server=server)
    assert first.returncode == 0, first.stderr
    assert not (home / ".quantflow" / "artifacts").exists()
    again = run_cli("select", "-p", "small", "--run-id", "again", "--set", store, cwd=home, server=server)
    assert again.returncode == 0, again.stderr
    assert open_run(home, "again").stages["validation"].cached  # type: ignore[union-attr]
    books = run_cli(
        "meta", "-m", "two", "--run-id", "meta", "--set", f"meta.{store}", "--set", store, cwd=home, server=server
    )
    assert books.returncode == 0, books.stderr
    assert len(open_run(home, "meta").sleeves) == 2
    plain = run_cli("select", "-p", "small", "--run-id", "plain", cwd=home, server=server)
    assert plain.returncode == 0, plain.stderr
    same = {(home / "runs" / name / "weights.csv").read_bytes() for name in ("first", "again", "plain", "meta.small")}
    assert len(same) == 1
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in first.stdout + first.stderr


def running(command: list[str], environment: dict[str, str], ready: str) -> Iterator[None]:
    """A process, from when it has printed *ready* until it is terminated."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, env=environment, **pipes)  # type: ignore[call-overload]
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if ready in line:
            break
    else:
        pytest.fail("".join(said))
    yield
    process.terminate()
    process.communicate(timeout=60)


@pytest.fixture
def guarded(tmp_path: Path, free_port: int) -> Iterator[tuple[str, Path]]:
    """The address of a cluster that wants a token, as ``ray start`` makes it, and the home of its owner."""
    home = tmp_path / "owner"
    (home / ".ray").mkdir(parents=True)
    (home / ".ray" / "auth_token").write_text("0123456789abcdef" * 4)
    start = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--port={free_port}"]
    options = ["--num-cpus=2", "--include-dashboard=false", f"--temp-dir=/tmp/qf-test-{free_port}"]
    environment = {**bare_environment(), "HOME": str(home), "RAY_USAGE_STATS_ENABLED": "0"}
    for _ in running([*start, *options], environment, "This command will now block"):
        yield f"127.0.0.1:{free_port}", home
    shutil.rmtree(f"/tmp/qf-test-{free_port}", ignore_errors=True)


@pytest.fixture
def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_cluster_that_wants_a_token_is_told_as_such(
    guarded: tuple[str, Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 30 with how to show the token; done so, the run is complete."""
    address, owner = guarded
    monkeypatch.setenv("HOME", str(owner))
    refused = run_cli("meta", "-m", "two", "--run-id", "one", "--ray-address", address, cwd=home)
    assert refused.returncode == 30, refused.stderr
    assert "token is missing or wrong" in refused.stderr
    assert "RAY_AUTH_MODE=token" in refused.stderr
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    done = run_cli("resume", "one", cwd=home)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def other_code(tmp_path: Path) -> Path:
    """A folder with another quantflow: version 0.0.9, in which one default is not what it is here."""
    folder = tmp_path / "other"
    shutil.copytree(Path(quantflow.__file__).parent, folder / "quantflow", ignore=shutil.ignore_patterns("__pycache__"))
    costs = folder / "quantflow" / "config" / "sections.py"
    costs.write_text(costs.read_text() + "\n# another setting\n")
    (folder / "quantflow-0.0.9.dist-info").mkdir()
    (folder / "quantflow-0.0.9.dist-info" / "METADATA").write_text("Name: quantflow\nVersion: 0.0.9\n")
    return folder


@pytest.fixture
def mixed(tmp_path: Path, free_port: int, other_code: Path) -> Iterator[str]:
    """The address of a cluster of two nodes of which the second has another quantflow."""
    ray = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1"]
    environment = {**bare_environment(), "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    folder = f"--temp-dir=/tmp/qf-test-{free_port}"
    head = [*ray, "--head", f"--port={free_port}", "--include-dashboard=false", folder]
    second = [*ray, f"--address=127.0.0.1:{free_port}"]
    for _ in running(head, environment, "This command will now block"):
        for _ in running(second, {**environment, "PYTHONPATH": str(other_code)}, "This command will now block"):
            yield f"127.0.0.1:{free_port}"
    shutil.rmtree(f"/tmp/qf-test-{free_port}", ignore_errors=True)


def test_a_node_with_other_code_is_refused_before_any_sleeve_runs(mixed: str, home: Path) -> None:
    """Another version on a worker gives other weights in silence: exit 30 naming the node and both versions."""
    done = run_cli("meta", "-m", "two", "--run-id", "one", "--ray-address", mixed, cwd=home)
    assert done.returncode == 30, done.stderr
    assert "has other code than this process: quantflow 0.0.9+" in done.stderr
    assert package_version() in done.stderr
    assert [open_run(home, f"one.{name}").done for name in ("small", "narrow")] == [(), ()]
    assert not (home / "current").exists()
