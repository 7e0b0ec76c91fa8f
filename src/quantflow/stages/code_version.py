"""The version of a stage's code: what it says, not how it is laid out or commented."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from quantflow.stages.base import BasePipelineStage

NUMERIC_PACKAGES = ("numpy", "scipy", "pandas", "numba", "pyarrow", "scikit-learn", "skfolio", "clarabel")
"""Packages whose version can change a result, and so is part of every stage's code version."""


def code_version(stage: BasePipelineStage[Any]) -> str:
    """Return a hash of the stage's module and of every module of quantflow, or of its own package, that it imports.

    Comments, docstrings and layout do not count; a changed helper does, however deep. Versions of the numeric
    packages are included.
    """
    modules = {type(stage).__module__, *(f"quantflow.stages.{name}" for name in stage.replays)}
    roots = frozenset({"quantflow", *(name.split(".")[0] for name in modules)})
    closure = sorted(_closure(frozenset(modules), roots))
    lines = [f"{name} {_module(name)[0]}" for name in closure]
    lines += [f"{package}=={_installed(package)}" for package in NUMERIC_PACKAGES]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@cache
def _closure(start: frozenset[str], roots: frozenset[str]) -> frozenset[str]:
    seen: set[str] = set()
    todo = list(start)
    while todo:
        name = todo.pop()
        if name in seen or name.split(".")[0] not in roots or _source(name) is None:
            continue
        seen.add(name)
        todo += _module(name)[1]
    return frozenset(seen)


@cache
def _source(module: str) -> Path | None:
    """Return the module's file; None for what is not a module (an imported name) or has no Python source.

    Found by path, since asking the import system would import the module's parents.
    """
    root, *parts = module.split(".")
    for folder in _folders(root):
        path = folder.joinpath(*parts)
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                return file
    return None


@cache
def _folders(root: str) -> tuple[Path, ...]:
    spec = find_spec(root)
    if spec is None:
        return ()
    if spec.submodule_search_locations is None:  # a module of its own, not a package
        return (Path(spec.origin).with_suffix(""),) if spec.origin else ()
    return tuple(Path(folder) for folder in spec.submodule_search_locations)


@cache
def _module(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the hash of a module's normalised source, and the names that it imports anywhere."""
    path = _source(name)
    tree = ast.parse(path.read_bytes()) if path else ast.Module([], [])
    package = name if path and path.name == "__init__.py" else name.rpartition(".")[0]
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


@cache
def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
