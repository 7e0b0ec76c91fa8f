"""What a portfolio of sleeves is to hold on a session without a decision."""

from __future__ import annotations

from dataclasses import replace

from quantflow.config.data import DataConfig
from quantflow.data.quality.history import quotes
from quantflow.data.quotes import joined
from quantflow.data.store import ArtifactRef
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, SelectionContext, StageConfig, Summary
from quantflow.stages.holding import brief, carried_by, hold_note, target


class MetaHoldingStage(BasePipelineStage[StageConfig]):
    """The same assets, at the weights they drifted to, by the prices that the sleeves have.

    The sleeves come as facts of the run, since which artifacts there are depends on the meta profile.
    """

    id = "meta.holding"
    kind = Kind.CONTROL
    needs = ("run",)
    makes = ("weights", "brief")

    def execute(self, context: SelectionContext) -> SelectionContext:
        """Load each sleeve's prices from the store, and say what is held."""
        store, run = context.store(), context.load("run")
        sleeves = [
            {name: store.get(ArtifactRef(**ref)) for name, ref in leaf["outputs"].items()} for leaf in run["leaves"]
        ]
        inputs = {
            "run": run,
            "quotes": joined(
                [
                    quotes(each["prices"], each["past"], each["roster"], DataConfig(**leaf["data"]))
                    for each, leaf in zip(sleeves, run["leaves"], strict=True)
                ]
            ),
            "sectors": {name: sector for each in sleeves for name, sector in each["instruments"]["sector"].items()},
        }
        outputs = self.run(inputs, StageConfig())
        made = {name: store.put(name, outputs[name]) for name in self.makes}
        summaries = {**context.summaries, self.id: self.summary(inputs, outputs)}
        return replace(context, artifacts={**context.artifacts, **made}, summaries=summaries)

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        """Return ``weights`` (index ``symbol``, largest |weight| first: ``weight``, ``sector``) and ``brief``.

        Args:
            inputs: ``quotes`` of all sleeves' symbols, ``sectors`` by symbol, and ``run``.
            config: Nothing.
        """
        lines, after = carried_by(inputs["run"], inputs["quotes"])
        return {"weights": target(after, inputs["sectors"]), "brief": brief(inputs["run"], lines, after)}

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return when the next decision is due."""
        return Summary(note=hold_note(inputs["run"]))
