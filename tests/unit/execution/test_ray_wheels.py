"""Wheels for the nodes of a cluster: found in the workspace, unpacked, given to Ray."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from quantflow.errors import ConfigError
from quantflow.execution import ray, ray_wheels

NAME = "dist/own-1-py3-none-any.whl"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel of a package and a module, in a workspace."""
    path = tmp_path / NAME
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("own/__init__.py", "own/part.py", "single.py", "own-1.dist-info/METADATA"):
            archive.writestr(name, "")
    return path


def test_they_are_looked_for_in_the_workspace(wheel: Path, tmp_path: Path) -> None:
    """Before anything is started: one that is not there, or is something else, is named with the setting."""
    assert ray_wheels.found([NAME], tmp_path) == [wheel]
    with pytest.raises(ConfigError, match=r"There is no wheel .*own-2.*ray_wheels"):
        ray_wheels.found(["dist/own-2-py3-none-any.whl"], tmp_path)
    wheel.write_text("not an archive")
    with pytest.raises(ConfigError, match=r"is not a wheel \(execution.ray_wheels\)"):
        ray_wheels.found([NAME], tmp_path)


def test_they_are_unpacked_for_the_block(wheel: Path) -> None:
    """Each folder and module at the top, and what says the version."""
    with ray_wheels.unpacked([wheel, wheel]) as modules:
        assert [Path(path).name for path in modules] == ["own", "own-1.dist-info", "single.py"] * 2
        assert Path(modules[0], "part.py").is_file()
    assert not Path(modules[0]).exists()


def test_a_cluster_is_given_them(wheel: Path, mocker: MockerFixture) -> None:
    """Both where it is tried and where it is joined; without any, Ray makes no environment for them."""
    mocker.patch.object(ray, "probe")
    began, joined = mocker.patch.object(ray, "_began"), mocker.patch.object(ray, "_join")
    with ray._begin("h:1", None, {"A": "b"}, [wheel]):
        env = joined.call_args.kwargs["runtime_env"]
        assert [Path(path).name for path in env["py_modules"]] == ["own", "own-1.dist-info", "single.py"]
        assert began.call_args.args[0] == {"address": "h:1", "runtime_env": env}
    ray._begin("h:1", None, {"A": "b"})
    assert joined.call_args.kwargs == {"runtime_env": {"env_vars": {"A": "b"}}}
