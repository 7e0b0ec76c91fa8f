"""The report of a sweep: one self-contained page, and in brief as plain text."""

from __future__ import annotations

from quantflow.config.operation import ReportConfig
from quantflow.config.sweeps.sweep import SweepConfig
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, StageConfig, Summary
from quantflow.stages.sweep.page import brief, page
from quantflow.stages.sweep.verdict import is_skill


class SweepReportStageConfig(StageConfig):
    """What the report of a sweep reads."""

    report: ReportConfig
    sweep: SweepConfig


class SweepReportStage(BasePipelineStage[SweepReportStageConfig]):
    """Write the page and the brief from the artifacts and the run's record alone, so equal inputs give equal bytes."""

    id = "sweep.report"
    kind = Kind.CONTROL
    needs = ("trials", "sweep", "run")
    makes = ("report", "brief")
    Config = SweepReportStageConfig

    def run(self, inputs: Inputs, config: SweepReportStageConfig) -> Outputs:
        """Return ``report``, an HTML page without scripts or links, and ``brief``, at most 15 lines of text."""
        return {"report": page(inputs, config.report.title), "brief": brief(inputs)}

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return whether the best trial is more than luck."""
        found = inputs["sweep"]
        return Summary(note=f"the best {'is more than' if is_skill(found['best'], found['luck']) else 'may be'} luck")
