"""What a portfolio of sleeves is to hold on a session without a decision."""

from __future__ import annotations

from dataclasses import replace

from quantflow.data.joined import joined
from quantflow.data.quality.history import whole
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
        refs = [{name: ArtifactRef(**ref) for name, ref in each.items()} for each in run["leaves"]]
        inputs = {
            "run": run,
            "prices": joined([whole(store.get(each["prices"]), store.get(each["past"])) for each in refs]),
            "sectors": {k: v for each in refs for k, v in store.get(each["instruments"])["sector"].items()},
        }
        outputs = self.run(inputs, StageConfig())
        made = {name: store.put(name, outputs[name]) for name in self.makes}
        summaries = {**context.summaries, self.id: self.summary(inputs, outputs)}
        return replace(context, artifacts={**context.artifacts, **made}, summaries=summaries)

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        """Return ``weights`` (index ``symbol``, largest |weight| first: ``weight``, ``sector``) and ``brief``.

        Args:
            inputs: ``prices`` of all sleeves' symbols, ``sectors`` by symbol, and ``run``.
            config: Nothing.
        """
        lines, after = carried_by(inputs["run"], inputs["prices"])
        return {"weights": target(after, inputs["sectors"]), "brief": brief(inputs["run"], lines, after)}

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return when the next decision is due."""
        return Summary(note=hold_note(inputs["run"]))
