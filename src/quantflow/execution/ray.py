"""Ray: join the user's cluster, or start one on this machine and stop it again."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil

from quantflow.errors import InfrastructureError
from quantflow.execution.garbage import look_seldom
from quantflow.execution.kept_ray import RayHead
from quantflow.execution.ray_folder import ray_folder

PROBE_SECONDS = 2.0
_COMMON: Mapping[str, Any] = {"namespace": "quantflow", "log_to_driver": False, "logging_level": logging.ERROR}


@dataclass(frozen=True)
class Cluster:
    """The Ray that this process is connected to.

    Attributes:
        cpus: Workers at once.
        kept: Whether it is the workspace's own head.
        started: Whether this process has started it.
    """

    cpus: int
    kept: bool = False
    started: bool = False


@contextmanager
def cluster(
    address: str | None, workers: int | None, environment: Mapping[str, str], kept: RayHead | None = None
) -> Iterator[Cluster]:
    """Have a Ray cluster for the block.

    A Ray that this process is connected to already is used and left alone; the cluster at *address*, else the *kept*
    one, is joined and left running; else one is started on this machine, with a worker per core, and stopped at the
    end.

    Args:
        address: ``host:port`` or ``ray://host:port`` of a cluster; None to start one.
        workers: CPUs of a cluster that is started; one per core when None.
        environment: What the workers of an existing cluster need to have set.
        kept: The workspace's own head, if one is up.

    Raises:
        InfrastructureError: Within seconds, when nothing answers at *address* or Ray does not start.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        yield Cluster(_cpus())
        return
    if kept and not address:
        with _token_of(kept):
            if _joined(kept):
                try:
                    yield Cluster(_cpus(), kept=True)
                finally:
                    ray.shutdown()  # only leaves it
                return
    before = set(psutil.Process().children(recursive=True))
    _begin(address, workers, environment)
    started = [child for child in psutil.Process().children(recursive=True) if child not in before and _is_rays(child)]
    try:
        _tighten_token()
        yield Cluster(_cpus(), started=not address)
    finally:
        ray.shutdown()  # of a cluster that was joined, this only leaves it
        _end(started)


def _cpus() -> int:
    import ray

    return int(ray.cluster_resources().get("CPU", 1))


def _begin(address: str | None, workers: int | None, environment: Mapping[str, str]) -> None:
    """Join the cluster at *address*, or start one."""
    import ray

    if address:
        probe(address)
    else:
        _ensure_token_home()
    try:
        ray.init(**_options(address, workers, environment))
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = f"at {address}" if address else "on this machine"
        raise InfrastructureError(
            f"Ray {where} cannot be used: {str(error)[:300]}", hint="--runner local runs the same without Ray."
        ) from error


@contextmanager
def _token_of(head: RayHead) -> Iterator[None]:
    """Show the token of the workspace's own head within the block, to it and to nobody after it."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    def read() -> None:
        Config.initialize("")  # Ray has read both variables when it was imported
        AuthenticationTokenLoader.instance().reset_cache()

    wanted = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": head.token}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    read()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        read()


def _joined(head: RayHead) -> bool:
    """Connect to the workspace's own head; return False, with nothing said, if it is gone by now."""
    import ray

    try:
        ray.init(address=head.address, **_COMMON)
    except (ConnectionError, RuntimeError, ValueError, OSError):
        return False
    return True


def _is_rays(process: psutil.Process) -> bool:
    """Whether a process is of Ray, and not one that another thread has started meanwhile."""
    try:
        return any("/ray/" in word or word.startswith("ray::") for word in process.cmdline())
    except psutil.Error:
        return False


def _end(processes: Sequence[psutil.Process]) -> None:
    """End what Ray's shutdown left: its agents outlive a control process that was killed by a minute."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _options(address: str | None, workers: int | None, environment: Mapping[str, str]) -> dict[str, Any]:
    if address:
        return {"address": address, "runtime_env": {"env_vars": dict(environment)}, **_COMMON}
    cpus = workers or os.cpu_count() or 1
    folder = str(Path(ray_folder()) / "ray")
    return {"address": "local", "num_cpus": cpus, "include_dashboard": False, "_temp_dir": folder, **_COMMON}


def probe(address: str) -> None:
    """Check that something listens at a Ray address.

    Raises:
        InfrastructureError: Within two seconds, when nothing does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=PROBE_SECONDS):
            pass
    except (OSError, ValueError) as error:
        raise InfrastructureError(
            f"Nothing answers at the Ray address {address}: {error}.",
            hint="Start the cluster (ray start --head), or leave --ray-address out to use this machine.",
        ) from error


def _ensure_token_home() -> None:
    """Give Ray its token in the environment where there is no home folder to keep it in."""
    if "RAY_AUTH_TOKEN" not in os.environ and not os.access(Path.home(), os.W_OK):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _tighten_token() -> None:
    """Make Ray's token file readable by its owner alone; Ray leaves it open to everyone."""
    token = Path.home() / ".ray" / "auth_token"
    if token.is_file() and stat.S_IMODE(token.stat().st_mode) & 0o077:
        token.chmod(0o600)


def warm(workers: int, modules: Sequence[str]) -> None:
    """Have each of a cluster's workers import *modules* before its first task; return at once."""
    import ray

    importing = ray.remote(_import)
    for _ in range(workers):
        importing.remote(modules)


def _import(modules: Sequence[str]) -> None:
    look_seldom()
    for name in modules:
        import_module(name)


def spans_machines() -> bool:
    """Whether the cluster that this process is connected to has nodes on other machines."""
    import ray

    return len({node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}) > 1


def finished(refs: Sequence[Any]) -> list[Any]:
    """Return those of *refs* that are ready now.

    Never blocks inside Ray: a signal that arrives there is not acted on until the work is over.
    """
    import ray

    ready, _ = ray.wait(list(refs), num_returns=len(refs), timeout=0)
    return list(ready)


def cancel(refs: Sequence[Any]) -> None:
    """Stop work that is under way, by force."""
    import ray

    for ref in refs:
        ray.cancel(ref, force=True)
