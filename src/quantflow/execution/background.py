"""What takes long to have ready, and to be rid of, while other things go on."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")


class InBackground(Generic[T]):
    """A context manager that is entered and left in a thread of its own.

    On entering the block it begins to be entered; ``result`` waits for that. It begins to be left with ``leave``, at
    the latest at the end of the block, which waits for it; what it raises then comes out there.

    Args:
        manager: The context manager.
    """

    def __init__(self, manager: AbstractContextManager[T, Any]) -> None:
        self._manager, self._stack = manager, ExitStack()
        self._thread = ThreadPoolExecutor(1)
        self._left: Future[None] | None = None

    def __enter__(self) -> Self:
        self._entered = self._thread.submit(self._stack.enter_context, self._manager)
        return self

    def result(self) -> T:
        """Return what the context manager gives, or raise what it raises, once it is entered."""
        return self._entered.result()

    def leave(self) -> None:
        """Begin to leave it; nothing if that has begun."""
        if self._left is None:
            self._left = self._thread.submit(self._stack.close)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.leave()
        with self._thread:
            if self._left is not None:
                self._left.result()
