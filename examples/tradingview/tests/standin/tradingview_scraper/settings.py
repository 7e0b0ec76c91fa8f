"""Settings as such systems have them: a manifest, then ``.env``, then the environment; kept for the process."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel


class Settings(BaseModel):
    """All settings."""

    candidates_file: str = "candidates.json"
    top_n: int = 2
    feature_lookback: int = 126


@lru_cache
def get_settings() -> Settings:
    """Return the settings of this process."""
    home = Path(os.environ.get("TV_HOME", "."))
    values: dict[str, object] = {}
    if (manifest := home / "manifest.json").exists():
        values |= json.loads(manifest.read_text()).get("defaults", {})
    lines = (home / ".env").read_text().splitlines() if (home / ".env").exists() else []
    pairs = dict(line.split("=", 1) for line in lines if "=" in line) | dict(os.environ)
    values |= {name: pairs[f"TV_{name.upper()}"] for name in Settings.model_fields if f"TV_{name.upper()}" in pairs}
    found = Settings.model_validate(values)
    return found.model_copy(update={"candidates_file": str(home / found.candidates_file)})
