"""What Python code reads of the machine: variables of the environment, files, addresses."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

_THROUGH = frozenset({"os", "_collections_abc", "collections.abc", "posixpath", __name__})
"""Modules that read a variable for those who call them."""
_SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "/lib64")
"""Folders of the operating system; time zones and libraries are there."""
_CODE = frozenset({".py", ".pyc", ".so", ".pth"})


@dataclass(frozen=True)
class Reading:
    """Something that was read.

    Attributes:
        what: A variable as ``$NAME``, the full path of a file, or an address.
        roots: The top packages and modules that were at work; of a variable the one that asked for it.
    """

    what: str
    roots: frozenset[str]

    def is_allowed(self, roots: Collection[str], variables: Collection[str], folders: Iterable[str]) -> bool:
        """Whether a stage whose code lies in *roots* may have read this.

        Args:
            roots: What libraries ask the environment for is their own affair.
            variables: The variables that the stage declares.
            folders: Full paths of files, and of folders with all in them, that may be read.
        """
        if self.what.startswith("$"):
            return not self.roots & set(roots) or self.what[1:] in variables
        return any(self.what == folder or self.what.startswith(f"{folder}{os.sep}") for folder in folders)


class Watch:
    """Notes what is read, from when it is made to the end of the process."""

    def __init__(self) -> None:
        self._readings: dict[Reading, None] = {}
        self._installed = tuple(f"{folder}{os.sep}" for folder in _installed())
        os.environ.__class__ = _environment(self._variable)
        sys.addaudithook(self._event)

    @contextmanager
    def on(self) -> Iterator[list[Reading]]:
        """Yield a list that holds, when the block ends, what was read inside, each thing once."""
        before, self._readings = self._readings, {}
        found: list[Reading] = []
        try:
            yield found
        finally:
            found += self._readings
            self._readings = before

    def _variable(self, name: object, frame: FrameType | None) -> None:
        while frame is not None and frame.f_globals.get("__name__") in _THROUGH:
            frame = frame.f_back
        if frame is not None:
            self._readings[Reading(f"${name}", frozenset({_root(frame)}))] = None

    def _event(self, event: str, arguments: tuple[Any, ...]) -> None:
        opens = event == "open" and not isinstance(arguments[0], int) and _reads(*arguments[1:3])
        if opens or (event == "sqlite3.connect" and arguments[0] != ":memory:"):
            self._file(arguments[0])
        elif event == "socket.connect":
            self._readings[Reading(f"the address {arguments[1]}", _stack())] = None

    def _file(self, name: Any) -> None:
        path = os.path.realpath(os.fsdecode(name))
        if not path.startswith(self._installed) and os.path.splitext(path)[1] not in _CODE:  # noqa: PTH122  # often
            self._readings[Reading(path, _stack())] = None


def local_roots() -> set[str]:
    """Return the top packages and modules that were imported from outside of what is installed."""
    installed = tuple(f"{folder}{os.sep}" for folder in _installed())
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    local = (name for name, file in files.items() if file and not os.path.realpath(file).startswith(installed))
    return {name.partition(".")[0] for name in local}


def _reads(mode: object, flags: int) -> bool:
    if isinstance(mode, str):
        return "r" in mode or "+" in mode
    return flags & (os.O_WRONLY | os.O_RDWR) != os.O_WRONLY


def _root(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _stack() -> frozenset[str]:
    frame: FrameType | None = sys._getframe(2)
    roots = set()
    while frame is not None:
        roots.add(_root(frame))
        frame = frame.f_back
    return frozenset(roots)


def _installed() -> list[str]:
    """Return the folders of what is installed, quantflow's own, and the operating system's."""
    named = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    folders = [*_SYSTEM, sys.prefix, sys.base_prefix, *named, *site.getsitepackages(), site.getusersitepackages()]
    return [str(Path(folder).resolve()) for folder in [*folders, str(Path(__file__).parents[2])]]


def _environment(note: Callable[[object, FrameType], None]) -> type[Any]:
    """Return a class of environment that says who asks for which variable."""
    plain: Any = type(os.environ)

    class Environment(plain):  # type: ignore[misc]
        def __getitem__(self, name: str) -> Any:
            note(name, sys._getframe(1))
            return super().__getitem__(name)

        def __contains__(self, name: object) -> bool:
            note(name, sys._getframe(1))
            return bool(super().__contains__(name))

    return Environment
