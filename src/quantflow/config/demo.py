"""The built-in profiles: four characters on the embedded sample, and a portfolio of the four."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any


@lru_cache(maxsize=1)
def built_in() -> dict[str, Any]:
    """Return the built-in profiles and meta profiles, in the shape of a ``quantflow.toml``."""
    return tomllib.loads((files("quantflow.config") / "demo.toml").read_text(encoding="utf-8"))
