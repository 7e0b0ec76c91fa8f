"""The report stage: what a run found, on one self-contained page, and in brief as plain text."""

from __future__ import annotations

from copy import copy

from quantflow.config.data import DataConfig
from quantflow.config.operation import ReportConfig
from quantflow.data.quality.history import quotes
from quantflow.pipeline.arrange import SIGNALS, examines_signals
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, Stage, StageConfig, Summary
from quantflow.stages.report.brief import brief
from quantflow.stages.report.facts import verdict
from quantflow.stages.report.page import report
from quantflow.types import Settings


class ReportStageConfig(StageConfig):
    """What the report stage reads: its own section, and what says when a name has stopped trading."""

    report: ReportConfig
    data: DataConfig


class ReportStage(BasePipelineStage[ReportStageConfig]):
    """Write the page and the brief: from the artifacts and the run's record alone, so equal inputs give equal bytes."""

    id = "report"
    kind = Kind.CONTROL
    needs: tuple[str, ...] = (
        "prices",
        "past",
        "roster",
        "instruments",
        "quality",
        "features",
        "scores",
        "clusters",
        "winners",
        "decisions",
        "weights",
        "allocation",
        "oos_returns",
        "oos_weights",
        "metrics",
        "exposures",
        "betas",
        "run",
    )
    makes = ("report", "brief")
    Config = ReportStageConfig

    def run(self, inputs: Inputs, config: ReportStageConfig) -> Outputs:
        """Return ``report``, an HTML page without scripts or links, and ``brief``, at most 15 lines of text."""
        traded = quotes(inputs["prices"], inputs["past"], inputs["roster"], config.data)
        return {"report": report(inputs, traded, config.report.title, config.report.top), "brief": brief(inputs)}

    def under(self, settings: Settings) -> Stage:
        """Return the stage that shows the figures of the signals too, where there are any."""
        if not examines_signals(settings):
            return self
        wider = copy(self)
        wider.needs = (SIGNALS, *self.needs)
        return wider

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return the verdict's first clause."""
        return Summary(note=verdict(inputs).partition(",")[0])
