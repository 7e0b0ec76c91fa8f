"""What a stage reads beside its inputs and its settings: variables and files, each with a mark of what it holds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from quantflow.errors import ConfigError, InfrastructureError, QuantflowError, StageError

FileOf: TypeAlias = str | Path | Callable[[Any], str | Path | Iterable[str | Path]]
"""A path, or a function of a stage's config that gives one or several."""

ABSENT = "absent"
"""The mark of what is not there."""


def named_files(declared: Iterable[FileOf], config: Any) -> list[Path]:
    """Return the paths that *declared* stands for under *config*.

    Raises:
        ConfigError: If one is not absolute: what it means would depend on the folder that a run is started in.
        StageError: If a function of *declared* fails.
    """
    found = [Path(path) for one in declared for path in _paths(_called(one, config) if callable(one) else one)]
    for path in found:
        if not path.is_absolute():
            raise ConfigError(
                f"A stage says that it reads {str(path)!r}, which is not an absolute path.",
                hint="Start from the module's folder, Path(__file__).with_name(...), or from an absolute setting.",
            )
    return found


def marks(variables: Iterable[str], files: Iterable[Path]) -> dict[str, str]:
    """Return a mark by name: of a variable's value (``$NAME``), and of the bytes of a file, or of all in a folder.

    Raises:
        InfrastructureError: If a file cannot be read.
    """
    values = {f"${name}": _mark(os.environ[name].encode()) if name in os.environ else ABSENT for name in variables}
    return values | {str(path): _content(path) for path in files}


def _called(named: Callable[[Any], Any], config: Any) -> Any:
    try:
        return named(config)
    except QuantflowError:
        raise
    except Exception as error:  # whatever the settings of another system raise
        name = getattr(named, "__qualname__", repr(named))
        raise StageError(f"{name}, which says what a stage reads, failed: {type(error).__name__}: {error}") from error


def _paths(found: str | Path | Iterable[str | Path]) -> Iterator[str | Path]:
    if isinstance(found, str | Path):
        yield found
    else:
        yield from found


def _mark(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _content(path: Path) -> str:
    try:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.is_file())
            return _mark(repr([(str(file.relative_to(path)), _mark(file.read_bytes())) for file in inside]).encode())
        return _mark(path.read_bytes())
    except FileNotFoundError:
        return ABSENT
    except OSError as error:
        raise InfrastructureError(
            f"{path}, which a stage says it reads, cannot be read: {error.strerror}.", hint="Look at its permissions."
        ) from error
