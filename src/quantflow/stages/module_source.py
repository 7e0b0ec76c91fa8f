"""What a module says and what it imports; found once for each source, and kept beside the module's bytecode."""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from contextlib import suppress
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path

from quantflow.data.sealed import sealed, unsealed
from quantflow.data.store import write_atomic
from quantflow.errors import InfrastructureError


@cache
def module_source(path: Path, package: str) -> tuple[str, tuple[str, ...]]:
    """Return the hash of a module's source without comments, docstrings and layout, and all names that it imports.

    To parse the hundred modules of a pipeline takes longer than to run a small one. What was found is kept in
    ``__pycache__``, as bytecode is: if Python may write there, and for exactly this source and this way to read it.

    Args:
        path: The module's file.
        package: The package that its relative imports start from.

    Raises:
        SyntaxError: If it is no Python.
    """
    source = path.read_bytes()
    kept = Path(cache_from_source(str(path))).with_suffix(".code")
    made_from = hashlib.sha256(b"\0".join([source, package.encode(), _own_source()])).hexdigest()
    try:
        found = unsealed(json.loads(kept.read_bytes()))
        if found["made_from"] == made_from:
            return found["hash"], tuple(found["imports"])
    except (OSError, ValueError, KeyError, RecursionError):
        pass  # not there, or damaged: it is made anew
    digest, imports = _parsed(source, package)
    if not sys.dont_write_bytecode:
        record = sealed({"made_from": made_from, "hash": digest, "imports": imports})
        with suppress(InfrastructureError):  # a package that this user may only read is parsed each time
            write_atomic(kept, json.dumps(record).encode())
    return digest, tuple(imports)


@cache
def _own_source() -> bytes:
    return Path(__file__).read_bytes()


def _parsed(source: bytes, package: str) -> tuple[str, list[str]]:
    tree = ast.parse(source)
    imported: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not _is_text(part)]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imported += _imports(node, package)
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), imported


def _imports(node: ast.Import | ast.ImportFrom, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    module = ".".join([*base, *([node.module] if node.module else [])])
    return [module, *(f"{module}.{alias.name}" for alias in node.names)]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
