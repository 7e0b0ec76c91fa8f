"""Tables of runs, plans and results, for people; to stdout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from quantflow.runs.outcome import Outcome
from quantflow.runs.plan import Planned
from quantflow.runs.run import Run
from quantflow.ui.progress.marks import STYLES
from quantflow.ui.progress.rows import counts
from quantflow.ui.screen import Screen


def out() -> Console:
    """Return the console of stdout; wide when it is not a terminal, so that nothing is cut off in a file."""
    console = Screen(highlight=False)
    return console if console.is_terminal else Screen(highlight=False, width=200)


WHOLE = frozenset({"RUN", "SLEEVE", "PROFILE", "NAME", "STAGE", "SYMBOL", "AS-OF", "FROM", "TO", "CREATED", "95%", ""})
"""Columns whose cells stay in one line, to be copied, as long as all fit; those of ``RUN`` in any case."""
SHORTEST = 6


def _fit(console: Console, table: Table) -> None:
    """Where a table is wider than the terminal, let it wrap, between words if possible, and never lose a character.

    Rich alone would cut words, and columns.
    """
    cells = [[Text.from_markup(str(cell)).plain for cell in (c.header, *c.cells)] for c in table.columns]
    full = [max(cell_len(line) for cell in column for line in cell.splitlines() or [""]) for column in cells]
    if sum(full) + 2 * len(full) <= console.width:
        return
    words = [max(cell_len(word) for cell in column for word in cell.split() or [""]) for column in cells]
    least = [width if c.header in WHOLE else word for c, width, word in zip(table.columns, full, words, strict=True)]
    room = console.width - len(least)
    for index in sorted(range(len(least)), key=lambda i: -least[i]):
        if (excess := sum(least) - room) > 0 and table.columns[index].header != "RUN":
            least[index] = max(min(SHORTEST, least[index]), least[index] - excess)
    missing = sorted(range(len(least)), key=lambda i: full[i] - least[i])
    for done, index in enumerate(missing):
        spare = max(0, room - sum(least)) // (len(missing) - done)
        least[index] += min(spare, full[index] - least[index])
    table.padding = (0, 1, 0, 0)
    for column, width in zip(table.columns, least, strict=True):
        column.overflow, column.width = "fold", width


def show(console: Console, table: Table) -> None:
    """Print a table; off a terminal without the blanks that fill its lines."""
    _fit(console, table)
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def new_table(*columns: str, title: str = "") -> Table:
    """Return an empty table in the style of all; a column whose title starts with ``>`` is right-aligned."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", title=title or None)
    table.title_justify, table.title_style = "left", "bold"
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    return table


def _styled(state: str) -> str:
    style = STYLES.get(state, "")
    return f"[{style}]{state}[/]" if style else state


def print_outcome(run: Run, found: Outcome, *, funnel: bool = True) -> None:
    """Print what a run found: winners and why, weights, out-of-sample figures, files.

    Args:
        run: The run.
        found: What it found.
        funnel: Whether each stage's counts and note come first; not where its stages were shown already.
    """
    console = out()
    if run.header.decision.hold:
        console.print(f"hold: next rebalance {run.header.decision.next}")
    for table in (
        *([_funnel(found)] if funnel else []),
        _winners(found),
        _held(found),
        _sleeves(found),
        _contributions(found),
        _metrics(found),
    ):
        if table.row_count:
            console.print()
            show(console, table)
    console.print()
    for name, path in found.files.items():
        console.print(f"{name:<12} {escape(path)}", soft_wrap=True)


def _funnel(found: Outcome) -> Table:
    table = new_table("STAGE", ">IN", ">OUT", "NOTE", title="Funnel")
    for row in found.funnel:
        entered, left = ("" if row[key] is None else str(row[key]) for key in ("entered", "left"))
        table.add_row(row["stage"], entered, left, escape(row["note"]))
    return table


def _winners(found: Outcome) -> Table:
    weights = {row["symbol"]: row["weight"] for row in found.weights}
    columns = ("SYMBOL", ">WEIGHT", "SIDE", ">SCORE", ">RANK", ">CLUSTER", "SECTOR", "WHY")
    table = new_table(*columns, title="Winners and weights")
    for row in found.winners:
        weight = weights.get(row["symbol"])
        table.add_row(
            escape(str(row["symbol"])),
            f"{0.0 if weight is None else weight:.2%}",
            row["direction"],
            f"{row['alpha_score']:.3f}",
            str(row["rank"]),
            str(row["cluster"]),
            escape(str(row["sector"])),
            escape(row["why"]),
        )
    return table


def _held(found: Outcome) -> Table:
    """Return what is held where nothing was decided."""
    table = new_table("SYMBOL", ">WEIGHT", "SECTOR", title="Held")
    for row in found.weights if found.decision.get("kind") == "hold" else ():
        table.add_row(escape(str(row["symbol"])), f"{row['weight']:.2%}", escape(str(row["sector"])))
    return table


def _sleeves(found: Outcome) -> Table:
    table = new_table("SLEEVE", ">WEIGHT", "AS-OF", "RUN", title="Sleeves")
    for row in found.sleeves:
        run = f"{row['run_id']} (reused)" if row["reused"] else row["run_id"]
        table.add_row(escape(row["id"]), f"{row['weight']:.2%}", row["as_of"], escape(run))
    return table


def _contributions(found: Outcome) -> Table:
    names = [row["id"] for row in found.sleeves]
    table = new_table("SYMBOL", ">NET", *(f">{name}" for name in names), title="Net weights, by sleeve")
    for row in found.contributions:
        parts = (row["by_sleeve"].get(name) for name in names)
        cells = ("" if part is None else f"{part:.2%}" for part in parts)
        table.add_row(escape(str(row["symbol"])), f"{row['weight']:.2%}", *cells)
    if found.contributions:
        sums = [sum(row["by_sleeve"].get(name, 0.0) for row in found.contributions) for name in names]
        table.add_row("sum", f"{sum(row['weight'] for row in found.contributions):.2%}", *(f"{s:.2%}" for s in sums))
    return table


_FIGURES = (
    ("cagr", "CAGR", "{:.2%}"),
    ("volatility", "VOLATILITY", "{:.2%}"),
    ("sharpe", "SHARPE", "{:.2f}"),
    ("sharpe_range", "95%", "{}"),
    ("sortino", "SORTINO", "{:.2f}"),
    ("max_drawdown", "MAX DRAWDOWN", "{:.2%}"),
    ("turnover_annual", "TURNOVER PER YEAR", "{:.2f}"),
)


def _metrics(found: Outcome) -> Table:
    blocks = {name: block for name, block in found.metrics.items() if isinstance(block, dict) and "sharpe" in block}
    lags = found.metrics.get("lags", {})
    others = {f"strategy, lag {lag}": lags[lag] for lag in sorted(lags, key=int)}
    order = sorted(blocks, key=lambda name: (name != "strategy", name))
    series = {name: block for first in order for name, block in _with_lags(first, blocks[first], others).items()}
    span: Mapping[str, Any] = next(iter(series.values()), {})
    title = f"Out of sample, after costs, {span.get('start', '')} to {span.get('end', '')}" if span else ""
    table = new_table("", *(f">{label}" for _, label, _ in _FIGURES), title=title)
    for name, block in series.items():
        known = {**block, "sharpe_range": _range(block)}
        whose = f" {escape(str(block['symbol']))}" if "symbol" in block else ""
        table.add_row(f"{name.replace('_', ' ')}{whose}", *(_figure(known.get(key), form) for key, _, form in _FIGURES))
    return table


def _with_lags(name: str, block: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Return a series; the strategy with its lag in its name and those of other lags after it, where there are any."""
    return {f"strategy, lag {block['lag']}": block, **others} if name == "strategy" and others else {name: block}


def _range(block: Mapping[str, Any]) -> str | None:
    low, high = block.get("sharpe_low"), block.get("sharpe_high")
    return None if low is None or high is None else f"{low:.2f} to {high:.2f}"


def _figure(value: Any, form: str) -> str:
    return "" if value is None else form.format(value)


def print_plan(lines: Sequence[Planned], title: str = "") -> None:
    """Print what a run would do, and why."""
    table = new_table("STAGE", "ACTION", "WHY", title=escape(title))
    for line in lines:
        first, *more = line.detail.split(", ")
        detail = f"{first}, …" if more else first
        table.add_row(line.stage, line.action, f"{line.reason.value} {escape(detail)}".rstrip())
    console = out()
    show(console, table)
    reused = sum(line.action == "reuse" for line in lines)
    console.print(f"{reused} to reuse, {len(lines) - reused} to run")


def print_runs(runs: Sequence[Run]) -> None:
    """Print one line per run, newest last."""
    table = new_table("RUN", "STATE", "PROFILE", "AS-OF", "CREATED")
    for run in runs:
        facts = ("", "", "")
        if run.state != "unreadable":
            facts = (run.header.profile, str(run.header.as_of), run.header.created[:16].replace("T", " "))
        table.add_row(escape(run.id), _run_state(run), *(escape(fact) for fact in facts))
    show(out(), table)


def _run_state(run: Run) -> str:
    """Return a run's state; of one that is not complete also how far it came."""
    if run.state == "completed":
        return _styled("degraded" if run.degraded else "completed")
    return _styled(run.state) + (f" {len(run.done)}/{len(run.stages)}" if run.state != "unreadable" else "")


def print_run(run: Run) -> None:
    """Print one run: its state, then a line per stage, then what to do next."""
    console = out()
    as_of = "?" if run.state == "unreadable" else run.as_of
    console.print(f"[bold]{escape(run.id)}[/]  {_run_state(run)}  as-of {as_of}")
    if run.owner:
        console.print(f"owner: process {run.owner['pid']} on {run.owner['host']} since {run.owner['since']}")
    table = new_table("STAGE", "STATE", ">TRY", ">TIME", ">SYMBOLS", "NOTE")
    for name, stage in run.stages.items():
        if stage is None:
            table.add_row(name, _styled("pending"))
            continue
        note = stage.summary.note or (str(stage.error["message"]) if stage.error else "")
        seconds = "" if stage.seconds is None else f"{stage.seconds:.1f}s"
        symbols = counts(stage.summary.entered, stage.summary.left)
        table.add_row(name, _styled(run.stage_state(name)), str(stage.attempt), seconds, symbols, escape(note))
    show(console, table)
    console.print(f"folder  {escape(str(run.folder))}", soft_wrap=True)
    if run.error and not run.failed:  # a stage that failed has its reason in its line
        console.print(f"[red]error[/]   {escape(str(run.error['message']))}", soft_wrap=True)
        if run.error["hint"]:
            console.print(f"hint    {escape(str(run.error['hint']))}", soft_wrap=True)
    if run.state in ("failed", "interrupted"):
        console.print(f"resume  quantflow resume {escape(run.id)}", soft_wrap=True)


def print_stage(run: Run, stage_id: str) -> None:
    """Print one stage of a run: attempts, key, inputs, outputs, error."""
    stage = run.stages[stage_id]
    console = out()
    console.print(f"[bold]{escape(run.id)} / {stage_id}[/]  {_styled(run.stage_state(stage_id))}")
    if stage is None:
        return
    facts = {
        "started": stage.started,
        "seconds": stage.seconds,
        "attempt": stage.attempt,
        "memory": f"{stage.max_rss_mb} MiB" if stage.max_rss_mb else None,
        "symbols": counts(stage.summary.entered, stage.summary.left) or None,
        "note": stage.summary.note or None,
        "key": stage.key,
    }
    for name, value in facts.items():
        if value is not None:
            console.print(f"{name:<8} {escape(str(value))}", soft_wrap=True)
    for name, ref in stage.outputs.items():
        console.print(f"made     {name}  {ref.rows if ref.rows is not None else '-'} rows  {ref.uri}", soft_wrap=True)
    if stage.error:
        console.print(f"[red]error[/]    {escape(str(stage.error['message']))}", soft_wrap=True)
        if stage.error.get("hint"):
            console.print(f"hint     {escape(str(stage.error['hint']))}", soft_wrap=True)
