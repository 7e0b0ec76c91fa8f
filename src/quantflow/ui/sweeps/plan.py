"""What a sweep would do, on a terminal."""

from __future__ import annotations

from rich.markup import escape

from quantflow.pipeline.advance import duration
from quantflow.review.sweep_plan import SweepPlan
from quantflow.ui.tables import new_table, out, show


def print_sweep_plan(plan: SweepPlan) -> None:
    """Print how often each stage is computed and reused, and about how long the trials take."""
    table = new_table("STAGE", ">COMPUTE", ">REUSE", ">EACH")
    for stage in plan.stages:
        each = "" if stage.seconds is None else f"{stage.seconds:.1f}s"
        table.add_row(escape(stage.stage), str(stage.computed), str(stage.reused), each)
    console = out()
    show(console, table)
    invalid = f", {plan.invalid} of them not valid" if plan.invalid else ""
    workers = f"{plan.workers} worker{'' if plan.workers == 1 else 's'}"
    took = (
        f"about {duration(plan.seconds)}" if plan.seconds is not None else "no run of the profile yet to tell the time"
    )
    console.print(f"{plan.trials} trials{invalid}, {workers}: {took}")
