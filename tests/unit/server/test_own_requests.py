"""The embedded API server answers requests by its own name only."""

from __future__ import annotations

import pytest

from quantflow.server.own_requests import refusal

HOST = (b"host", b"127.0.0.1:4711")


@pytest.mark.parametrize(
    "headers",
    [[HOST], [(b"host", b"LOCALHOST:4711")], [HOST, (b"origin", b"http://127.0.0.1:4711")]],
)
def test_its_own_clients_are_served(headers: list[tuple[bytes, bytes]]) -> None:
    """A client that names the server as it is, and a page that it has served itself, pass."""
    assert refusal(headers, 4711) is None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"evil.example:4711")],
        [(b"host", b"127.0.0.1:80")],
        [HOST, HOST],
        [HOST, (b"origin", b"http://evil.example")],
        [HOST, (b"origin", b"https://127.0.0.1:4711")],
        [HOST, (b"origin", b"null")],
        [HOST, (b"origin", b"http://127.0.0.1:4711.evil.example")],
    ],
)
def test_pages_of_other_sites_are_not(headers: list[tuple[bytes, bytes]]) -> None:
    """A rebound name, another port, an opaque or a foreign origin are refused."""
    assert refusal(headers, 4711)
