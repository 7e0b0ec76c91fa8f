"""The notebook of the examples, and the code that the documents show for one, run as they stand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from processes import bare_environment

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "notebook" / "research.ipynb"
SHOWN = (ROOT / "docs" / "research.md", ROOT / "README.md")

RUN = """
import ast, sys

def shown(value):
    if value is None:
        return
    html = getattr(value, "to_html", getattr(value, "_repr_html_", lambda: "plain"))()
    assert html and repr(value), value

if __name__ == "__main__":
    names = {{}}
    for cell in {cells}:
        tree = ast.parse(cell)
        last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "cell", "exec"), names)
        if last is not None:
            shown(eval(compile(last, "cell", "eval"), names))
    print("done", len(names["quantflow"].runs()))
"""
"""Runs cells one after the other, and has the value of each last line show itself as a notebook would."""


def test_the_notebook_runs_as_it_stands(fresh: Path) -> None:
    """Every cell, in an empty folder, and every value shows itself; a second run finds all of it done."""
    cells = [
        "".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_bytes())["cells"] if cell["cell_type"] == "code"
    ]
    assert _run(cells, fresh) == "done 2"
    shown = [block for page in SHOWN for block in _blocks(page)]
    assert len(shown) == 2
    assert _run([*cells, *shown], fresh) == "done 3"


def _blocks(page: Path) -> list[str]:
    return re.findall(r"^```python notebook\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def _run(cells: list[str], home: Path) -> str:
    script = home / "cells.py"
    script.write_text(RUN.format(cells=cells))
    done = subprocess.run(
        [sys.executable, str(script)], cwd=home, env=bare_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()
