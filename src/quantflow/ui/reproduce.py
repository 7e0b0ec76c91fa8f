"""How the reproduction of a run looks."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from rich.markup import escape

from quantflow.review.reproduction import BROKEN, Reproduction, Verdict
from quantflow.ui.tables import new_table, out, show

_STYLES = {Verdict.NOT_COMPARED: "dim", Verdict.GIVEN: "cyan", Verdict.NOT_RUN: "yellow"}


def print_reproduction(found: Reproduction, *, with_sleeves: bool, kept: str | None) -> None:
    """Print a line per stage, what differs first and why, and the verdict.

    Args:
        found: What came of it.
        with_sleeves: Whether a meta run's sleeves are reproduced too, each by itself.
        kept: The folder that holds what was made; None when it is gone.
    """
    console = out()
    console.print(f"[bold]{escape(found.run_id)}[/]  as-of {found.as_of}, {_how(found)}", soft_wrap=True)
    table = new_table("STAGE", "RECORDED", "REPRODUCED", "VERDICT")
    for row in found.stages:
        style = "bold red" if row.verdict in BROKEN else _STYLES.get(row.verdict, "green")
        table.add_row(escape(row.stage), _digest(row.recorded), _digest(row.reproduced), f"[{style}]{row.verdict}[/]")
    show(console, table)
    for row in found.stages:
        if row.detail:
            console.print(f"{escape(row.stage)}: {escape(row.detail)}", soft_wrap=True)
    if found.first:
        console.print(f"[bold red]first that differs: {escape(found.first)}[/]", soft_wrap=True)
        console.print(f"likely cause: {escape(found.cause)}", soft_wrap=True)
    else:
        console.print(f"[bold green]reproduced[/]: {_claim(found)}", soft_wrap=True)
    if found.sleeves and not with_sleeves:
        again = f"quantflow reproduce {found.run_id} --sleeves"
        console.print(f"{len(found.sleeves)} sleeves taken as recorded; to reproduce them too: {again}", soft_wrap=True)
    if kept:
        console.print(f"kept in {escape(kept)}", soft_wrap=True)


def _how(found: Reproduction) -> str:
    data = "data fetched again" if found.refetched else "data as they were fetched"
    data = "on its sleeves as recorded" if found.sleeves else data
    if found.exact:
        return data
    return f"{data}, compared within 1e-9: made on {found.cpu[0]}, here is {found.cpu[1]}"


def _claim(found: Reproduction) -> str:
    if any(row.verdict is Verdict.WITHIN for row in found.stages):
        return "what is computed is within 1e-9 of what the run recorded"
    return "what is computed is what the run recorded, to the bit"


def _digest(hashes: Mapping[str, str]) -> str:
    """Return 12 digits that stand for all artifacts of a stage: of the one, or of all by name."""
    if len(hashes) < 2:
        return "".join(hashes.values())[:12]
    return sha256("".join(f"{name} {hashes[name]}\n" for name in sorted(hashes)).encode()).hexdigest()[:12]
