"""What stands before a team's API server: TLS with an authority of its own, and Prefect Cloud's addresses and keys."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme

ACCOUNT, PLACE = "2dcd9f27-6bb8-4fd4-9a6a-6a0b9ffb7c29", "4a1c5f1e-52f4-4c1f-8f5b-3a1d6a1f0b11"
CLOUD_PATH = f"/api/accounts/{ACCOUNT}/workspaces/{PLACE}"
NOT_IN_CLOUD = ("/api/admin/", "/api/csrf-token", "/api/version")
"""What Prefect's server has, and Prefect Cloud has not."""
IN_BAND = ("/api/events/out", "/api/logs/out")
Head = tuple[str, str, list[str]]


@dataclass
class Gateway:
    """A gateway that runs.

    Attributes:
        port: Its port on ``localhost``.
        authority: The file of the authority that has signed its certificate.
        asked: The method, path and answer of each request so far: ``GET /api/health 200``.
    """

    port: int
    authority: Path
    asked: list[str] = field(default_factory=list)


def as_it_is(head: Head) -> Head | int:
    """Pass a request on unchanged."""
    return head


def of_cloud(key: str) -> Callable[[Head], Head | int]:
    """Answer as Prefect Cloud does: below a workspace's address alone, and to who shows *key*.

    Those who listen to events show it in their first message, which is not looked at here.
    """

    def mapped(head: Head) -> Head | int:
        method, path, lines = head
        if not path.startswith(f"{CLOUD_PATH}/"):
            return 404
        path = "/api" + path.removeprefix(CLOUD_PATH)
        shown = f"authorization: bearer {key}".lower() in [line.lower() for line in lines]
        if not shown and not path.startswith(IN_BAND):
            return 401
        if path.startswith(NOT_IN_CLOUD):
            return 404
        return method, path, [line for line in lines if not line.lower().startswith("authorization:")]

    return mapped


@contextmanager
def gateway(server_port: int, folder: Path, rewrite: Callable[[Head], Head | int] = as_it_is) -> Iterator[Gateway]:
    """Pass what comes over TLS on to a server on loopback, a request per connection, websockets too.

    Args:
        server_port: The server's port.
        folder: Where the authority's certificate is written.
        rewrite: What becomes of each request: another one, or a refusal.
    """
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    found = Gateway(0, folder / "authority.pem")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            await _one(reader, writer, found, server_port, rewrite)

    listening = asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    server = asyncio.run_coroutine_threadsafe(listening, loop).result(10)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


async def _one(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    found: Gateway,
    port: int,
    rewrite: Callable[[Head], Head | int],
) -> None:
    """Pass on one request, and whatever follows it on its connection, until either side is done."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    told = rewrite((method, path, lines))
    if isinstance(told, int):
        found.asked.append(f"{method} {path} {told}")
        writer.write(f"HTTP/1.1 {told} Refused\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())
        await writer.drain()
        return
    behind, ahead = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.closing(ahead):
        ahead.write(_head(told).encode("latin-1"))
        answer = await _passed_on(reader, writer, behind, ahead)
        found.asked.append(f"{method} {path} {answer}")


def _head(head: Head) -> str:
    """Return a request's head, with which the connection ends unless it becomes a websocket."""
    method, path, lines = head
    if not any(re.match("upgrade:", line, re.IGNORECASE) for line in lines):
        lines = [*(line for line in lines if not line.lower().startswith("connection:")), "Connection: close"]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])


async def _passed_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    behind: asyncio.StreamReader,
    ahead: asyncio.StreamWriter,
) -> str:
    """Pass bytes both ways until the server is done; return its status."""
    status = ""

    async def up() -> None:
        while chunk := await reader.read(65536):
            ahead.write(chunk)
            await ahead.drain()
        ahead.close()

    upward = asyncio.ensure_future(up())
    with contextlib.suppress(OSError):
        while chunk := await behind.read(65536):
            status = status or chunk.split(b" ", 2)[1].decode("latin-1")
            writer.write(chunk)
            await writer.drain()
    upward.cancel()
    with contextlib.suppress(asyncio.CancelledError, OSError):
        await upward
    return status
