"""Ray: join the user's cluster, or start one on this machine and stop it again; always with a time limit."""

from __future__ import annotations

import json
import logging
import os
import secrets
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import IO, Any, TypeVar

import psutil

from quantflow.errors import InfrastructureError, last_line
from quantflow.execution.garbage import relax_gc
from quantflow.execution.ray_folder import ray_folder
from quantflow.execution.ray_internals import (
    LOOPBACK,
    OWN_VERSIONS,
    in_words,
    job_without_current_folder,
    on_loopback,
    token_shown,
)
from quantflow.execution.ray_wheels import unpacked
from quantflow.locks import FileLock

R = TypeVar("R")

PROBE_SECONDS = 2.0
BEGIN_SECONDS = 45.0
"""For a Ray to start, or for a cluster to answer; Ray's own limit for a start is 30 s, and does not always act."""
STOP_SECONDS = 10.0
ASK_SECONDS = 30.0
PREFIX = "qf-ray-"
_COMMON: Mapping[str, Any] = {"namespace": "quantflow", "log_to_driver": False, "logging_level": logging.ERROR}


@dataclass(frozen=True)
class Cluster:
    """The Ray that this process is connected to.

    Attributes:
        cpus: Workers at once.
        started: Whether it was started for this process.
    """

    cpus: int
    started: bool = False


@contextmanager
def cluster(
    address: str | None, workers: int | None, environment: Mapping[str, str], wheels: Sequence[Path] = ()
) -> Iterator[Cluster]:
    """Have a Ray cluster for the block.

    A Ray that this process is connected to already is used and left alone; the cluster at *address* is joined and left
    running; else one is started on this machine, with a worker per core, and stopped at the end, also when this
    process is killed.

    Args:
        address: ``host:port`` or ``ray://host:port`` of a cluster; None to start one.
        workers: CPUs of a cluster that is started; one per core when None.
        environment: What the workers of an existing cluster need to have set; it shows in that cluster's own records.
        wheels: What an existing cluster gives to its workers, beside what its nodes have.

    Raises:
        InfrastructureError: Within a minute, when nothing answers at *address*, or Ray does not start, or hangs.
    """
    if imported(f"at {address}" if address else "on this machine").is_initialized():
        yield Cluster(_cpus())
        return
    with _begin(address, workers, environment, wheels):
        yield Cluster(_cpus(), started=not address)


def _begin(
    address: str | None, workers: int | None, environment: Mapping[str, str], wheels: Sequence[Path] = ()
) -> ExitStack:
    """Join the cluster at *address*, or start one; return what leaves it, or ends it, when it is closed."""
    import ray

    with ExitStack() as stack:
        if address:
            probe(address)
            env: dict[str, Any] = {"env_vars": dict(environment)}
            if wheels:
                env["py_modules"] = stack.enter_context(unpacked(wheels))
            began = stack.enter_context(_began({"address": address, "runtime_env": env}, {}, f"at {address}"))
            _join(began, runtime_env=env)
        else:
            token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
            folder = stack.enter_context(_private_folder())
            options = {"folder": str(folder), "cpus": workers or os.cpu_count() or 1}
            began = stack.enter_context(_began(options, {**token, **LOOPBACK}, "on this machine"))
            stack.enter_context(token_shown(token))
            stack.enter_context(on_loopback())
            _join(began)
        stack.callback(ray.shutdown)  # of a cluster that was joined, this only leaves it
        return stack.pop_all()


def imported(where: str = "on this machine") -> ModuleType:
    """Return the package ray.

    Raises:
        InfrastructureError: If it cannot be imported, or is something else of that name.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray = import_module("ray")
        _ = ray.init, ray.is_initialized
    except (Exception, SystemExit) as error:  # a broken package may raise anything
        raise _unusable(where, f"its package cannot be imported: {last_line(error)}") from error
    return ray


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


@dataclass(frozen=True)
class _Began:
    """A Ray that answers, and the process that has found so.

    Attributes:
        process: It waits to hear that this process has joined; a Ray of our own ends with it.
        address: Where the Ray is.
        where: The same in words.
    """

    process: subprocess.Popen[bytes]
    address: str
    where: str

    def joined(self) -> None:
        """Say that this process has joined."""
        assert self.process.stdin is not None
        with suppress(OSError):  # it has died: so has its Ray, which work that is submitted will notice
            self.process.stdin.write(b"j")
            self.process.stdin.flush()


@contextmanager
def _began(options: Mapping[str, Any], environment: Mapping[str, str], where: str) -> Iterator[_Began]:
    """Have a Ray started, or tried, by a process of its own, which ends with the block."""
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "quantflow.execution.ray_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                start_new_session=True,  # Ctrl-C must not end Ray before the run has released it
                env={**os.environ, **environment},
            )
        except OSError as error:
            raise _unusable(where, error.strerror or str(error)) from error
        try:
            yield _Began(process, _address(process, options, where, complaints), where)
        finally:
            _end(process)


def _address(process: subprocess.Popen[bytes], options: Mapping[str, Any], where: str, complaints: IO[bytes]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(OSError):  # it has ended already, without an answer
        process.stdin.write(json.dumps(options).encode() + b"\n")
        process.stdin.flush()
    if not select.select([process.stdout], [], [], BEGIN_SECONDS)[0]:
        process.kill()  # it would not hear that it is to end
        raise _unusable(where, f"it does not answer within {BEGIN_SECONDS:.0f} s")
    try:
        answer = json.loads(process.stdout.readline())
    except ValueError:
        process.wait()
        raise _unusable(where, f"its process ended with exit code {process.returncode}") from None
    if "error" in answer:
        complaints.seek(0)
        refused = b"InvalidAuthToken" in complaints.read()  # the error itself speaks of the connection alone
        raise _unusable(where, "its token is missing or wrong" if refused else answer["error"])
    return str(answer["address"])


def _unusable(where: str, why: str) -> InfrastructureError:
    hint = "--runner local runs the same without Ray; a run that has begun: resume with --set execution.runner=local."
    if OWN_VERSIONS in why:
        hint = f"Use the same Ray and the same Python as the cluster. Or {hint}"
    if "token" in why.lower():
        hint = (
            "Set RAY_AUTH_MODE=token; the cluster's token is read from ~/.ray/auth_token, RAY_AUTH_TOKEN_PATH or "
            f"RAY_AUTH_TOKEN. Or {hint}"
        )
    return InfrastructureError(f"Ray {where} cannot be used: {why.rstrip('.')}.", hint=hint)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process, with the Ray that it may have started, and what that leaves."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        below = []
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            pipe.close()  # type: ignore[union-attr]
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for left in below:  # agents outlive a control process that was killed by a minute
        with suppress(psutil.NoSuchProcess):
            left.kill()


def _join(began: _Began, **options: Any) -> None:
    import ray

    try:
        ray.init(address=began.address, job_config=job_without_current_folder(), **options, **_COMMON)
    except Exception as error:  # Ray raises anything
        raise _unusable(began.where, in_words(error)) from error
    began.joined()


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Have a folder for Ray's own files, in one that only this user can enter: Ray opens its own to everyone."""
    place = Path(ray_folder()).absolute()
    for left in place.glob(f"{PREFIX}*"):
        _remove_abandoned(left)
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))  # short: Ray's sockets lie in it
        lock = FileLock(folder / "lock")
    except OSError as error:
        why = f"{place} (RAY_TMPDIR, TMPDIR) cannot hold its files: {error.strerror}"
        raise _unusable("on this machine", why) from error
    with lock:
        lock.take()
        try:
            yield folder / "r"
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Remove the folder of a run that was killed: the kernel has freed its lock."""
    try:
        lock = FileLock(folder / "lock", create=False)
    except OSError:  # another user's, or one that is just being made or removed
        return
    with lock:
        if lock.take():
            shutil.rmtree(folder, ignore_errors=True)


def _cpus() -> int:
    import ray

    return int(ray.cluster_resources().get("CPU", 1))


def warm(workers: int, modules: Sequence[str]) -> None:
    """Have each of a cluster's workers import *modules* before its first task; return at once."""
    import ray

    importing = ray.remote(_import)
    for _ in range(workers):
        importing.remote(modules)


def _import(modules: Sequence[str]) -> None:
    relax_gc()
    for name in modules:
        import_module(name)


def ask_each_node(function: Callable[..., R], *arguments: Any) -> dict[str, R]:
    """Return what *function* returns on each node that has CPUs, by the node's address.

    Raises:
        InfrastructureError: Naming the node, if it raises there, or does not answer in time.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    alive = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
    working = {node["NodeID"]: str(node["NodeManagerAddress"]) for node in alive}
    until = time.monotonic() + ASK_SECONDS
    asked = {
        key: ray.remote(function)
        .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=key, soft=False))
        .remote(*arguments)
        for key in working
    }
    found: dict[str, R] = {}
    for key, ref in asked.items():
        node = f"{working[key]} ({key[:8]})"
        try:
            found[node] = ray.get(ref, timeout=max(0.1, until - time.monotonic()))
        except Exception as error:  # Ray raises anything
            raise _unfit(node, last_line(error)) from error
    return found


def _unfit(node: str, why: str) -> InfrastructureError:
    if "No module named" in why:
        return InfrastructureError(
            f"Ray node {node} does not have what the run needs: {why.rstrip('.')}.",
            hint="Install the same versions on all nodes of the cluster, or name wheels in execution.ray_wheels; "
            "then resume the run.",
        )
    silent = f"it does not answer within {ASK_SECONDS:.0f} s"
    return _unusable(f"on node {node}", silent if "Get timed out" in why else why)


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
