"""What a module says and what it imports; parsed once for each source, and kept in the user's cache folder."""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from quantflow.config.workspaces import cache_folder
from quantflow.data.sealed import sealed, unsealed
from quantflow.data.store import write_atomic
from quantflow.errors import InfrastructureError

MOST = 1000
"""Sources that are kept for one environment; a pipeline has about a hundred."""

Found = tuple[str, tuple[str, ...]]
"""The hash of a module's source without comments, docstrings and layout, and all names that it imports."""


@cache
def module_source(path: Path, package: str) -> Found:
    """Return what the module says, as a hash, and what it imports.

    To parse the hundred modules of a pipeline takes longer than to run a small one, so what ``keep_parsed`` wrote in
    this environment for exactly this source is taken instead.

    Args:
        path: The module's file.
        package: The package that its relative imports start from.

    Raises:
        SyntaxError: If it is no Python.
    """
    source = path.read_bytes()
    key = hashlib.sha256(b"\0".join([source, package.encode()])).hexdigest()
    known = _known()
    if key not in known:
        _fresh()[key] = known[key] = _parsed(source, package)
    return known[key]


def keep_parsed() -> None:
    """Write what was parsed since the last time to the user's cache folder, for processes to come.

    The files beside the modules are left alone: what a package manager did not install it does not remove.
    """
    fresh, file = _fresh(), _file()
    if not fresh or file is None:
        return
    kept = dict([*_read(file).items(), *fresh.items()][-MOST:])  # another process may have written
    with suppress(InfrastructureError):  # a folder that cannot be written: each process parses
        write_atomic(file, json.dumps(sealed({"sources": kept})).encode())
    fresh.clear()


@cache
def _known() -> dict[str, Found]:
    file = _file()
    return {} if file is None else _read(file)


@cache
def _fresh() -> dict[str, Found]:
    return {}


@cache
def _file() -> Path | None:
    """Return the file of this environment: of its packages, its Python, and this way to read a source."""
    folder = cache_folder()
    environment = "\0".join([sys.prefix, sys.version, Path(__file__).read_text(encoding="utf-8")])
    name = f"sources-{hashlib.sha256(environment.encode()).hexdigest()[:16]}.json"
    return None if folder is None else folder / name


def _read(file: Path) -> dict[str, Found]:
    try:
        sources = unsealed(json.loads(file.read_bytes()))["sources"]
        return {key: (digest, tuple(imports)) for key, (digest, imports) in sources.items()}
    except (OSError, ValueError, KeyError, RecursionError, TypeError, AttributeError):
        return {}  # not there, or damaged: it is made again


def _parsed(source: bytes, package: str) -> Found:
    tree = ast.parse(source)
    imported: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not _is_text(part)]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imported += _imports(node, package)
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), tuple(imported)


def _imports(node: ast.Import | ast.ImportFrom, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    module = ".".join([*base, *([node.module] if node.module else [])])
    return [module, *(f"{module}.{alias.name}" for alias in node.names)]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
