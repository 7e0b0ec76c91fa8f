"""A part of a run that takes long, in a module that worker processes can import."""

from __future__ import annotations

import time
from pathlib import Path

from quantflow.execution.processes import interruptible


def works(file: Path) -> str:
    """Stand for a part of a run: tell that it has begun, and take long."""
    try:
        with interruptible():
            file.touch()
            time.sleep(30)
    except KeyboardInterrupt:
        time.sleep(0.3)  # a second signal comes while it cleans up
        return "interrupted"
    return "slept"
