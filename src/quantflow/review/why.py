"""The path of one name through a run: what each stage found of it, and what would have changed the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from quantflow.errors import ConfigError, unknown_name
from quantflow.pipeline.stage import SelectionContext
from quantflow.runs.outcome import why as carriers
from quantflow.runs.results import results
from quantflow.runs.sleeves import links
from quantflow.runs.status import RunStatus, find_run


@dataclass(frozen=True)
class Step:
    """What one stage found of a name.

    Attributes:
        stage: The stage.
        outcome: In words.
        value: The figure that decided; None where none did.
        limit: What it was held against.
        margin: How far it was on the right side of the limit; negative when on the wrong one.
    """

    stage: str
    outcome: str
    value: float | None = None
    limit: float | None = None
    margin: float | None = None


@dataclass(frozen=True)
class Path:
    """The way of one name through one run.

    Attributes:
        symbol: The name.
        run_id: The run.
        steps: What the stages found, in order.
        change: The nearest change that would have altered the outcome; empty when no rule decided.
        weight: Signed fraction of capital; 0.0 when it is not held.
        sleeves: Of a meta run: its path in each sleeve, by the sleeve's id.
    """

    symbol: str
    run_id: str
    steps: tuple[Step, ...]
    change: str
    weight: float
    sleeves: Mapping[str, Path]

    def json(self) -> dict[str, Any]:
        """Return the path as JSON values."""
        return asdict(self)


def path_of(run: RunStatus, symbol: str) -> Path:
    """Return the way of *symbol* through *run*.

    Raises:
        ConfigError: If the run has not come so far as to know its symbols, or knows none of that name.
    """
    if run.record.header["kind"] == "meta":
        return _through_sleeves(run, symbol)
    context = results(run)
    known = sorted({*_index(context, "instruments"), *_column(context, "quality")})
    if not known:
        raise ConfigError(
            f"Run {run.record.run_id} knows no symbols yet.", hint=f"quantflow resume {run.record.run_id}"
        )
    if symbol not in known:
        raise unknown_name("symbol", symbol, known)
    steps = [step for find in _STEPS for step in find(context, symbol)]
    return Path(symbol, run.record.run_id, tuple(steps), _change(context, symbol), _weight(context, symbol), {})


def _through_sleeves(run: RunStatus, symbol: str) -> Path:
    context, sleeves = results(run), {}
    known: set[str] = set()
    for link in links(run.record):
        inner = find_run(run.record.workspace, link.run_id)
        if inner.record.header["kind"] != "meta":
            known |= set(_index(results(inner), "instruments"))
        try:
            sleeves[link.id] = path_of(inner, symbol)
        except ConfigError:
            continue  # that sleeve does not know the name; another may
    if not sleeves:
        raise unknown_name("symbol", symbol, sorted(known))
    steps = []
    if "contributions" in context.artifacts:
        parts = context.load("contributions")
        for row in parts[parts["symbol"] == symbol].itertuples():
            capital = float(context.load("sleeve_weights").loc[row.sleeve, "weight"])
            words = f"{row.sleeve}: {row.weight:+.2%} of the portfolio's capital"
            steps.append(Step("meta.flattening", words, float(row.weight), capital))
    return Path(symbol, run.record.run_id, tuple(steps), "", _weight(context, symbol), sleeves)


def _index(context: SelectionContext, name: str) -> list[str]:
    return list(context.load(name).index) if name in context.artifacts else []


def _column(context: SelectionContext, name: str) -> list[str]:
    return list(context.load(name)["symbol"]) if name in context.artifacts else []


def _ingested(context: SelectionContext, symbol: str) -> list[Step]:
    quality = context.load("quality")
    found = [
        Step("ingestion", f"{row.outcome}: {row.reason}", float(row.observed), float(row.limit))
        for row in quality[quality["symbol"] == symbol].itertuples()
    ]
    told = context.load("instruments")
    sector = f", {told.loc[symbol, 'sector']}" if symbol in told.index and told.loc[symbol, "sector"] else ""
    return found or [Step("ingestion", f"passed all data checks{sector}")]


def _described(context: SelectionContext, symbol: str) -> list[Step]:
    row = _row(context, "features", symbol)
    if row is None:
        return []
    known = ", ".join(f"{name} {value:.4g}" for name, value in row.items() if value == value)  # not NaN
    lacking = ", ".join(str(name) for name, value in row.items() if value != value)  # NaN
    return [Step("features", known + (f"; undefined: {lacking}" if lacking else ""))]


def _scored(context: SelectionContext, symbol: str) -> list[Step]:
    row = _row(context, "scores", symbol)
    if row is None:
        return []
    parts = {name.removeprefix("c_"): float(row[name]) for name in row.index if name.startswith("c_")}
    total = len(context.load("scores"))
    words = f"rank {row['rank']} of {total}, {row['direction']}: {carriers(parts)}"
    return [Step("inference", words, float(row["alpha_score"]))]


def _clustered(context: SelectionContext, symbol: str) -> list[Step]:
    row = _row(context, "clusters", symbol)
    if row is None:
        return []
    clusters = context.load("clusters")["cluster"]
    others = [name for name in clusters.index[clusters == row["cluster"]] if name != symbol]
    return [Step("clustering", f"cluster {row['cluster']}, with {', '.join(others[:8]) or 'no other'}")]


def _decided(context: SelectionContext, symbol: str) -> list[Step]:
    row = _row(context, "decisions", symbol)
    if row is None:
        return []
    words = f"{row['outcome']} by {row['rule']}, level {row['level']}"
    return [Step("policy", words, *(_number(row[name]) for name in ("value", "limit", "margin")))]


def _allocated(context: SelectionContext, symbol: str) -> list[Step]:
    row = _row(context, "weights", symbol)
    if row is None:
        return []
    facts = context.load("allocation") if "allocation" in context.artifacts else {}
    bound = [str(line) for line in facts.get("binding", []) if symbol in str(line)]
    words = f"{row['weight']:+.2%} by {facts.get('used', 'its method')}"
    return [Step("allocation", words + (f"; at its limit: {', '.join(bound)}" if bound else ""), float(row["weight"]))]


_STEPS = (_ingested, _described, _scored, _clustered, _decided, _allocated)


def _change(context: SelectionContext, symbol: str) -> str:
    """Return the nearest change that would alter what the policy decided."""
    row = _row(context, "decisions", symbol)
    if row is None or _number(row["margin"]) is None:
        return ""
    margin, limit = float(row["margin"]), float(row["limit"])
    if row["outcome"] == "selected":
        return f"Its {row['rule']} figure is {row['value']:.4g}: {margin:.4g} worse, at {limit:.4g}, and it is out."
    return (
        f"It was {-margin:.4g} short of {row['rule']}: its figure is {row['value']:.4g}, the limit {limit:.4g}; "
        "past it, the next rule decides."
    )


def _weight(context: SelectionContext, symbol: str) -> float:
    row = _row(context, "weights", symbol)
    return 0.0 if row is None else float(row["weight"])


def _row(context: SelectionContext, name: str, symbol: str) -> Any:
    if name not in context.artifacts:
        return None
    frame = context.load(name)
    return frame.loc[symbol] if symbol in frame.index else None


def _number(value: Any) -> float | None:
    return None if value is None or value != value else float(value)  # NaN
