"""What a complete run makes of its profile's book: the sessions since the run before, and what is held then."""

from __future__ import annotations

from quantflow.config.data import DataConfig
from quantflow.data.position import Decision, Line, Position, begun, carried
from quantflow.data.quality.costs import own_costs
from quantflow.data.quality.history import quotes
from quantflow.data.quotes import Quotes, costs_under, joined
from quantflow.quant.costs import Costs
from quantflow.runs.header import Kind
from quantflow.runs.run import Run


def advanced(run: Run, before: Position | None) -> tuple[list[Line], Position]:
    """Return a line per session since *before*, and the position after a complete run.

    Args:
        run: The run.
        before: The position before it; None where nothing is held.
    """
    tradable = quotes_of(run)
    return carried(
        before or begun(run.as_of, run.id),
        tradable,
        costs_under(run.header.settings, tradable.own),
        run.id,
        None if run.header.decision.hold else _decision(run),
        by_hand=run.header.decision.kind is Kind.BY_HAND,
    )


def _decision(run: Run) -> Decision:
    leaves = [leaf.run for leaf in run.leaves()] or [run]
    pool = tuple(sorted({symbol for leaf in leaves for symbol in leaf.load("prices").symbols}))
    return Decision(run.id, run.as_of.isoformat(), run.weights, pool, run.header.settings["rebalance"]["lag"])


def quotes_of(run: Run) -> Quotes:
    """Return what can be traded of the names of a run; of a meta run, of all its sleeves."""
    return joined([_quotes(leaf.run) for leaf in run.leaves()]) if run.leaves() else _quotes(run)


def _quotes(run: Run) -> Quotes:
    config = DataConfig(**run.header.settings["data"])
    return quotes(run.load("prices"), run.load("past"), run.load("roster"), config)


def costs_of(run: Run) -> Costs:
    """Return what a run's book pays; of a meta run, a name of several sleeves costs what the first one says."""
    leaves = [leaf.run for leaf in run.leaves()] or [run]
    files = [leaf for leaf in reversed(leaves) if leaf.header.settings["validation"].get("costs") is not None]
    own = {name: cost for leaf in files for name, cost in own_costs(leaf.load("roster")).items()}
    return costs_under(run.header.settings, own)
