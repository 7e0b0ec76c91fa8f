"""What came of a sweep, on a terminal: the best trials, a heat map, what matters, and the sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from quantflow.errors import unknown_name
from quantflow.runs.exports import FILES
from quantflow.runs.kinds import Sweep
from quantflow.types import Record
from quantflow.ui.tables import new_table, out, show

TOP = 10
FIGURES = ("SHARPE", "95%", "BEYOND", "SURE", "MAX DD", "TURNOVER", "COST")
SHADES = ("", "on grey15", "on grey23", "on grey30", "on dark_green", "on green4")
"""Backgrounds of a heat map's cells, the lowest value first."""


def print_sweep(run: Sweep, rows: str | None = None, columns: str | None = None) -> None:
    """Print what a complete sweep found.

    Args:
        run: The sweep.
        rows: The setting down the heat map's side; None for those that explain most.
        columns: The one across its top.

    Raises:
        ConfigError: If the sweep has no heat map of these settings.
    """
    console, found, frame = out(), run.load("sweep"), run.load("trials")
    surface = surface_of(found, rows, columns)
    console.print()
    show(console, _best(found, frame, list(run.config.over), console.width))
    if surface is not None:
        across = f" down, {surface['columns']} across" if surface["columns"] else ""
        console.print(f"\n[bold]{found['metric']}: {escape(surface['rows'])}{escape(across)}[/]", soft_wrap=True)
        show(console, heat_map(surface))
    console.print()
    show(console, _importance(found))
    console.print()
    if own := found.get("nested"):
        console.print(
            f"nested: Sharpe {own['sharpe']:.2f} over {own['sessions']:,} sessions, {own['choices']} choices; this "
            "stream is out of sample",
            soft_wrap=True,
        )
    console.print(f"[bold]{escape(found['sentence'])}[/]")
    console.print(f"{found['start']} to {found['end']}, {found['sessions']:,} sessions, after costs", soft_wrap=True)
    _files(console, run)


def print_trials_left(run: Sweep) -> None:
    """Print how far a sweep has come that is not complete."""
    results = [trial.result for trial in run.trials]
    done, failed = (
        sum(result is not None and result.state == state for result in results) for state in ("completed", "failed")
    )
    out().print(f"trials  {done} of {len(results)} completed, {failed} failed")


def surface_of(found: Record, rows: str | None, columns: str | None) -> Record | None:
    """Return the heat map of two settings, turned if it was made the other way round; of the first pair if not named.

    Raises:
        ConfigError: If the sweep has none of these settings.
    """
    surfaces: Sequence[Record] = found["surfaces"]
    if rows is None:
        return next(iter(surfaces), None)
    wanted = columns or ""
    for each in surfaces:
        if (each["rows"], each["columns"]) == (rows, wanted):
            return each
        if (each["columns"], each["rows"]) == (rows, wanted):
            return _turned(each)
    raise unknown_name(
        "pair of settings", f"{rows},{wanted}", [f"{each['rows']},{each['columns']}" for each in surfaces]
    )


def _turned(one: Record) -> Record:
    grids = ("mean", "count", "around", "spread", "lonely")
    cells = {name: [list(line) for line in zip(*one[name], strict=True)] for name in grids}
    names = {"rows": one["columns"], "columns": one["rows"]}
    return {**one, **names, "row_values": one["column_values"], "column_values": one["row_values"], **cells}


def heat_map(one: Record) -> Table:
    """Return a heat map as a table: the mean of each cell's trials, shaded by rank; ! marks a lonely peak."""
    table = new_table("", *(f">{escape(name)}" for name in one["column_values"]))
    known = sorted(value for line in one["mean"] for value in line if value is not None)
    for i, name in enumerate(one["row_values"]):
        table.add_row(escape(name), *(_cell(one, i, j, known) for j in range(len(one["column_values"]))))
    if any(any(line) for line in one["lonely"]):
        table.caption, table.caption_justify = "! a peak among worse neighbours: likely luck", "left"
    return table


def _cell(one: Record, i: int, j: int, known: Sequence[float]) -> str:
    value = one["mean"][i][j]
    if value is None:
        return ""
    place = sum(other <= value for other in known) / len(known)
    shade = SHADES[min(len(SHADES) - 1, int(place * len(SHADES)))]
    text = f"{value:.2f}{'!' if one['lonely'][i][j] else ''}"
    return f"[{shade}]{text}[/]" if shade else text


def _best(found: Record, frame: Any, settings: Sequence[str], width: int) -> Table:
    done = frame[frame["state"] == "completed"].sort_values(found["metric"], ascending=False, kind="stable").head(TOP)
    rows = [[str(number), *(str(row[name]) for name in settings), *_figures(row)] for number, row in done.iterrows()]
    names = ["TRIAL", *short_names(settings), *FIGURES]
    left = set(range(1, len(settings) + 1))
    shown = _fitting([max(map(len, column)) for column in zip(names, *rows, strict=True)], width, len(left) + 1)
    table = new_table(title=f"Best of {found['trials']} trials")
    for i in shown:
        table.add_column(escape(names[i]), justify="left" if i in left else "right", no_wrap=True, overflow="ellipsis")
    for cells in rows:
        table.add_row(*(escape(cells[i]) for i in shown))
    if found["failed"]:
        trials = "trial" if found["failed"] == 1 else "trials"
        table.caption, table.caption_justify = f"{found['failed']} {trials} failed: see the report", "left"
    return table


def _fitting(widths: Sequence[int], room: int, kept: int) -> list[int]:
    """Return the columns that fit: those of figures go first, from the last to the Sharpe ratio, which stays."""
    shown = list(range(len(widths)))
    while len(shown) > kept + 1 and sum(widths[i] + 2 for i in shown) - 2 > room:
        shown.pop()
    return shown


def short_names(settings: Sequence[str]) -> list[str]:
    """Return settings without their sections where that is enough to tell them apart."""
    keys = [name.partition(".")[2] for name in settings]
    return [key if keys.count(key) == 1 else name for name, key in zip(settings, keys, strict=True)]


def _figures(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        _number(row["sharpe"]),
        f"{_number(row['sharpe_low'])} to {_number(row['sharpe_high'])}",
        _number(row["beyond"]),
        _share(row["beyond_deflated"]),
        _share(row["max_drawdown"]),
        _number(row["turnover_annual"]),
        _share(row["cost"]),
    )


def _importance(found: Record) -> Table:
    table = new_table("SETTING", ">EXPLAINS", ">BY CHANCE", title=f"Variance of {found['metric']}")
    for each in sorted(found["importance"], key=lambda each: -(each["share"] or 0.0)):
        table.add_row(escape(each["name"]), _share(each["share"]), _share(each["chance"]))
    return table


def _files(console: Console, run: Sweep) -> None:
    console.print()
    for name in FILES.values():
        if (run.folder / name).is_file():
            console.print(f"{name:<12} {escape(str(run.folder / name))}", soft_wrap=True)
    best = run.load("sweep")["best"]["trial"]
    console.print(f"{'promote':<12} quantflow promote {escape(run.id)}/{best} --to PROFILE", soft_wrap=True)


def _number(value: float | None) -> str:
    return "n/a" if value is None or value != value else f"{value:.2f}"


def _share(value: float | None) -> str:
    return "n/a" if value is None or value != value else f"{value:.1%}"
