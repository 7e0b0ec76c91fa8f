"""A node of a cluster that is not fit for a run: it does not see the workspace, or does not have quantflow."""

from __future__ import annotations

import json
import shutil
import site
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters import RAY, headed, ray_node
from packages import unpacked_wheel
from processes import TWO_SLEEVES, run_cli

ROOT = Path(__file__).parents[2]
HIT = ("meta", "-m", "two", "--run-id", "hit", "--no-progress")


@pytest.fixture
def portfolio(fresh: Path) -> Path:
    """A workspace with a meta profile of two sleeves."""
    (fresh / "quantflow.toml").write_text(TWO_SLEEVES)
    return fresh


@pytest.fixture
def head(free_port: int) -> Iterator[str]:
    """The address of a cluster whose head has no CPUs."""
    folder = f"/tmp/qf-test-{free_port}"
    with ray_node(*headed(free_port, folder), cpus=0):
        yield f"127.0.0.1:{free_port}"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_node_that_does_not_see_the_workspace_is_named(portfolio: Path, head: str) -> None:
    """Its file system has an empty folder there: exit 30 before any sleeve runs, with the node and what to do."""
    hidden = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {portfolio} && exec "$0" "$@"']
    with ray_node(f"--address={head}", command=[*hidden, *RAY]):
        done = run_cli(*HIT, "--ray-address", head, cwd=portfolio)
    assert done.returncode == 30, done.stderr
    assert f"does not see the run's folder, {portfolio}" in done.stderr
    assert "at the same path" in done.stderr
    assert not list(portfolio.glob("runs/hit*/stages/*.json"))


@pytest.fixture
def bare(tmp_path: Path) -> tuple[list[str], dict[str, str]]:
    """How to start a Ray whose Python has all that quantflow depends on, and no quantflow."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    packages = tmp_path / "packages"
    packages.mkdir()
    for entry in Path(site.getsitepackages()[0]).iterdir():
        if not entry.name.startswith(("quantflow", "_editable", "__editable")) and entry.suffix != ".pth":
            (packages / entry.name).symlink_to(entry)
    return [str(tmp_path / "bare/bin/python"), "-m", "ray.scripts.scripts"], {"PYTHONPATH": str(packages)}


def test_a_node_without_quantflow_is_named_and_can_be_given_it(
    portfolio: Path, head: str, bare: tuple[list[str], dict[str, str]], tmp_path: Path
) -> None:
    """Exit 30 with the node; with the wheel in ``execution.ray_wheels`` the same bytes as on this machine."""
    command, variables = bare
    (portfolio / "dist").mkdir()
    unpacked_wheel(ROOT, tmp_path / "built")
    (wheel,) = (tmp_path / "built").glob("*.whl")
    shutil.copy(wheel, portfolio / "dist")
    given = f"meta.execution.ray_wheels={json.dumps([f'dist/{wheel.name}'])}"
    with ray_node(f"--address={head}", command=command, **variables):
        refused = run_cli(*HIT[:-1], "--ray-address", head, cwd=portfolio)
        assert refused.returncode == 30, refused.stderr
        assert "No module named 'quantflow'" in refused.stderr
        assert "execution.ray_wheels" in refused.stderr
        named = ("meta", "-m", "two", "--run-id", "given", "--ray-address", head, "--set", given)
        done = run_cli(*named, cwd=portfolio)
    assert done.returncode == 0, done.stderr
    local = run_cli("resume", "hit", "--set", "execution.runner=local", cwd=portfolio)
    assert local.returncode == 0, local.stderr
    books = [(portfolio / "runs" / name / "weights.csv").read_bytes() for name in ("hit", "given")]
    assert books[0] == books[1]
