"""The report of a meta run: one self-contained page, and in brief as plain text."""

from __future__ import annotations

from quantflow.config.operation import ReportConfig
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, StageConfig, Summary
from quantflow.stages.meta.assets import ASSETS, from_frames
from quantflow.stages.report.facts import verdict
from quantflow.stages.report.meta_page import meta_brief, meta_report


class MetaReportStageConfig(StageConfig):
    """What the report of a meta run reads."""

    report: ReportConfig


class MetaReportStage(BasePipelineStage[MetaReportStageConfig]):
    """Write the page and the brief from the artifacts and the run's record alone, so equal inputs give equal bytes.

    When sleeves are missing, the first lines of both say which, why, and what became of their capital.
    """

    id = "meta.report"
    kind = Kind.CONTROL
    needs = (
        "streams",
        "sleeves",
        "sleeve_weights",
        "meta_allocation",
        "weights",
        "contributions",
        "oos_returns",
        "oos_capital",
        "metrics",
        "oos_weights",
        *ASSETS,
        "run",
    )
    makes = ("report", "brief")
    Config = MetaReportStageConfig

    def run(self, inputs: Inputs, config: MetaReportStageConfig) -> Outputs:
        """Return ``report``, an HTML page without scripts or links, and ``brief``, at most 15 lines of text."""
        page = meta_report(inputs, from_frames(inputs), config.report.title, config.report.top)
        return {"report": page, "brief": meta_brief(inputs)}

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return the verdict's first clause, degraded when a sleeve is missing."""
        return Summary(note=verdict(inputs).partition(",")[0], degraded=bool(inputs["sleeves"].get("failed")))
