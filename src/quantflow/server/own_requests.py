"""What the embedded API server refuses before Prefect sees it: requests that a web page of another site makes.

A browser sends them to loopback as readily as to any address, and a rebound name makes them look like its own.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def refusal(headers: Iterable[tuple[bytes, bytes]], port: int) -> str | None:
    """Return why a request is refused; None when its ``Host`` is this server and its ``Origin``, if any, is too.

    Args:
        headers: Names in lower case, with their values, as ASGI has them.
        port: The server's port on loopback.
    """
    own = {f"127.0.0.1:{port}", f"localhost:{port}"}
    hosts = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
    origins = [value.decode("latin-1").lower() for name, value in headers if name == b"origin"]
    if len(hosts) != 1 or hosts[0] not in own:
        return f"Host must be 127.0.0.1:{port}"
    if any(origin not in {f"http://{host}" for host in own} for origin in origins):
        return "requests of other origins are refused"
    return None


def policy(port: int) -> bytes:
    """Return the Content-Security-Policy of the server's pages: they ask no server but this one for anything."""
    own = " ".join(f"{scheme}://{host}:{port}" for scheme in ("http", "ws") for host in ("127.0.0.1", "localhost"))
    return f"default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; connect-src 'self' {own}".encode()


def _confined(send: Send, port: int) -> Send:
    async def confined(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"content-security-policy", policy(port))]}
        await send(message)

    return confined


class OwnRequestsOnly:
    """An ASGI application that hands on requests to this server by its own name, and answers all others with 403.

    Args:
        app: The application.
        port: The server's port on loopback.
    """

    def __init__(self, app: App, port: int) -> None:
        self._app, self._port = app, port

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        why = refusal(scope.get("headers", ()), self._port) if scope["type"] in ("http", "websocket") else None
        if why is None:
            await self._app(scope, receive, _confined(send, self._port))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": why})  # before accepting: HTTP 403
        else:
            body = json.dumps({"exception_message": why}).encode()
            head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 403, "headers": head})
            await send({"type": "http.response.body", "body": body})
