"""What a meta run uses, and does not own, goes away in the middle: cluster, store, API server; or others come."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from clusters import end, headed, ray_node
from processes import bare_environment, run_cli

PROFILE = (
    '[profiles.s{n}]\nextends = "demo"\n[profiles.s{n}.data]\nstart = 2017-01-01\n[profiles.s{n}.policy]\ntop_n = {n}\n'
    '[profiles.s{n}.validation]\nmin_history = 504\n[profiles.s{n}.rebalance]\nevery = "quarterly"\n'
)
SETTINGS = (
    PROFILE.format(n=1) + PROFILE.format(n=2) + '[meta.two]\nsleeves = [{ profile = "s1" }, { profile = "s2" }]\n'
)
META = [sys.executable, "-m", "quantflow", "meta", "-m", "two", "--run-id", "hit", "--no-progress"]
LIMIT_SECONDS = 300
RESTART_SECONDS = 120
OUTAGE_SECONDS = 60
NOBODY = 65534
READS_ALL = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
"""Another user, who may read the Python of these tests wherever it is installed."""


@pytest.fixture
def portfolio(fresh: Path) -> Path:
    """A workspace with a meta profile of two sleeves."""
    (fresh / "quantflow.toml").write_text(SETTINGS)
    return fresh


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights of a run that nothing disturbed."""
    home = tmp_path_factory.mktemp("quiet")
    (home / "quantflow.toml").write_text(SETTINGS)
    done = run_cli(*META[3:], "--runner", "local", cwd=home)
    assert done.returncode == 0, done.stderr
    return weights(home)


@pytest.fixture
def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def weights(workspace: Path) -> bytes:
    return (workspace / "runs" / "hit" / "weights.csv").read_bytes()


def begun(workspace: Path, stage: str, sleeve: str = "s2") -> bool:
    """Whether a sleeve has begun a stage."""
    return any((workspace / "runs" / f"hit.{sleeve}" / "stages").glob(f"*-{stage}.json"))


def started(
    workspace: Path, *options: str, stage: str = "policy", sleeve: str = "s2", **variables: str
) -> subprocess.Popen[str]:
    """The meta run, at work in the middle of its sleeves."""
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([*META, *options], cwd=workspace, env={**bare_environment(), **variables}, **pipes)
    until = time.monotonic() + LIMIT_SECONDS
    while not begun(workspace, stage, sleeve):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    return process


def ended(process: subprocess.Popen[str], *codes: int) -> str:
    """What the run says at its end, which is one of those expected, in words."""
    _, said = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode in codes, said
    assert "Traceback" not in said
    assert "not expected" not in said
    if process.returncode:
        assert "quantflow resume hit" in said
    return str(said)


def resumed(workspace: Path, *options: str, **variables: str) -> bytes:
    """The weights after ``quantflow resume hit``."""
    command = [sys.executable, "-m", "quantflow", "resume", "hit", "--no-progress", *options]
    environment = {**bare_environment(), **variables}
    done = subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return weights(workspace)


@pytest.mark.parametrize("then", ["up again", "gone for good"])
def test_the_head_of_a_cluster_dies(then: str, portfolio: Path, quiet: bytes, free_port: int) -> None:
    """Of two nodes: the run ends in words; ``resume``, on the cluster or without it, ends in the same bytes."""
    folder, address = f"/tmp/qf-test-{free_port}", f"127.0.0.1:{free_port}"
    head = headed(free_port, folder)
    try:
        with ray_node(*head) as first, ray_node(f"--address={address}"):
            process = started(portfolio, "--ray-address", address)
            end(first)
            ended(process, 20, 30)
        if then == "gone for good":
            assert resumed(portfolio, "--set", "execution.runner=local") == quiet
            return
        with ray_node(*head), ray_node(f"--address={address}"):
            assert resumed(portfolio) == quiet
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("stage", ["ingestion", "policy", "report"])
def test_the_head_of_a_cluster_is_started_again_at_once(
    stage: str, portfolio: Path, quiet: bytes, free_port: int
) -> None:
    """It listens as before and knows nothing of the run, which ends within two minutes, and is resumed on it."""
    folders, address = [f"/tmp/qf-test-{free_port}{n}" for n in "ab"], f"127.0.0.1:{free_port}"
    try:
        with ray_node(*headed(free_port, folders[0]), cpus=0) as first, ray_node(f"--address={address}") as worker:
            process = started(portfolio, "--ray-address", address, stage=stage, sleeve="s1")
            end(first)
            struck = time.monotonic()
            with ray_node(*headed(free_port, folders[1]), cpus=0):
                said = ended(process, 0, 30)
                assert time.monotonic() - struck < RESTART_SECONDS
                assert not process.returncode or "head of the Ray cluster" in said
                end(worker)  # it belongs to the cluster that was; a service would be restarted
                with ray_node(f"--address={address}"):
                    assert resumed(portfolio) == quiet
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


class Store:
    """A real S3 API on loopback, which can be made to answer 503."""

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self.up, self.refused = True, 0
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _answer(self, environment: Any, start: Any) -> Any:
        if self.up:
            return self._app(environment, start)
        self.refused += 1
        start("503 Slow Down", [("Content-Type", "application/xml")])
        return [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"]

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()


def test_the_store_refuses_for_a_minute(portfolio: Path, quiet: bytes) -> None:
    """An S3 that answers 503: the run waits, or ends in words; ``resume`` ends in the same bytes."""
    store = Store()
    variables = {
        "AWS_ENDPOINT_URL": store.url,
        "FSSPEC_S3_ENDPOINT_URL": store.url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    where = {"endpoint_url": store.url, "aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    import boto3

    boto3.client("s3", region_name="us-east-1", **where).create_bucket(Bucket="quantflow")
    place = "execution.store=s3://quantflow/store"
    options = ("--runner", "local", "--set", place, "--set", f"meta.{place}")
    process = started(portfolio, *options, **variables)
    store.up = False
    back = threading.Timer(OUTAGE_SECONDS, lambda: setattr(store, "up", True))
    back.start()
    ended(process, 0, 20, 30)
    back.join()
    assert store.refused > 0
    assert resumed(portfolio, **variables) == quiet
    store.stop()


@contextmanager
def prefect_server(home: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """A user's own Prefect server, from when it answers."""
    import httpx

    environment = {
        **bare_environment(),
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_ENABLED": "false",
    }
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--no-ui",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "text": True}
    process = subprocess.Popen(command, env=environment, start_new_session=True, **pipes)
    try:
        until = time.monotonic() + 120
        while True:
            assert process.poll() is None
            assert time.monotonic() < until
            try:
                if httpx.get(f"http://127.0.0.1:{port}/api/health", timeout=2).is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        yield process
    finally:
        if process.poll() is None:
            end(psutil.Process(process.pid))
        process.wait()


def test_the_users_own_api_server_is_restarted(portfolio: Path, quiet: bytes, tmp_path: Path, free_port: int) -> None:
    """Killed under the run and up again: the run goes on, or ends in words; ``resume`` ends in the same bytes."""
    address = {"PREFECT_API_URL": f"http://127.0.0.1:{free_port}/api"}
    with prefect_server(tmp_path / "prefect", free_port):
        process = started(portfolio, "--runner", "local", **address)
    with prefect_server(tmp_path / "prefect", free_port):
        ended(process, 0, 20, 30)
        assert resumed(portfolio, **address) == quiet


@pytest.fixture
def shared(portfolio: Path) -> Iterator[Path]:
    """A workspace in a folder that every user of the machine can enter."""
    place = Path(tempfile.mkdtemp(prefix="quantflow-shared-"))
    place.chmod(0o755)
    shutil.copytree(portfolio, place, dirs_exist_ok=True)
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def test_another_user_in_the_same_workspace_changes_nothing(shared: Path, quiet: bytes) -> None:
    """What another uid starts there meanwhile is refused in words; the run under way ends in the same bytes."""
    process = started(shared, "--runner", "local")
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *READS_ALL]
    for words in ("resume hit", "select -p s1", "meta -m two --runner local", "gc --keep 0", "publish hit", "status"):
        other = subprocess.run(
            [*become, sys.executable, "-m", "quantflow", *words.split(), "--workspace", str(shared)],
            cwd="/",
            env={**bare_environment(), "HOME": "/nonexistent"},
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        refused = words not in ("gc --keep 0", "status")  # these find nothing that is theirs to change
        assert other.returncode in ((2, 30, 75) if refused else (0, 2, 30)), (words, other.stdout, other.stderr)
        assert ("error: " in other.stderr) == (other.returncode > 0), words
        assert "Traceback" not in other.stderr
    ended(process, 0)
    assert weights(shared) == quiet
    left = [path for path in shared.rglob("*") if path.lstat().st_uid == NOBODY]
    assert left == []
