"""``quantflow orders`` as a job runs it: a process of its own, its exit code, its file, its words."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from processes import run_cli
from quantflow.desk.publish import mark_stale
from quantflow.runs.run import Run
from recorded import Name, recorded

NAMES = {"AAA": Name([1, 100.0]), "BBB": Name([1, 50.0])}
WEIGHTS = {"AAA": 0.6, "BBB": 0.4}
HEADER = "symbol,side,quantity,price,notional,current_weight,target_weight,cost,reason\n"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A workspace with a book, and holdings that are all cash."""
    found = recorded(tmp_path, NAMES, WEIGHTS)
    folder = tmp_path / "current" / "demo"
    folder.mkdir(parents=True)
    told = {"run_id": found.id, "as_of": "2022-12-28", "weights": WEIGHTS}
    (folder / "book.json").write_text(json.dumps(told))
    (tmp_path / "holdings.csv").write_text("symbol,quantity\ncash,10010\n")
    return found


def test_exit_code_10_means_that_there_are_orders(run: Run, tmp_path: Path) -> None:
    """10 with orders and 0 without, only with --detailed-exitcode; the file is written either way."""
    command = ("orders", "--holdings", "holdings.csv")
    file = run.folder / "orders.csv"
    asked = run_cli(*command, "--detailed-exitcode", cwd=tmp_path)
    assert asked.returncode == 10, asked.stderr
    rows = [line.split(",")[:3] for line in file.read_text().splitlines()[1:]]
    assert rows == [["AAA", "BUY", "60.0"], ["BBB", "BUY", "80.0"]]
    assert run_cli(*command, cwd=tmp_path).returncode == 0
    (tmp_path / "holdings.csv").write_text("symbol,quantity\nAAA,60\nBBB,80\ncash,4\n")
    held = run_cli(*command, "--detailed-exitcode", cwd=tmp_path)
    assert held.returncode == 0, held.stderr
    assert file.read_text() == HEADER


def test_the_screen_says_what_why_and_what_is_left(run: Run, tmp_path: Path) -> None:
    """Orders, names left alone with the rule, totals, and where the file is; nothing on stderr."""
    (tmp_path / "holdings.csv").write_text("symbol,quantity,price\nAAA,60,\nOLD,1.5,100\ncash,4000,\n")
    shown = run_cli("orders", "latest", "--holdings", "holdings.csv", "--out", "mine.csv", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert shown.stderr == ""
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["OLD", "SELL", "1.5", "100", "150.00", "1.48%", "0.00%", "0.09", "exit"] in lines
    assert ["BBB", "BUY", "81", "50", "4050.00", "0.00%", "40.00%", "2.43", "enter"] in lines
    assert ["AAA", "59.11%", "60.00%", "less", "than", "a", "lot", "0.88488", "1"] in lines
    assert "2 orders: 41.38% of 10150.00 USD traded, cost 2.52, cash 4000.00 → 97.48" in shown.stdout
    assert f"written {tmp_path / 'mine.csv'}" in shown.stdout


def test_a_stale_book_ends_with_23(run: Run, tmp_path: Path) -> None:
    """Said and refused, nothing written; with --stale-ok it is warned of, and taken."""
    mark_stale(run, ["it failed"])
    command = ("orders", "--holdings", "holdings.csv", "--json")
    refused = run_cli(*command, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (23, "")
    assert "it failed" in refused.stderr
    assert not (run.folder / "orders.csv").exists()
    taken = run_cli(*command, "--stale-ok", cwd=tmp_path)
    assert taken.returncode == 0, taken.stderr
    assert "it failed" in json.loads(taken.stdout)["stale"]
    assert "warning: the book is stale" in run_cli(*command[:-1], "--stale-ok", cwd=tmp_path).stderr


def test_out_writes_what_a_link_names_and_files_alone(run: Run, tmp_path: Path) -> None:
    """A link stays a link, and its file is written; what is not a file, such as a pipe, is refused and stays."""
    (tmp_path / "far").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "far" / "orders.csv")
    os.mkfifo(tmp_path / "pipe")
    command = ("orders", "--holdings", "holdings.csv", "--out")
    assert run_cli(*command, "link.csv", cwd=tmp_path).returncode == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "far" / "orders.csv").read_text().startswith(HEADER)
    refused = run_cli(*command, "pipe", cwd=tmp_path)
    assert refused.returncode == 2
    assert "pipe cannot be written: it is not a file" in refused.stderr
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--holdings", "none.csv"), "none.csv cannot be read"),
        (("--holdings", "holdings.csv", "--capital", "-1"), "--capital -1 must be a positive amount"),
        (("--holdings", "holdings.csv", "--out", "none/o.csv"), "cannot be written"),
        (("RUN", "--holdings", "holdings.csv"), "No run named 'RUN'"),
    ],
)
def test_wrong_usage_ends_with_2(run: Run, tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    """One line of what is wrong and a hint."""
    ended = run_cli("orders", *arguments, cwd=tmp_path)
    assert ended.returncode == 2
    assert says in ended.stderr
    assert "hint: " in ended.stderr
