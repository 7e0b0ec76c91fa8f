"""Text that a terminal would obey rather than show: control characters, escape sequences, reordering marks."""

from __future__ import annotations

import io
import re
from typing import TextIO

_OBEYED = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
"""C0 and C1 controls, Unicode's bidirectional controls and line separators, and bytes of a name that are not UTF-8."""
_ANY = re.compile(f"[{_OBEYED}]")
_NOT_LAYOUT = re.compile(f"(?![\t\n]|\r\n)[{_OBEYED}]")


def is_printable(text: str) -> bool:
    """Whether a terminal shows every character of *text* as it is; tabs and line ends are not."""
    return _ANY.search(text) is None


def escaped(text: str) -> str:
    r"""Return *text* on one line, with ``\u001b`` in place of each character that a terminal would obey."""
    return _ANY.sub(_code, text)


def cleaned(text: str) -> str:
    r"""Return *text* likewise, but with its tabs and line ends.

    The notation is that of JSON, in whose strings any of these characters may be replaced by it.
    """
    return _NOT_LAYOUT.sub(_code, text)


class CleanStream(io.TextIOBase):
    """A text stream that passes on what it is given ``cleaned``: nothing written to it moves a cursor or sets a title.

    Args:
        out: Where the text goes. What draws on purpose writes there itself.
    """

    def __init__(self, out: TextIO) -> None:
        self.out = out

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream below."""
        return self.out.encoding

    def write(self, text: str) -> int:
        """Write *text*; return its length."""
        self.out.write(cleaned(text))
        return len(text)

    def flush(self) -> None:
        """Pass on what was written."""
        self.out.flush()

    def writable(self) -> bool:
        """Whether it takes text: yes."""
        return True

    def isatty(self) -> bool:
        """Whether the stream below is a terminal."""
        return self.out.isatty()

    def fileno(self) -> int:
        """Return the descriptor below."""
        return self.out.fileno()


def _code(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
