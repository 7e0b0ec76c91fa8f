"""What a provider's changes of past bars mean for a run: what would have been selected without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from quantflow.data.restated import as_it_was
from quantflow.errors import said
from quantflow.pipeline.arrange import INCUMBENT
from quantflow.pipeline.play import in_the_background, play
from quantflow.pipeline.stage import Artifact, SelectionContext
from quantflow.runs.run import Run
from quantflow.types import Json

if TYPE_CHECKING:
    import pandas as pd

ARTIFACT = "former"


@dataclass(frozen=True)
class Restatement:
    """Bars that a provider has changed since they were last fetched, and the selection with them as they were.

    Attributes:
        days: The sessions whose bars changed, ascending, by symbol.
        names: How many names the run selected.
        entered: Names that the run selected and would not have before, sorted.
        left: Names that it would have selected before, sorted.
        moved: The largest change of a weight of all names, as a fraction of capital; None when it is not known.
        unknown: Why the selections cannot be compared; empty when they were.
    """

    days: Mapping[str, tuple[str, ...]]
    names: int = 0
    entered: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    moved: float | None = None
    unknown: str = ""

    def json(self) -> Json:
        """Return it as JSON values."""
        return asdict(self)

    @property
    def line(self) -> str:
        """One line for people."""
        bars, symbols = sum(map(len, self.days.values())), len(self.days)
        first, last = min(map(min, self.days.values())), max(map(max, self.days.values()))
        span = first if first == last else f"{first} to {last}"
        what = f"the provider changed {_many(bars, 'bar')} of {_many(symbols, 'symbol')} ({span})"
        if self.unknown:
            return f"{what}; the selection before is not known: {self.unknown}"
        return f"{what}; with the bars as they were, {self._selection}"

    @property
    def _selection(self) -> str:
        moved = "" if self.moved is None else f", and weights differ by up to {self.moved:.2%}"
        if not (self.entered or self.left):
            return f"the same {_many(self.names, 'name')} would win{moved}"
        words = (("without", self.entered), ("with", self.left))
        parts = [f"{word} {_listed(names)}" for word, names in words if names]
        return f"the selection would be {' and '.join(parts)}{moved}"


def restatement(run: Run) -> Restatement | None:
    """Return how the run's selection differs from that with the bars as they were; None when none has changed.

    The stages after ingestion, up to the one that makes the weights, are run again on the same symbols.
    """
    artifacts = run.outputs
    if ARTIFACT not in artifacts or not artifacts[ARTIFACT].rows:
        return None
    context = replace(run.context(), artifacts=artifacts)
    former = context.load(ARTIFACT)
    days = {
        str(symbol): tuple(str(day)[:10] for day in rows["date"].to_numpy().astype("datetime64[D]"))
        for symbol, rows in former.groupby("symbol")
    }
    if run.header.decision.hold:
        return Restatement(days, unknown="nothing was decided")
    if missing := [name for name in ("winners", "weights") if name not in artifacts]:
        return Restatement(days, unknown=f"the run has no {missing[0]} yet")
    try:
        before = _made(run, context, former)
    except Exception as error:  # noqa: BLE001  # a stage that fails on those bars is no reason to fail now
        return Restatement(days, unknown=said(error))
    now, then = set(context.load("winners").index), set(before["winners"].index)
    weights = context.load("weights")["weight"].sub(before["weights"]["weight"], fill_value=0.0)
    entered, left = (tuple(sorted(map(str, names))) for names in (now - then, then - now))
    return Restatement(days, len(now), entered, left, float(weights.abs().max()))


def _made(run: Run, context: SelectionContext, former: pd.DataFrame) -> dict[str, Artifact]:
    stages = run.pipeline()
    first = next(i for i, stage in enumerate(stages) if ARTIFACT in stage.makes)
    values = {name: context.load(name) for name in stages[first].makes}
    values["prices"] = as_it_was(values["prices"], former)
    values["run"] = context.load("run")
    if INCUMBENT in context.artifacts:  # what was held does not change with the bars
        values[INCUMBENT] = context.load(INCUMBENT)
    later = [stage for stage in stages[first + 1 :] if not set(stage.makes) <= set(values)]
    with in_the_background():
        return play(later, values, context.settings, replay=True, until="weights")


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
