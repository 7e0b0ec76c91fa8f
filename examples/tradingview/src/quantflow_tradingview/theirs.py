"""What is taken of the other system, in one place: adapt the names here if yours are others."""

from __future__ import annotations

import os
from pathlib import Path

from tradingview_scraper.pipelines.selection.base import SelectionContext
from tradingview_scraper.pipelines.selection.stages.clustering import ClusteringStage
from tradingview_scraper.pipelines.selection.stages.feature_engineering import FeatureEngineeringStage
from tradingview_scraper.pipelines.selection.stages.inference import InferenceStage
from tradingview_scraper.pipelines.selection.stages.ingestion import IngestionStage
from tradingview_scraper.pipelines.selection.stages.policy import SelectionPolicyStage
from tradingview_scraper.settings import get_settings

__all__ = [
    "ClusteringStage",
    "FeatureEngineeringStage",
    "InferenceStage",
    "IngestionStage",
    "SelectionContext",
    "SelectionPolicyStage",
]

VARIABLES: tuple[str, ...] = ("TV_HOME", "TV_PROFILE", "TV_TOP_N", "TV_FEATURE_LOOKBACK", "TV_CANDIDATES_FILE")
"""The environment variables that their settings read."""


def settings_files(config: object) -> list[Path]:
    """Return the files that their settings read: absolute, whether they exist or not."""
    home = Path(os.environ.get("TV_HOME", ".")).absolute()
    return [home / ".env", home / "manifest.json"]


def candidates_file(config: object) -> Path:
    """Return the file of candidates that their ingestion reads under the settings of now."""
    fresh_settings()
    return Path(get_settings().candidates_file).absolute()


def fresh_settings() -> None:
    """Have their settings read again: they keep them for the life of a process, which may serve many runs."""
    clear = getattr(get_settings, "cache_clear", None)
    if clear is not None:
        clear()
