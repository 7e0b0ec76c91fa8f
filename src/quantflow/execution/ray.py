"""Ray: join the user's cluster, or start one on this machine and stop it again."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil

from quantflow.errors import InfrastructureError
from quantflow.execution.kept_ray import RayHead

PROBE_SECONDS = 2.0
_COMMON: Mapping[str, Any] = {"namespace": "quantflow", "log_to_driver": False, "logging_level": logging.ERROR}


@contextmanager
def cluster(
    address: str | None, workers: int | None, environment: Mapping[str, str], kept: RayHead | None = None
) -> Iterator[int]:
    """Have a Ray cluster for the block; yield its number of CPUs.

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
        yield int(ray.cluster_resources().get("CPU", 1))
        return
    if address:
        probe(address)
    else:
        _ensure_token_home()
    before = set(psutil.Process().children(recursive=True))
    try:
        if address or not (kept and _joined(kept)):
            ray.init(**_options(address, workers, environment))
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = f"at {address}" if address else "on this machine"
        raise InfrastructureError(
            f"Ray {where} cannot be used: {str(error)[:300]}", hint="--runner local runs the same without Ray."
        ) from error
    started = [child for child in psutil.Process().children(recursive=True) if child not in before]
    try:
        _tighten_token()
        yield int(ray.cluster_resources().get("CPU", 1))
    finally:
        ray.shutdown()  # of a cluster that was joined, this only leaves it
        _end(started)


def _joined(head: RayHead) -> bool:
    """Connect to the workspace's own head; return False, with nothing said, if it is gone by now."""
    import ray
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=head.token)
    Config.initialize("")  # Ray has read both when it was imported
    AuthenticationTokenLoader.instance().reset_cache()
    try:
        ray.init(address=head.address, **_COMMON)
    except (ConnectionError, RuntimeError, ValueError, OSError):
        return False
    return True


def _end(processes: Sequence[psutil.Process]) -> None:
    """End what Ray's shutdown left: its agents outlive a control process that was killed by a minute."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _options(address: str | None, workers: int | None, environment: Mapping[str, str]) -> dict[str, Any]:
    if address:
        return {"address": address, "runtime_env": {"env_vars": dict(environment)}, **_COMMON}
    cpus = workers or os.cpu_count() or 1
    return {"address": "local", "num_cpus": cpus, "include_dashboard": False, **_COMMON}


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
