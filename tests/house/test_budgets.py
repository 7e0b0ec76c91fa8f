"""Budgets that keep the code readable."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "src" / "quantflow"
FILES = sorted(ROOT.rglob("*.py"))
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def code_lines(text: str) -> set[int]:
    """The numbers of the lines that hold code: no blank line, no comment."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {line for t in tokens if t.type not in LAYOUT for line in range(t.start[0], t.end[0] + 1)}


def length(function: FUNCTION, code: set[int]) -> int:
    """The lines of code in a function, its docstring and decorators not counted."""
    lines = set(range(function.lineno, (function.end_lineno or function.lineno) + 1))
    if ast.get_docstring(function, clean=False) is not None:
        text = function.body[0]
        lines -= set(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    return len(lines & code)


def test_length_counts_code_alone() -> None:
    """Docstrings, comments and blank lines are free."""
    text = 'def f(\n    x,\n):\n    """Two\n    lines."""\n    # a comment\n\n    return x\n'
    function = ast.parse(text).body[0]
    assert isinstance(function, FUNCTION)
    assert length(function, code_lines(text)) == 4


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_and_files_are_short(path: Path) -> None:
    """A function has at most 50 lines of code, a file at most 400 lines."""
    text = path.read_text(encoding="utf-8")
    code = code_lines(text)
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, FUNCTION)]
    assert {f.name: n for f in functions if (n := length(f, code)) > 50} == {}
    assert len(text.splitlines()) <= 400


@pytest.mark.parametrize("name", ["utils", "util", "helpers", "misc", "common"])
def test_every_module_says_what_it_is_for(name: str) -> None:
    """There is no drawer for what has no place."""
    assert [path for path in FILES if path.stem == name or path.parent.name == name] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_exemptions_name_what_they_exempt_from(path: Path) -> None:
    """Each ``noqa`` and ``type: ignore`` has a code; a broad ``except`` has its reason beside it."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        where = f"{path}:{number}: {line.strip()}"
        assert "# noqa" not in line or "# noqa: " in line, where
        assert "# type: ignore" not in line or "# type: ignore[" in line, where
        assert not line.strip().startswith("except Exception") or "#" in line, where
