"""How often a process looks for garbage: one that imports thousands of modules makes little of it."""

from __future__ import annotations

import gc

THRESHOLDS = (50_000, 20, 50)
"""New objects between two looks at the youngest of them, where Python's default is 700 or 2,000; see ``gc``."""


def look_seldom() -> None:
    """Look for garbage more seldom for the rest of the process: what is imported is there a fifth sooner."""
    gc.set_threshold(*THRESHOLDS)


def look_no_more() -> None:
    """Leave all that there is alone, in a process that ends: Python would look through each of its objects thrice."""
    gc.freeze()
