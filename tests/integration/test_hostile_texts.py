"""A vendor's file whose texts would steer the terminal, through every command that shows a run."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from processes import bare_environment
from quantflow.ops.starter import instruments, prices

CLEAR, TITLE, C1, BIDI = "\x1b[2J", "\x1b]0;owned\x07", "\x9b5m", "\u202e"
OWN = re.compile(r"\x1b\[[\d;]*[mKAGH]|\x1b\[\?25[lh]")
"""What the live view and tables draw with: colours, erased lines, cursor movements, the cursor hidden and shown."""
BAD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prices of the sample with three symbols renamed and two of them described like an attack; one run of them."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "data").mkdir()
    head, _, rest = prices().partition("\n")
    names = {"KO": "-KO", "JNJ": "=JNJ", "MRK": f"M{CLEAR}"}
    head = ",".join(names.get(name, name) for name in head.split(","))
    (folder / "data/prices.csv").write_text(f"{head}\n{rest}", encoding="utf-8")
    rows = list(csv.DictReader(instruments().splitlines()))
    for row in rows:
        row["symbol"] = names.get(row["symbol"], row["symbol"])
        row["sector"] = {"AAPL": f"IT{TITLE}", "PEP": f"Staples{C1}"}.get(row["symbol"], row["sector"])
        row["name"] = f"{BIDI}nib" if row["symbol"] == "XOM" else row["name"]
    with (folder / "data/instruments.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (folder / "quantflow.toml").write_text(
        '[profiles.p.data]\nprovider = "files"\npath = "data/prices.csv"\ninstruments = "data/instruments.csv"\n'
        '[profiles.p.policy]\ntop_n = 5\nmin_winners = 2\n[profiles.p.rebalance]\nevery = "quarterly"\n'
    )
    done = run("select --profile p --run-id one", folder)
    assert done.returncode == 0, done.stderr
    assert_harmless(done.stdout + done.stderr)
    return folder


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command with pipes for its output."""
    command = [sys.executable, "-m", "quantflow", *line.split()]
    options = {"capture_output": True, "text": True, "timeout": 240, "check": False}
    return subprocess.run(command, cwd=folder, env=bare_environment(), **options)  # type: ignore[call-overload,no-any-return]


def on_a_terminal(line: str, folder: Path) -> str:
    """What a command writes to a terminal that is its standard output and error."""
    reader, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "quantflow", *line.split()],
        cwd=folder,
        env={**bare_environment(), "TERM": "xterm", "COLUMNS": "200"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    text = b"".join(_read(reader)).decode()
    os.close(reader)
    process.wait(60)
    return text


def _read(reader: int) -> Iterator[bytes]:
    while True:
        try:
            found = os.read(reader, 65536)
        except OSError:  # the last one who had the terminal has closed it
            return
        if not found:
            return
        yield found


def assert_harmless(text: str) -> None:
    """Nothing but what quantflow draws with itself."""
    assert BAD.findall(OWN.sub("", text)) == []


SHOWING = (
    *("inspect one", "inspect", "inspect one --stage ingestion", "checks one", "why -KO one", "why AAPL one", "status"),
    *("profiles show p --sources", "profiles validate", "select --profile p --force --dry-run", "doctor"),
    f"select --profile {CLEAR}{TITLE}{C1}{BIDI}",
    f"inspect {CLEAR}{C1}",
    f"why {CLEAR}{BIDI} one",
    f"orders one --holdings {CLEAR}{C1}.csv",
    f"checks one --no{CLEAR}",
    f"select --profile p --workspace {TITLE}",
)


@pytest.mark.parametrize("line", SHOWING, ids=ascii)
def test_no_command_sends_them_to_a_terminal(line: str, workspace: Path) -> None:
    """Neither where output is drawn, nor plain, nor in an error, nor as JSON."""
    assert_harmless(on_a_terminal(line, workspace))
    for each in (line, f"{line} --json"):
        done = run(each, workspace)
        assert_harmless(done.stdout + done.stderr)


def test_the_live_view_shows_them_spelled_out(workspace: Path) -> None:
    """A whole run on a terminal: its own movements of the cursor, and none of the file's."""
    text = on_a_terminal("select --profile p --run-id two --set policy.top_n=4", workspace)
    assert "\x1b[?25l" in text
    assert_harmless(text)


def test_the_symbols_are_set_aside_and_shown(workspace: Path) -> None:
    """One for itself, two for their sector, one for its name; checks says so, escaped."""
    found = json.loads(run("checks one --json", workspace).stdout)
    row = next(row for row in found["checks"] if row["check"] == "printable")
    assert sorted(row["symbols"]) == ["AAPL", "M\\u001b[2J", "PEP", "XOM"]
    assert "M\\u001b[2J" in run("checks one", workspace).stdout


def test_files_for_people_hold_none(workspace: Path) -> None:
    """Weights, brief, report and log; and no symbol begins as a formula does."""
    folder = workspace / "runs/one"
    for name in ("weights.csv", "brief.txt", "report.html", "log.txt", "events.jsonl"):
        assert_harmless((folder / name).read_text(encoding="utf-8"))
    symbols = [row["symbol"] for row in csv.DictReader((folder / "weights.csv").open(encoding="utf-8", newline=""))]
    assert not [symbol for symbol in symbols if symbol.startswith(("=", "+", "-", "@"))]


def test_orders_of_such_symbols_come_back_as_holdings(workspace: Path) -> None:
    """A file of orders, with its quantities taken as bought, is an account that needs no further order."""
    held = workspace / "held.csv"
    held.write_text("symbol,quantity\n'-KO,3\n'=JNJ,4\ncash,100000\n")
    done = run("orders one --holdings held.csv --out orders.csv", workspace)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^(-KO|=JNJ) ", done.stdout, re.MULTILINE)
    rows = list(csv.DictReader((workspace / "orders.csv").open(encoding="utf-8", newline="")))
    assert {"'-KO", "'=JNJ"} & {row["symbol"] for row in rows}
    units = {"'-KO": 3.0, "'=JNJ": 4.0}
    for row in rows:
        signed = float(row["quantity"]) * (1 if row["side"] == "BUY" else -1)
        units[row["symbol"]] = units.get(row["symbol"], 0.0) + signed
    cash = re.search(r"→ ([\d.]+)", done.stdout)
    assert cash
    lines = [f"{symbol},{quantity}" for symbol, quantity in units.items()]
    held.write_text("\n".join(["symbol,quantity", *lines, f"cash,{cash[1]}"]) + "\n")
    again = run("orders one --holdings held.csv", workspace)
    assert "0 orders" in again.stdout, again.stdout
