"""The house as a whole: folders that can be taken in at a glance, imports without circles, few exceptions."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2] / "src" / "quantflow"
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(ROOT.rglob("*.py"))}
MODULES = {
    ".".join(("quantflow", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in TREES
}
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(path: Path) -> int:
    """Lines of a file that hold code: no blank line, comment or docstring."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    lines = {line for t in tokens if t.type not in LAYOUT for line in range(t.start[0], t.end[0] + 1)}
    for node in ast.walk(TREES[path]):
        has_docstring = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if has_docstring and ast.get_docstring(node, clean=False) is not None:
            lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(lines)


def imports_in_functions(tree: ast.Module) -> int:
    """Import statements inside functions."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    found = {id(node) for each in functions for node in ast.walk(each) if isinstance(node, ast.Import | ast.ImportFrom)}
    return len(found)


def imported_by(tree: ast.Module) -> set[str]:
    """The modules of quantflow that a module imports, inside functions too; not those for type checkers alone."""
    for_types = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    left_out = {id(inner) for node in for_types for inner in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in left_out:
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inner or ({node.module} & MODULES.keys())
    return found


def test_no_folder_holds_more_than_twenty_modules() -> None:
    """What is looked for is found by reading one list."""
    count = Counter(path.parent for path in TREES)
    assert {str(folder.relative_to(ROOT)): n for folder, n in count.items() if n > 20} == {}


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    """Not inside functions either: what is below can be read, tested and changed without what is above."""
    graph = {name: imported_by(TREES[path]) - {name} for name, path in MODULES.items()}
    assert list(TopologicalSorter(graph).static_order())


def test_few_imports_are_inside_functions() -> None:
    """At most ten in 1,000 lines of code: where it keeps the command line light, or a library optional."""
    assert sum(map(imports_in_functions, TREES.values())) * 1000 <= 10 * sum(map(code_lines, TREES))


def test_few_types_are_any() -> None:
    """At most 18 in 1,000 lines of code: where a library has no types, or a value may be anything."""
    names = sum(isinstance(node, ast.Name) and node.id == "Any" for tree in TREES.values() for node in ast.walk(tree))
    assert names * 1000 <= 18 * sum(map(code_lines, TREES))
