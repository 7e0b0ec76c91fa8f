"""The table of a sweep: its trials side by side, what they say together, and the nested walk-forward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from quantflow.config.calendar import CalendarConfig
from quantflow.config.data import DataConfig
from quantflow.config.operation import ValidationConfig
from quantflow.config.sections import RebalanceConfig
from quantflow.config.sweeps.sweep import SweepConfig
from quantflow.data.quality.history import quotes
from quantflow.data.store import ArtifactRef, ArtifactStore
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, SelectionContext, StageConfig, Summary
from quantflow.stages.sweep import nested
from quantflow.stages.sweep.trials import Trials
from quantflow.stages.sweep.verdict import findings
from quantflow.stages.walk_forward import Rules
from quantflow.types import Record


class TableStageConfig(StageConfig):
    """What the table reads."""

    sweep: SweepConfig
    calendar: CalendarConfig
    data: DataConfig
    rebalance: RebalanceConfig
    validation: ValidationConfig


class TableStage(BasePipelineStage[TableStageConfig]):
    """Puts the trials' walk-forwards side by side and says what is to be made of the best of them.

    The trials come as facts of the run (``run["variants"]``), since how many there are depends on the sweep.
    """

    id = "sweep.table"
    kind = Kind.CONTROL
    needs = ("run",)
    makes = ("trials", "trial_returns", "sweep", "nested_returns")
    Config = TableStageConfig

    def execute(self, context: SelectionContext) -> SelectionContext:
        """Load the trials' artifacts from the store, compare them, and store the result.

        Raises:
            ConfigError: If a nested walk-forward is asked for, and the trials are not on the same data.
            DataError: If the trials have too few sessions in common.
        """
        store, config = context.store(), self.configured(context.settings)
        assert isinstance(config, TableStageConfig)
        done = {each["number"]: each["outputs"] for each in context.facts["variants"] if each["state"] == "completed"}
        inputs = {
            "run": context.facts,
            "oos_returns": {number: _loaded(store, made, "oos_returns") for number, made in done.items()},
            **(_traded(store, context.facts, done) if config.sweep.nested else {}),
        }
        outputs = self.run(inputs, config)
        refs = {name: store.put(name, outputs[name]) for name in self.makes}
        summaries = {**context.summaries, self.id: self.summary(inputs, outputs)}
        return replace(context, artifacts={**context.artifacts, **refs}, summaries=summaries)

    def run(self, inputs: Inputs, config: TableStageConfig) -> Outputs:
        """Return the comparison of all trials.

        ``trials``: a row per trial, by number: the values of the settings that are varied, ``state``, figures
        (``stages.sweep.trials.FIGURES``), ``message`` of one that failed. ``trial_returns``: returns after costs on
        the sessions that all trials have, a column per trial. ``sweep``: what they say together, see
        ``stages.sweep.verdict.findings``. ``nested_returns``: see ``stages.sweep.nested``; empty unless asked for.

        Args:
            inputs: ``run``, with ``variants`` and ``others``; ``oos_returns`` by number; for a nested walk-forward also
                ``oos_weights`` by number, and ``prices``, ``past`` and ``roster``.
            config: What is varied, and how portfolios trade.
        """
        facts, year = inputs["run"], config.calendar.annualisation
        own = {each["settings"] for each in facts["variants"]}
        before = [ratio for settings, ratio in facts["others"] if settings not in own]
        held = round(config.rebalance.sessions(year))
        trials = Trials(facts["variants"], inputs["oos_returns"], before, year)
        found, stream = findings(trials, config.sweep.metric, held), nested.empty()
        if config.sweep.nested:
            rules = Rules(config.rebalance, config.validation, year)
            traded = quotes(inputs["prices"], inputs["past"], inputs["roster"], config.data)
            stream, found["nested"] = nested.nested(trials, inputs["oos_weights"], traded, rules)
        return {
            "trials": trials.table(),
            "trial_returns": trials.returns(),
            "sweep": found,
            "nested_returns": stream,
        }

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return the best trial and how likely it is luck; degraded when trials failed."""
        found = outputs["sweep"]
        best, beyond = found["best"], found["best"]["beyond"]
        done = f"{found['completed']} of {found['trials']} trials"
        note = f"{done}, best {best['trial']}: Sharpe {best['sharpe'] or 0.0:.2f}"
        note += "" if beyond is None else f", {beyond:.2f} beyond equal weight"
        return Summary(note=note, degraded=found["failed"] > 0)


def _loaded(store: ArtifactStore, made: Mapping[str, Any], name: str) -> Any:
    return store.get(ArtifactRef(**made[name]))


def _traded(store: ArtifactStore, facts: Record, done: Mapping[int, Record]) -> dict[str, Any]:
    nested.refuse_unlike(facts["variants"])
    first = next(iter(done.values()))
    common = {name: _loaded(store, first, name) for name in nested.COMMON[:3]}
    return {**common, "oos_weights": {number: _loaded(store, made, "oos_weights") for number, made in done.items()}}
