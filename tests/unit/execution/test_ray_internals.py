"""What quantflow relies on in Ray that is not documented; each failure names Ray's version and what changed."""

from __future__ import annotations

import inspect
import os
import platform
from importlib.metadata import version

import pytest

from quantflow.execution import ray_internals as ours

VERSION = version("ray")


def changed(what: str) -> str:
    """What a test says when Ray is not what it was."""
    return f"Ray {VERSION}: {what} is not as execution/ray_internals.py relies on"


def test_a_job_keeps_the_current_folder_out() -> None:
    """Whatever Ray adds to the paths of a job's workers is left out."""
    job = ours.job_without_current_folder()
    job._py_driver_sys_path.extend(["/tmp"])
    assert list(job._py_driver_sys_path) == [], changed("JobConfig._py_driver_sys_path")
    import ray._private.worker as worker

    assert "_py_driver_sys_path.extend" in inspect.getsource(worker), changed("how a driver's folders reach a job")


def test_a_token_is_shown_within_the_block_alone() -> None:
    """Ray reads it again when it is set and when it is taken away; the environment is as before."""
    from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

    loader = AuthenticationTokenLoader.instance()
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 64}
    before = {name: os.environ.get(name) for name in token}
    with ours.token_shown(token):
        assert os.environ["RAY_AUTH_TOKEN"] == "a" * 64
        assert loader.get_raw_token() == "a" * 64, changed("AuthenticationTokenLoader")
    assert {name: os.environ.get(name) for name in token} == before
    assert not loader.has_token(), changed("AuthenticationTokenLoader.reset_cache")


def test_one_machine_means_loopback() -> None:
    """Within the block Ray takes loopback for this machine's address, and after it what it took before."""
    from ray._private import ray_constants, services

    before = ray_constants.ENABLE_RAY_CLUSTER
    with ours.on_loopback():
        address = services.resolve_ip_for_localhost("127.0.0.1")
        assert address == "127.0.0.1", changed("ENABLE_RAY_CLUSTER")
    assert before == ray_constants.ENABLE_RAY_CLUSTER
    (name,) = ours.LOOPBACK
    assert name in inspect.getsource(ray_constants), changed(name)


def test_ray_takes_a_folder() -> None:
    """``ray.init`` has the argument that names the folder of its files."""
    import ray

    source = inspect.getsource(ray.init)
    assert "_temp_dir" in source, changed("ray.init(_temp_dir=…)")
    assert "include_dashboard" in inspect.signature(ray.init).parameters, changed("ray.init(include_dashboard=…)")


def test_a_head_says_its_session_and_its_nodes() -> None:
    """To a client of its own, the session under the key by which Ray's nodes ask for it; a node that lives has 0."""
    from ray._private import node
    from ray._raylet import InnerGcsClient  # type: ignore[attr-defined]
    from ray.core.generated.gcs_pb2 import GcsNodeInfo

    assert hasattr(InnerGcsClient, "internal_kv_get"), changed("GcsClient.internal_kv_get")
    assert hasattr(InnerGcsClient, "get_all_node_info"), changed("GcsClient.get_all_node_info")
    assert GcsNodeInfo.ALIVE == 0, changed("GcsNodeInfo.ALIVE")
    assert '"session_name"' in inspect.getsource(node.Node.__init__), changed("the key session_name")


def test_other_versions_are_put_into_one_line() -> None:
    """Ray says them in seven; any other error is its last line."""
    from ray._private.utils import check_version_info

    there = {"ray_version": "2.1.0", "python_version": "3.9.1"}
    with pytest.raises(RuntimeError) as raised:
        check_version_info(there, "This process")
    said = ours.in_words(raised.value)
    assert said.startswith("it runs Ray 2.1.0 and Python 3.9.1, and this process Ray "), changed(
        "what it says of versions"
    )
    assert said.endswith(f"Ray {VERSION} and Python {platform.python_version()}"), changed("what it says of versions")
    assert ours.in_words(ConnectionError("first\nlast")) == "last"
