"""A kept server that cannot live is given up, and not started for a minute and a half."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from quantflow.errors import InfrastructureError
from quantflow.server import kept as kept_server


def test_a_server_that_ends_while_it_starts_is_given_up(tmp_path: Path, mocker: MockerFixture) -> None:
    """After a second try; its log is named, where the cause is."""
    pids = itertools.count(1)
    states = ({"pid": pid, "url": "http://127.0.0.1:9/api"} for pid in pids)
    begun = mocker.patch.object(kept_server, "join_or_start", side_effect=lambda home, parts: next(states))
    mocker.patch.object(kept_server, "keep", return_value=False)
    at = time.monotonic()
    with pytest.raises(InfrastructureError, match="ends while it starts") as raised:
        kept_server.start_server(tmp_path)
    assert time.monotonic() - at < 5
    assert begun.call_count == kept_server.STARTS + 1
    assert "server.log" in str(raised.value.hint)
