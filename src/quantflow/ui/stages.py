"""Tables of stages, for people; to stdout."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape

from quantflow.config.problems import show as as_toml
from quantflow.pipeline.describe import Described, Key
from quantflow.pipeline.stage import Summary
from quantflow.review.single import Made
from quantflow.ui.profiles import plain_table
from quantflow.ui.tables import out, show


def print_stages(found: Sequence[Described]) -> None:
    """Print a line per stage: what it is, what it reads and makes, where it comes from."""
    table = plain_table("STAGE", "KIND", "NEEDS", "MAKES", "PACKAGE", "REGISTERED AS")
    for stage in found:
        needs = escape(f"does not load: {stage.problem}") if stage.problem else ", ".join(stage.needs)
        table.add_row(stage.id, stage.kind, needs, ", ".join(stage.makes), stage.package, stage.registered)
    show(out(), table)


def print_stage_definition(stage: Described, keys: Sequence[Key]) -> None:
    """Print what one stage is, and the settings that it reads."""
    console = out()
    console.print(f"[bold]{stage.id}[/]  {stage.kind}, of {stage.package}")
    console.print(f"needs  {', '.join(stage.needs) or 'nothing'}\nmakes  {', '.join(stage.makes)}\n", highlight=False)
    console.print(escape(stage.about), soft_wrap=True)
    if not keys:
        return
    table = plain_table("SETTING", "DEFAULT", "MEANING")
    for key in keys:
        default = "required" if key.required else "not set" if key.default is None else as_toml(key.default)
        table.add_row(key.name, escape(default), escape(key.meaning))
    console.print()
    show(console, table)


def print_made(stage_id: str, run_id: str, summary: Summary, made: Sequence[Made]) -> None:
    """Print what a stage made when it was run on a run's artifacts."""
    console = out()
    table = plain_table("ARTIFACT", "ROWS", "COLUMNS", "SHA256", "THE RUN'S OWN")
    for item in made:
        rows = "" if item.ref.rows is None else str(item.ref.rows)
        own = {None: "has none", True: "same bytes", False: "differs"}[item.same]
        table.add_row(item.ref.name, rows, ", ".join(item.ref.schema), item.ref.sha256[:12], own)
    show(console, table)
    console.print(f"\n{stage_id} on {run_id}{f': {escape(summary.note)}' if summary.note else ''}", soft_wrap=True)
    for item in made:
        console.print(escape(item.path), soft_wrap=True)
