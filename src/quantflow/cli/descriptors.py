"""Standard input, output and error of a process whose supervisor has closed them."""

from __future__ import annotations

import os
import sys


def open_missing_streams() -> None:
    """Open the null device as each of the descriptors 0 to 2 that is closed, here and in the processes started later.

    Else the next files and sockets to be opened get these numbers, and what is meant for standard error is written
    into them. To be called before anything else is opened: the lowest free descriptor is the one that is missing.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123, SIM115  # stays open with the process
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
