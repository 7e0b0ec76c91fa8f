"""What takes long to have ready, and to be rid of, while other things go on."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, suppress
from importlib import import_module
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")

PATIENCE_SECONDS, LEAVE_SECONDS = 15.0, 45.0


class InBackground(Generic[T]):
    """A context manager that is entered and left in a thread of its own.

    On entering the block it begins to be entered; ``result`` waits for that. It begins to be left with ``leave``, at
    the latest at the end of the block, which waits for it and raises what it raises: ``LEAVE_SECONDS`` at most, and
    ``PATIENCE_SECONDS`` after an error or a signal. What hangs must not hold up a block that has done its work.

    Args:
        manager: The context manager.
    """

    def __init__(self, manager: AbstractContextManager[T, Any]) -> None:
        self._manager = manager
        self._entered: Future[T] = Future()
        self._over: Future[None] = Future()
        self._leave = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def _run(self) -> None:
        try:
            with self._manager as value:
                self._entered.set_result(value)
                self._leave.wait()
        except BaseException as error:  # noqa: BLE001  # it comes out where somebody waits
            if self._entered.done():
                self._over.set_exception(error)
                return
            self._entered.set_exception(error)
        self._over.set_result(None)

    def result(self) -> T:
        """Return what the context manager gives, or raise what it raises, once it is entered."""
        return self._entered.result()

    def leave(self) -> None:
        """Begin to leave it; nothing if that has begun."""
        self._leave.set()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.leave()
        if kind is None:
            if wait([self._over], LEAVE_SECONDS).done:
                self._over.result()
            return
        with suppress(Exception):  # the block's own error is what counts
            self._over.result(PATIENCE_SECONDS)


class Imports(threading.Thread):
    """Imports modules one by one while the process has nothing else to do but wait.

    Threads that import packages which need each other may see half of one. So nothing is to be imported elsewhere that
    has to do with them until ``finish`` has returned.

    Args:
        modules: Their names, in the order in which they are wanted; one that cannot be imported is left out.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        super().__init__(name="imports", daemon=True)
        self._modules, self._enough = modules, threading.Event()

    def run(self) -> None:
        """Import them, until it is enough."""
        for name in self._modules:
            if self._enough.is_set():
                return
            with suppress(Exception):  # whatever a library raises, it is raised again where it is needed
                import_module(name)

    def finish(self) -> None:
        """Import no more; wait for the one that has been begun."""
        self._enough.set()
        if self.ident is not None:
            self.join()
