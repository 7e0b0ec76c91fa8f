"""The path of one name through a run: what each stage found of it, and what would have changed the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from quantflow.errors import ConfigError, unknown_name
from quantflow.review.why.changes import Claim, claims_of
from quantflow.runs.find import find_run
from quantflow.runs.kinds import Meta
from quantflow.runs.outcome import why as carriers
from quantflow.runs.run import Run
from quantflow.types import Json

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Step:
    """What one stage found of a name.

    Attributes:
        stage: The stage.
        outcome: In words.
        value: The figure that decided; None where none did.
        limit: The limit of the rule.
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
        change: The nearest change that would have altered the outcome, in words; empty when there is none.
        changes: All that were found, of each figure and setting the nearest; each was applied through the policy.
        weight: Signed fraction of capital; 0.0 when it is not held.
        sleeves: Of a meta run: its path in each sleeve, by the sleeve's id.
    """

    symbol: str
    run_id: str
    steps: tuple[Step, ...]
    change: str
    changes: tuple[Claim, ...]
    weight: float
    sleeves: Mapping[str, Path]

    def json(self) -> Json:
        """Return the path as JSON values."""
        return asdict(self)


def path_of(run: Run, symbol: str, *, changes: bool = True) -> Path:
    """Return the way of *symbol* through *run*; through the run that decided, where this one decided nothing.

    Args:
        run: The run.
        symbol: The name.
        changes: Whether to find what would have altered the outcome: of hundreds of names that takes a while each.

    Raises:
        ConfigError: If the run has not come so far as to know its symbols, or knows none of that name.
    """
    if run.decided_by != run.id:
        return path_of(find_run(run.workspace, run.decided_by), symbol, changes=changes)
    if isinstance(run, Meta):
        return _through_sleeves(run, symbol, changes)
    known = sorted({*_index(run, "instruments"), *_column(run, "quality"), *_column(run, "roster")})
    if not known:
        raise ConfigError(f"Run {run.id} knows no symbols yet.", hint=f"quantflow resume {run.id}")
    if symbol not in known:
        raise unknown_name("symbol", symbol, known)
    steps = [step for find in _STEPS for step in find(run, symbol)]
    claims = claims_of(run, symbol) if changes else ()
    return Path(symbol, run.id, tuple(steps), claims[0].says if claims else "", claims, _weight(run, symbol), {})


def _through_sleeves(run: Run, symbol: str, changes: bool) -> Path:
    sleeves: dict[str, Path] = {}
    known: set[str] = set()
    for sleeve in run.sleeves:
        inner = find_run(run.workspace, sleeve.link.run_id)
        known |= set(_index(inner, "instruments"))
        try:
            sleeves[sleeve.name] = path_of(inner, symbol, changes=changes)
        except ConfigError:
            continue  # that sleeve does not know the name; another may
    if not sleeves:
        raise unknown_name("symbol", symbol, sorted(known))
    steps = []
    if "contributions" in run.outputs:
        parts = run.load("contributions")
        for row in parts[parts["symbol"] == symbol].itertuples():
            capital = float(run.load("sleeve_weights").loc[row.sleeve, "weight"])
            words = f"{row.sleeve}: {row.weight:+.2%} of the portfolio's capital"
            steps.append(Step("meta.flattening", words, float(row.weight), capital))
    return Path(symbol, run.id, tuple(steps), "", (), _weight(run, symbol), sleeves)


def _index(run: Run, name: str) -> list[str]:
    return list(run.load(name).index) if name in run.outputs else []


def _column(run: Run, name: str) -> list[str]:
    return list(run.load(name)["symbol"]) if name in run.outputs else []


def _ingested(run: Run, symbol: str) -> list[Step]:
    quality = run.load("quality")
    found = [
        Step("ingestion", f"{row.outcome}: {row.reason}", float(row.observed), float(row.limit))
        for row in quality[quality["symbol"] == symbol].itertuples()
    ]
    row = _row(run, "instruments", symbol)
    if row is None and not found:
        return [Step("ingestion", "not a member of the universe on that date")]
    sector = f", {row['sector']}" if row is not None and row["sector"] else ""
    return found or [Step("ingestion", f"passed all data checks{sector}")]


def _described(run: Run, symbol: str) -> list[Step]:
    row = _row(run, "features", symbol)
    if row is None:
        return []
    known = ", ".join(f"{name} {value:.4g}" for name, value in row.items() if value == value)  # not NaN
    undefined = ", ".join(str(name) for name, value in row.items() if value != value)  # NaN
    return [Step("features", known + (f"; undefined: {undefined}" if undefined else ""))]


def _scored(run: Run, symbol: str) -> list[Step]:
    row = _row(run, "scores", symbol)
    if row is None:
        return []
    parts = {name.removeprefix("c_"): float(row[name]) for name in row.index if name.startswith("c_")}
    total = len(run.load("scores"))
    words = f"rank {row['rank']} of {total}, {row['direction']}: {carriers(parts)}"
    return [Step("inference", words, float(row["alpha_score"]))]


def _clustered(run: Run, symbol: str) -> list[Step]:
    row = _row(run, "clusters", symbol)
    if row is None:
        return []
    clusters = run.load("clusters")["cluster"]
    others = [name for name in clusters.index[clusters == row["cluster"]] if name != symbol]
    return [Step("clustering", f"cluster {row['cluster']}, with {', '.join(others[:8]) or 'no other'}")]


def _decided(run: Run, symbol: str) -> list[Step]:
    row = _row(run, "decisions", symbol)
    if row is None:
        return []
    words = f"{row['outcome']} by {row['rule']}, level {row['level']}"
    return [Step("policy", words, *(_number(row[name]) for name in ("value", "limit", "margin")))]


def _allocated(run: Run, symbol: str) -> list[Step]:
    row = _row(run, "weights", symbol)
    if row is None:
        return []
    facts = run.load("allocation") if "allocation" in run.outputs else {}
    bound = [str(line) for line in facts.get("binding", []) if symbol in str(line)]
    words = f"{row['weight']:+.2%} by {facts.get('used', 'its method')}"
    return [Step("allocation", words + (f"; at its limit: {', '.join(bound)}" if bound else ""), float(row["weight"]))]


_STEPS = (_ingested, _described, _scored, _clustered, _decided, _allocated)


def _weight(run: Run, symbol: str) -> float:
    row = _row(run, "weights", symbol)
    return 0.0 if row is None else float(row["weight"])


def _row(run: Run, name: str, symbol: str) -> pd.Series | None:
    if name not in run.outputs:
        return None
    frame = run.load(name)
    return frame.loc[symbol] if symbol in frame.index else None


def _number(value: float | None) -> float | None:
    return None if value is None or value != value else float(value)  # NaN
