"""Ingestion."""

import json
from pathlib import Path

from tradingview_scraper.pipelines.selection.base import BasePipelineStage
from tradingview_scraper.settings import get_settings


class IngestionStage(BasePipelineStage):
    """Reads the candidates that trade enough."""

    name = "Ingestion"

    def __init__(self, min_turnover=0.0):
        self.min_turnover = min_turnover

    def execute(self, context):
        found = json.loads(Path(get_settings().candidates_file).read_text())
        context.raw_pool = [each for each in found if each.get("turnover", 0.0) >= self.min_turnover]
        context.log(self.name, f"{len(context.raw_pool)} candidates")
        return context
