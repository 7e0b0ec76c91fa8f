"""The version of a stage's code: what it says, not how it is laid out or commented."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

from quantflow.pipeline.module_source import keep_parsed, module_source
from quantflow.pipeline.stage import Stage

NUMERIC_PACKAGES = ("numpy", "scipy", "pandas", "numba", "pyarrow", "scikit-learn", "skfolio", "clarabel")
"""Packages whose version can change a result, and so is part of every stage's code version."""

SOURCES = frozenset({".py", ".toml", ".html", ".css"})
"""Suffixes of the files that make quantflow what it is: code, built-in profiles, templates."""


def code_version(stage: Stage) -> str:
    """Return a hash of the stage's classes, of their modules, and of all that they import, however deep.

    Of quantflow, of the stage's own package and of modules that lie outside the installed packages the source
    counts, without comments, docstrings and layout; of all other packages that a stage of another package imports,
    the version. Versions of the numeric packages are included.
    """
    modules = stage.modules()
    roots = frozenset({"quantflow", *(name.split(".")[0] for name in modules)})
    closure, others = _closure(modules, roots)
    lines = [*stage.classes(), *(f"{name} {_module(name, path)[0]}" for name, path in sorted(closure.items()))]
    keep_parsed()
    lines += _versions({*NUMERIC_PACKAGES, *_packages(others)})
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def numeric_versions() -> list[str]:
    """Return the installed versions of the packages that are part of every stage's code version."""
    return _versions(set(NUMERIC_PACKAGES))


def _versions(packages: set[str]) -> list[str]:
    return [f"{package}=={_installed(package)}" for package in sorted(packages)]


@cache
def package_version() -> str:
    """Return quantflow's installed version with a hash of its sources: ``0.1.0+1f2e3d4c5b6a``."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.suffix in SOURCES):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{version('quantflow')}+{digest.hexdigest()[:12]}"


@cache
def _closure(start: frozenset[str], roots: frozenset[str]) -> tuple[Mapping[str, Path], frozenset[str]]:
    """Return the modules whose source counts, and the roots of those that modules outside quantflow import besides."""
    seen: dict[str, Path] = {}
    others: set[str] = set()
    todo = [(name, "") for name in start]
    while todo:
        name, importer = todo.pop()
        root = name.split(".")[0]
        if name in seen or not root or root in sys.stdlib_module_names:
            continue
        if root not in roots and (importer == "quantflow" or not _is_local(root)):
            others |= {root} if importer != "quantflow" else set()
            continue
        path = _source(name)
        if path is None:
            continue
        seen[name] = path
        todo += [(imported, root) for imported in _module(name, path)[1]]
    return seen, frozenset(others)


@cache
def _is_local(root: str) -> bool:
    """Whether a module lies outside the folders of installed packages, so that no version stands for its source."""
    folders = _folders(root)
    return bool(folders) and not any({"site-packages", "dist-packages"} & set(folder.parts) for folder in folders)


@cache
def _packages(roots: frozenset[str]) -> frozenset[str]:
    """Return the distributions that the modules *roots* belong to; without any, nothing is looked up."""
    known = packages_distributions() if roots else {}
    return frozenset(package for root in roots for package in known.get(root, ()))


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


def _module(name: str, path: Path) -> tuple[str, tuple[str, ...]]:
    return module_source(path, name if path.name == "__init__.py" else name.rpartition(".")[0])


@cache
def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
