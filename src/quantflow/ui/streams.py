"""Standard output and error of a command: names and messages of others cannot steer the terminal."""

from __future__ import annotations

import sys

from quantflow.config.printable import CleanStream


def clean_streams() -> None:
    """From now on clean all that is written to standard output and error, by whatever code; tables draw past it."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, CleanStream):
            setattr(sys, name, CleanStream(stream))
