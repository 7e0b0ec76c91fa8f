"""When the API server does not do its part, the cause that can be seen is what is told."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from quantflow.flows.worker import api_lost


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A folder on a real, full file system."""
    there = tmp_path / "full"
    there.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(there)], check=True)
    try:
        yield there
    finally:
        subprocess.run(["umount", str(there)], check=True)


def test_a_full_disk_is_blamed_before_the_server(full: Path) -> None:
    """A server that cannot write its database answers with errors, or not at all."""
    found = api_lost(httpx.ConnectError("no answer"), full)
    assert found.message == f"{full} cannot be written: {os.strerror(28)}."
    assert "Free space" in str(found.hint)


def test_a_refused_credential_is_told_as_such(tmp_path: Path) -> None:
    """A server that answers 401 does answer."""
    request = httpx.Request("POST", "http://host/api")
    error = httpx.HTTPStatusError("401", request=request, response=httpx.Response(401, request=request))
    found = api_lost(error, tmp_path)
    assert "refuses this client (HTTP 401)" in found.message
    assert "PREFECT_API_AUTH_STRING" in str(found.hint)


def test_else_the_server_does_not_answer(tmp_path: Path) -> None:
    """In the last line of what the client said, which is the cause."""
    assert api_lost("first\nlast", tmp_path).message == "The API server does not answer: last"
    assert list(tmp_path.iterdir()) == []
