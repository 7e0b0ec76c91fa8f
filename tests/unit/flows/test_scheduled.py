"""A scheduled run is refused where the process that has started it serves nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from quantflow.errors import ConfigError
from quantflow.flows.scheduled import _refuse_unserved
from quantflow.runs.lock import owned


def test_a_workspace_that_the_parent_serves_is_run(tmp_path: Path, mocker: MockerFixture) -> None:
    """And no other one, also while somebody else serves it."""
    served = tmp_path / ".quantflow" / "serve"
    served.mkdir(parents=True)
    with pytest.raises(ConfigError, match="is not served by the process"):
        _refuse_unserved(tmp_path)
    with owned(served):
        with pytest.raises(ConfigError, match="is not served by the process"):
            _refuse_unserved(tmp_path)
        mocker.patch("os.getppid", return_value=os.getpid())
        _refuse_unserved(tmp_path)
