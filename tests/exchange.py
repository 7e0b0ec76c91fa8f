"""A small exchange on loopback that speaks the public REST dialect of Binance, with faults to order.

Point a profile at it with ``data = {provider = "ccxt", exchange = "binance", base_url = exchange.url}``.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

DAY = 86_400_000


class Fault(StrEnum):
    """What can go wrong with one answer."""

    RATE_LIMIT = "429 with Retry-After"
    SERVER_ERROR = "500"
    RESET = "connection reset"
    STALL = "half a body, then silence"
    SHORT = "connection closed in the middle of the body"
    TRUNCATED = "half of the JSON"
    HTML = "a page of HTML"
    FORBIDDEN = "401, the key is wrong"
    VANISHED = "the symbol is unknown"
    DUPLICATE = "the last bar twice"
    UNORDERED = "newest bar first"
    FUTURE = "a bar of ten days ahead"


@dataclass
class _Order:
    fault: Fault
    path: str
    left: int


class FakeExchange:
    """The exchange; a context manager that serves while it is open.

    Prices are random walks that depend on the symbol's name alone; the same names give the same bars.

    Args:
        bases: The base assets; each is traded against *quote*, the first with the largest volume.
        quote: The quote asset.
        first: The day of the first bar.
        today: The day of the last bar, which is still open; None for the real today (UTC).

    Attributes:
        bars: Rows ``[day stamp in ms, open, high, low, close, volume]`` by Binance's symbol, e.g. ``"BTCUSDT"``; a
            test may change them.
        requests: Path and query of each request so far.
    """

    retry_after = 7
    """Seconds in the Retry-After header of a 429."""

    def __init__(
        self, bases: Sequence[str], *, quote: str = "USDT", first: date = date(2023, 1, 1), today: date | None = None
    ) -> None:
        self.bases, self.quote = tuple(bases), quote
        last = today or datetime.now(UTC).date()
        self.bars = {f"{base}{quote}": _walk(base, first, last) for base in self.bases}
        self.requests: list[str] = []
        self._orders: list[_Order] = []
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def order(self, fault: Fault, times: int = 1, path: str = "klines") -> None:
        """Let the next *times* requests whose path and query contain *path* go wrong."""
        self._orders.append(_Order(fault, path, times))

    def __enter__(self) -> FakeExchange:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def _due(self, request: str) -> Fault | None:
        for order in self._orders:
            if order.left and order.path in request:
                order.left -= 1
                return order.fault
        return None

    def _answer(self, request: str) -> tuple[int, Any]:
        parts = urlsplit(request)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        match parts.path.rpartition("/")[2]:
            case "exchangeInfo":
                return 200, {"symbols": [self._market(base) for base in self.bases]}
            case "24hr":
                return 200, [self._ticker(rank, base) for rank, base in enumerate(self.bases)]
            case "klines":
                return self._klines(query)
        return 404, {"code": -1, "msg": "no such endpoint"}

    def _market(self, base: str) -> dict[str, Any]:
        return {
            "symbol": f"{base}{self.quote}",
            "status": "TRADING",
            "baseAsset": base,
            "quoteAsset": self.quote,
            "isSpotTradingAllowed": True,
            "permissions": ["SPOT"],
            "orderTypes": ["LIMIT", "MARKET"],
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
                {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "9000", "stepSize": "0.001"},
                {"filterType": "NOTIONAL", "minNotional": "5.0"},
            ],
        }

    def _ticker(self, rank: int, base: str) -> dict[str, Any]:
        volume = str(1e9 / (rank + 1))
        return {"symbol": f"{base}{self.quote}", "lastPrice": "1.0", "volume": volume, "quoteVolume": volume}

    def _klines(self, query: dict[str, str]) -> tuple[int, Any]:
        if query.get("symbol") not in self.bars:
            return 400, {"code": -1121, "msg": "Invalid symbol."}
        first, limit = int(query.get("startTime", 0)), int(query.get("limit", 500))
        rows = [row for row in self.bars[query["symbol"]] if row[0] >= first][:limit]
        return 200, [_kline(row) for row in rows]


def _walk(base: str, first: date, last: date) -> list[list[float]]:
    """Return daily bars of a random walk seeded by the name, two decimals, oldest first."""
    rng = np.random.default_rng(list(base.encode()))
    count = (last - first).days + 1
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0.0005, 0.03, count))) + 1, 2)
    opens = np.round(np.concatenate((close[:1], close[:-1])), 2)
    high, low = np.maximum(opens, close) + 0.5, np.minimum(opens, close) - 0.5
    volume = np.round(rng.uniform(1e3, 1e4, count), 3)
    zero = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()) * 1000
    stamps = [zero + DAY * day for day in range(count)]
    columns = (stamps, *(column.round(2).tolist() for column in (opens, high, low, close)), volume.tolist())
    return [list(row) for row in zip(*columns, strict=True)]


def _kline(row: list[float]) -> list[Any]:
    stamp, *values = row
    return [int(stamp), *(str(value) for value in values), int(stamp) + DAY - 1, "0", 1, "0", "0", "0"]


def _handler(exchange: FakeExchange) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers one request, rightly or as ordered."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            exchange.requests.append(self.path)
            fault = exchange._due(self.path)
            status, value = exchange._answer(self.path)
            if fault is Fault.RESET:
                self._reset()
            elif fault in _ANSWERS:
                wait = {"Retry-After": str(exchange.retry_after)} if fault is Fault.RATE_LIMIT else {}
                self._send(*_ANSWERS[fault], wait)
            else:
                body = json.dumps(_bent(value, fault)).encode()
                self._send(status, body[: len(body) // 2] if fault is Fault.TRUNCATED else body, {}, fault)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def _send(self, status: int, body: bytes, headers: dict[str, str], fault: Fault | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if body.startswith(b"<") else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            for name, text in headers.items():
                self.send_header(name, text)
            self.end_headers()
            broken = fault in (Fault.STALL, Fault.SHORT)
            self.wfile.write(body[: len(body) // 2] if broken else body)
            self.wfile.flush()
            if fault is Fault.STALL:
                exchange._closing.wait(60)

        def _reset(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.rfile.close()
            self.connection.close()

    return Handler


_ANSWERS: dict[Fault | None, tuple[int, bytes]] = {
    Fault.RATE_LIMIT: (429, b'{"code": -1003, "msg": "Too many requests."}'),
    Fault.SERVER_ERROR: (500, b'{"code": -1000, "msg": "Internal error."}'),
    Fault.FORBIDDEN: (401, b'{"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}'),
    Fault.VANISHED: (400, b'{"code": -1121, "msg": "Invalid symbol."}'),
    Fault.HTML: (200, b"<html><body>We will be back soon.</body></html>"),
}


def _bent(value: Any, fault: Fault | None) -> Any:
    """Return the rows of an answer with a fault of their own."""
    if fault is Fault.DUPLICATE:
        return [*value, value[-1]]
    if fault is Fault.UNORDERED:
        return value[::-1]
    if fault is Fault.FUTURE:
        ahead = int((datetime.now(UTC) + timedelta(days=10)).timestamp() * 1000) // DAY * DAY
        return [*value, [ahead, *value[-1][1:]]]
    return value
