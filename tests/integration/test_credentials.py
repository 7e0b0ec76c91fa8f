"""Credentials in a profile's addresses: used where data are fetched, and found nowhere else."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest

from processes import run_cli

USER, PASSWORD, TOKEN = "ann", "s3cr3t-Pa55word", "tok-0123456789abcdef"


class Vault(ThreadingHTTPServer):
    """Serves one CSV file to those who know both the password and the token; ``left`` more times."""

    def __init__(self, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body, self.left = body, 0

    @property
    def address(self) -> str:
        """The file's address, credentials included."""
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self.server_port}/prices.csv?token={TOKEN}&year=all"


class _Handler(BaseHTTPRequestHandler):
    server: Vault

    def do_GET(self) -> None:
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        known = self.headers.get("Authorization") == f"Basic {basic}"
        known = known and parse_qs(urlsplit(self.path).query).get("token") == [TOKEN]
        if not known or self.server.left == 0:
            self.send_error(403, f"not for {self.path}")
            return
        self.server.left -= 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def prices() -> bytes:
    """Nine symbols, three years, long layout."""
    rng = np.random.default_rng(7)
    days = pd.bdate_range("2019-01-02", "2021-12-30")
    names = [f"S{i}" for i in range(9)]
    close = 50 * np.exp(np.cumsum(rng.normal(4e-4, 0.012, (len(days), len(names))), axis=0))
    table = pd.DataFrame(close, index=days, columns=names).rename_axis("date").reset_index()
    return table.melt("date", var_name="symbol", value_name="close").to_csv(index=False).encode()


@pytest.fixture(scope="module")
def vault() -> Iterator[Vault]:
    server = Vault(prices())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def traces(workspace: Path) -> list[str]:
    """The files below the workspace, other than the user's own profile, that hold a credential in any form."""
    words = [text.encode() for text in (PASSWORD, TOKEN, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())]
    files = [path for path in workspace.rglob("*") if path.is_file() and path.name != "quantflow.toml"]
    return [str(path.relative_to(workspace)) for path in files if any(word in path.read_bytes() for word in words)]


def test_credentials_leave_no_trace(vault: Vault, fresh: Path) -> None:
    """A run that fails at the door, and its resume: no file, database or output names the password or the token."""
    (fresh / "quantflow.toml").write_text(
        "[profiles.private]\n"
        f'data = {{ provider = "files", path = "{vault.address}" }}\n'
        'validation = { min_history = 400 }\nrebalance = { every = "quarterly" }\n'
    )
    vault.left = 1  # for the last date, which is asked before there is a run
    refused = run_cli("select", "-p", "private", "--as-of", "2021-12-30", "--run-id", "r", cwd=fresh)
    assert refused.returncode == 21, refused.stderr
    assert "answered 403" in refused.stderr
    vault.left = 99
    done = run_cli("resume", "r", "--json", cwd=fresh)
    assert done.returncode == 0, done.stderr
    assert vault.left < 99
    shown = run_cli("inspect", "r", "--json", cwd=fresh)
    texts = refused.stdout + refused.stderr + done.stdout + done.stderr + shown.stdout
    assert PASSWORD not in texts
    assert TOKEN not in texts
    assert "year=all" in shown.stdout
    assert traces(fresh) == []
