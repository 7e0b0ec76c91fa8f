"""A Ray head of the workspace's own, kept running between meta runs: ``quantflow server start --ray``.

It wants a token that is written in its folder alone, and has a folder for Ray's own files, so that nobody who says
``ray.init()`` on this machine comes across it, nor it across another Ray. All its processes carry the name of the
latter folder in their environment: by that, and by nothing else, is what a killed head left found and ended.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from quantflow.data.store import private_folder, write_atomic
from quantflow.errors import InfrastructureError
from quantflow.execution.keeping import keep
from quantflow.execution.ray_folder import ray_folder

BOOT_SECONDS = 90.0
STOP_SECONDS = 15.0
MARK = "QUANTFLOW_RAY_HEAD"
_AT_START = re.compile(r"PYTHON|LD_|OMP_|OPENBLAS_|MKL_|NUMBA_|FSSPEC_|PREFECT_|DO_NOT_TRACK")
"""Variables that libraries read when they are imported: a worker that runs already cannot be given them."""
_OF_A_RUNNER = re.compile(r"PREFECT_(_|FLOWS_HEARTBEAT_|SERVER_)")
"""What Prefect's runner adds for the runs that it starts: no worker goes by it."""
_OF_A_PROCESS = re.compile(r"(PATH|HOME|USER|LOGNAME|TMPDIR|TZ|LANG)$|LC_|RAY_")


@dataclass(frozen=True)
class RayHead:
    """A kept Ray head.

    Attributes:
        pid: The process that holds it.
        cpus: Workers at once.
        token: What its users have to show.
        folder: Where Ray keeps its sockets and logs; below the temporary folder.
        environment: Digest of the variables that its workers were started with.
        address: ``host:port``; empty until it is up.
    """

    pid: int
    cpus: int
    token: str
    folder: str
    environment: str
    address: str = ""


def home_of_ray(workspace: Path) -> Path:
    """Return the folder of the workspace's own Ray head."""
    return workspace / ".quantflow" / "ray"


def running_head(home: Path) -> RayHead | None:
    """Return the head that is up in *home*; None when none is, whatever its files say."""
    head = _recorded(home)
    try:
        found = psutil.Process(head.pid) if head else None
        if head is None or found is None or "quantflow.execution.ray_head" not in found.cmdline():
            return None
        pid, address = (home / "up").read_text().split()
        host, port = address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=1):
            return replace(head, address=address) if int(pid) == head.pid else None
    except (OSError, ValueError, psutil.Error):
        return None


def keep_head(workspace: Path) -> RayHead:
    """Have a head running that workers of this process's environment can be had from, and keep it.

    Raises:
        InfrastructureError: If it does not come up in time, or a run uses one that was started differently.
    """
    home = home_of_ray(workspace)
    private_folder(home)
    guard = os.open(home / "starting", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        head = running_head(home)
        if head and head.environment == _digest() and _stays(home, head.pid):
            return head
        if not release_head(workspace):
            raise InfrastructureError(
                "A run uses this workspace's Ray head, which was started in another environment.",
                hint="Wait for the run to end, then: quantflow server start --ray",
            )
        return _started(home)
    finally:
        os.close(guard)


def release_head(workspace: Path) -> bool:
    """Let the kept head go, which ends at once or with the last run that uses it; end what a killed one left.

    Returns:
        Whether none is left.
    """
    home = home_of_ray(workspace)
    head = _recorded(home)
    (home / "kept").unlink(missing_ok=True)
    if head is None:
        return True
    if running_head(home):
        with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
            psutil.Process(head.pid).wait(STOP_SECONDS)
        if running_head(home):
            return False
    clear(home, head.folder)
    return True


def _stays(home: Path, pid: int) -> bool:
    """Keep a head, which may have been let go and may be about to end; return whether it stays."""
    until = time.monotonic() + STOP_SECONDS
    while time.monotonic() < until and running_head(home):
        if keep(home, pid):
            return True
        time.sleep(0.1)
    return False


@contextmanager
def lent_head(workspace: Path, workers: int | None) -> Iterator[RayHead | None]:
    """Use the workspace's head within the block, if one is up that fits this process; else yield None.

    Args:
        workspace: The folder that holds the runs.
        workers: How many workers the run asks for; None for any number.
    """
    home = home_of_ray(workspace)
    head = running_head(home)
    if head is None or head.environment != _digest() or workers not in (None, head.cpus):
        yield None
        return
    users = os.open(home / "users", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield running_head(home) if _taken(users) else None
    finally:
        os.close(users)


def _taken(users: int) -> bool:
    """Take a user's share of the lock; return False when the head has it, which then is about to end."""
    try:
        fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def handed_over() -> dict[str, str]:
    """Return the variables of this process that workers of the kept head were not started with."""
    return {
        name: value for name, value in os.environ.items() if not _AT_START.match(name) and not name.startswith("RAY_")
    }


def clear(home: Path, folder: str) -> None:
    """End what carries a head's mark, this process excepted, and remove its folder and what tells of it.

    Args:
        home: The folder that tells of the workspace's head.
        folder: Where Ray keeps its sockets and logs, and the mark.
    """
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == folder:
                process.kill()
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("up", "kept", "keeping", "head.json"):
        (home / name).unlink(missing_ok=True)


def _recorded(home: Path) -> RayHead | None:
    try:
        return RayHead(**json.loads((home / "head.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _started(home: Path) -> RayHead:
    folder = tempfile.mkdtemp(prefix="quantflow-ray-", dir=ray_folder())  # short: Ray's sockets lie in it
    token, cpus = secrets.token_hex(32), os.cpu_count() or 1
    environment = {**_environment(), MARK: folder, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    with (home / "head.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "quantflow.execution.ray_head", str(home), folder, str(cpus)],
            cwd=home.parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**environment, "RAY_USAGE_STATS_ENABLED": "0"},
        )
    try:
        head = RayHead(process.pid, cpus, token, folder, _digest())
        write_atomic(home / "head.json", json.dumps(asdict(head)).encode())
        until = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < until and process.poll() is None:
            kept = keep(home, process.pid)
            if (found := running_head(home)) and kept:
                return found
            time.sleep(0.1)
        raise InfrastructureError("The Ray head did not start.", hint=f"Its log: {home / 'head.log'}")
    except BaseException:  # a signal too must not leave one that nobody waits for
        process.kill()
        process.wait()
        clear(home, folder)
        raise


def _environment() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if _AT_START.match(name) or _OF_A_PROCESS.match(name)}


def _digest() -> str:
    """Return what a head's and a run's environment must have in common; a digest, for there may be credentials."""
    at_start = ((name, value) for name, value in os.environ.items() if _AT_START.match(name))
    fixed = sorted((name, value) for name, value in at_start if not _OF_A_RUNNER.match(name))
    return hashlib.sha256(json.dumps([sys.executable, fixed]).encode()).hexdigest()
