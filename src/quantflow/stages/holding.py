"""What is held: the incumbent of a decision, and all that a session without a decision has to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from quantflow.config.data import DataConfig
from quantflow.data.position import Line, Position, begun, carried
from quantflow.data.quality.history import quotes
from quantflow.data.quotes import Quotes, costs_under
from quantflow.pipeline.arrange import INCUMBENT
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, StageConfig, Summary
from quantflow.quant.backtest import FloatArray
from quantflow.quant.held import Weights
from quantflow.stages.report.figures import percent, plural
from quantflow.types import Record

if TYPE_CHECKING:
    import pandas as pd


class IncumbentStage(BasePipelineStage[StageConfig]):
    """What the profile's book holds at the close that decides, before anything is traded for this decision."""

    id = INCUMBENT
    kind = Kind.CONTROL
    needs = ("prices", "past", "roster", "run")
    makes = (INCUMBENT,)

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        """Return ``incumbent``; empty at first, and where no run with a book asks."""
        if not inputs["run"].get("position"):
            return {INCUMBENT: incumbent((), np.empty(0))}
        _, after = carried_by(inputs["run"], quotes_in(inputs))
        return {INCUMBENT: incumbent(list(after.held), np.array(list(after.held.values())))}


class HoldingStage(BasePipelineStage[StageConfig]):
    """What the book is to hold on a session without a decision: the same names, at the weights they drifted to.

    What was decided and is still to be traded stays what is to be held.
    """

    id = "holding"
    kind = Kind.CONTROL
    needs = ("prices", "instruments", "past", "roster", "run")
    makes = ("weights", "brief")

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        """Return ``weights`` (index ``symbol``, largest |weight| first: ``weight``, ``sector``) and ``brief``."""
        lines, after = carried_by(inputs["run"], quotes_in(inputs))
        sectors = inputs["instruments"]["sector"].to_dict()
        return {"weights": target(after, sectors), "brief": brief(inputs["run"], lines, after)}

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return when the next decision is due."""
        return Summary(note=hold_note(inputs["run"]))


def quotes_in(inputs: Inputs) -> Quotes:
    """Return what can be traded of a run's names, by its artifacts and its settings."""
    config = DataConfig(**inputs["run"]["config"]["data"])
    return quotes(inputs["prices"], inputs["past"], inputs["roster"], config)


def carried_by(run: Record, tradable: Quotes) -> tuple[list[Line], Position]:
    """Return what the book of a run's profile did up to the run's session, and what it holds then."""
    return carried(position_of(run), tradable, costs_under(run["config"], tradable.own), run["run_id"])


def position_of(run: Record) -> Position:
    """Return the position before a run; nothing is held where there was no book."""
    found = run["position"]
    return Position.from_json(found) if found else begun(date.fromisoformat(run["as_of"]), run["run_id"])


def incumbent(symbols: Sequence[str], held: FloatArray) -> pd.DataFrame:
    """Return the artifact ``incumbent``: index ``symbol``, sorted, one column ``weight``; names not held are left out.

    Args:
        symbols: N names.
        held: Signed fraction of wealth in each, drifted to the close that decides, shape (N,).
    """
    import pandas as pd

    there = np.flatnonzero(held).tolist()
    index = pd.Index([symbols[i] for i in there], name="symbol", dtype=object)
    return pd.DataFrame({"weight": held[there]}, index=index).sort_index()


def target(after: Position, sectors: Mapping[str, str]) -> pd.DataFrame:
    """Return ``weights`` of what is to be held after a close."""
    import pandas as pd

    wanted: Weights = after.target
    names = sorted(wanted, key=lambda name: (-abs(wanted[name]), name))
    columns = {"weight": [wanted[name] for name in names], "sector": [sectors.get(name, "") for name in names]}
    return pd.DataFrame(columns, index=pd.Index(names, name="symbol", dtype=object)).astype({"weight": "float64"})


def hold_note(run: Record) -> str:
    """Return that nothing is decided, and when that is next."""
    return f"hold: next rebalance {run['decision']['next']}"


def brief(run: Record, lines: Sequence[Line], after: Position) -> str:
    """Return the brief of a session without a decision."""
    held = after.target
    words = [f"{run['profile']} as of {run['as_of']}, run {run['run_id']}", hold_note(run).capitalize() + "."]
    state = "still to be traded" if after.pending else "drifted to this close"
    words.append(f"Held: {plural(len(held), 'name')} as decided on {after.decided}, {state}.")
    if lines:
        last = lines[-1]
        words.append(f"Since {lines[0].date}: {percent(growth(lines), 2, signed=True)} after costs.")
        own, pool = (percent(value, 2, signed=True) for value in (last.net, last.benchmark))
        words.append(f"Last session: {own}, benchmark {pool}.")
    return "".join(f"{line}\n" for line in words)


def growth(lines: Sequence[Line]) -> float:
    """Return the compounded return of some sessions."""
    return float(np.prod([1.0 + line.net for line in lines]) - 1.0)
