"""What quantflow uses of Ray that Ray does not document: here, and nowhere else.

Each function says what it relies on; its test fails, naming Ray's version, when that changes. Ray is imported where it
is used, since it takes a second and a machine without it can do all but run sleeves on it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantflow.errors import last_line

if TYPE_CHECKING:
    from ray.job_config import JobConfig

LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Ray's way to say that there is one machine only: all its processes then listen on loopback alone."""

ANSWER_SECONDS = 5.0
OWN_VERSIONS = "and this process"


class _Unchanged(list[str]):
    """A list that stays as it is."""

    def extend(self, _: Iterable[str]) -> None:
        """Change nothing."""


def job_without_current_folder() -> JobConfig:
    """Return a job whose workers import nothing from the folders in which this process was started and lies.

    Ray puts both before all that is installed, where a file of anybody's that is called like a library would be run.
    """
    from ray.job_config import JobConfig

    job = JobConfig()
    job._py_driver_sys_path = _Unchanged()
    return job


@contextmanager
def token_shown(token: Mapping[str, str]) -> Iterator[None]:
    """Show a token to Ray within the block, and to nobody after it; Ray has read both variables when imported."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    def read() -> None:
        Config.initialize("")
        AuthenticationTokenLoader.instance().reset_cache()

    before = {name: os.environ.get(name) for name in token}
    os.environ.update(token)
    read()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        read()


@contextmanager
def on_loopback() -> Iterator[None]:
    """Let Ray take loopback for this machine's address within the block; it has read the variable when imported."""
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def start(folder: str, cpus: int, **options: object) -> None:
    """Start a Ray of this process's own on this machine, whose files lie in *folder*; Ray has no public way to say so.

    Args:
        folder: A folder that only this user can enter.
        cpus: Workers at once.
        options: Of ``ray.init``.
    """
    import ray

    ray.init(address="local", num_cpus=cpus, include_dashboard=False, _temp_dir=folder, **options)


def in_words(error: BaseException) -> str:
    """Return what Ray says of a cluster that it does not join in one line; of other versions it says it in seven."""
    found = re.findall(r"(?:Ray|Python): (\S+)", str(error))
    if "Version mismatch" not in str(error) or len(found) != 4:
        return last_line(error)
    ray, python, own_ray, own_python = found
    return f"it runs Ray {ray} and Python {python}, {OWN_VERSIONS} Ray {own_ray} and Python {own_python}"


@dataclass(frozen=True)
class Head:
    """What the head of a cluster says.

    Attributes:
        session: Which head it is: one that was started again has another, unless it keeps its state in a store.
        nodes: The CPUs of each node that is alive, by the node's id.
    """

    session: str
    nodes: Mapping[str, float]


def head_at(address: str) -> Head | None:
    """Ask the head that listens at *address*, by a connection of its own; None if it does not answer.

    Ray's public functions use the connection of this process, with which a head of another cluster ends the process.
    """
    from ray._raylet import GcsClient  # type: ignore[attr-defined]

    try:
        client = GcsClient(address=address)
        session = client.internal_kv_get(b"session_name", b"session", timeout=ANSWER_SECONDS)
        nodes = client.get_all_node_info(timeout=ANSWER_SECONDS)
    except Exception:  # noqa: BLE001  # Ray raises anything; the next question may be answered
        return None
    alive = {key.hex(): float(node.resources_total.get("CPU", 0)) for key, node in nodes.items() if not node.state}
    return Head(session.decode(), alive) if session else None
