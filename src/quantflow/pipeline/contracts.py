"""What each table of the built-in stages holds: index, columns, types, units, and what a missing value means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Holds: TypeAlias = Literal["text", "number", "whole number", "date", "true or false"]

ARROW: Mapping[Holds, tuple[str, ...]] = {
    "text": ("string",),
    "number": ("double",),
    "whole number": ("int64",),
    "date": ("date32[day]", "timestamp[s]", "timestamp[ms]", "timestamp[us]", "timestamp[ns]"),
    "true or false": ("bool",),
}
"""How the columns of a Parquet file hold each: the Arrow types."""

NEVER = "never missing"


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        holds: What its values are.
        meaning: What they say, with the unit.
        missing: What a missing value (NaN, an empty cell) says.
    """

    holds: Holds
    meaning: str
    missing: str = NEVER


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        stage: The stage that makes it.
        row: What a row is, and the order of rows.
        columns: Its columns by name, without the index.
        index: The columns of its index; empty where rows have no names.
        more: What further columns hold, whose names depend on the profile or the data; None where there are none.
    """

    stage: str
    row: str
    columns: Mapping[str, Column] = field(default_factory=dict)
    index: Mapping[str, Column] = field(default_factory=dict)
    more: Column | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that it always has."""
        return tuple(self.columns)


_SYMBOL = Column("text", "symbol")
_BY_SYMBOL = {"symbol": _SYMBOL}
_DATE = Column("date", "session")
_BY_DATE = {"date": _DATE}
_SIDE = Column("text", "`LONG` or `SHORT`")
_CLUSTER = Column("whole number", "number of the cluster, from 1; 0 for an asset of a nested portfolio")
_SECTOR = Column("text", "sector", "an empty text: not known")
_ALPHA = Column(
    "number",
    "weighted geometric mean of its features' probabilities, above 0, at most 1",
    "no score",
)
_WEIGHT = Column("number", "signed fraction of capital; short is negative")
_NET = Column("number", "return of the session after costs, a fraction of capital")
_SLEEVE = Column("text", "the sleeve's id")
_DECIDED = Column("date", "session at whose close it was decided")

_BARS = {
    "symbol": _SYMBOL,
    "date": _DATE,
    "close": Column("number", "adjusted close, in the instrument's currency", "no bar on that session; never 0"),
}
_MORE_BARS = Column(
    "number",
    "`open`, `high`, `low`, `raw_close` (prices), `volume` (units per session): where the provider has them",
    "no such value on that session",
)

TABLES_OF_SELECTION: Mapping[str, Table] = {
    "prices": Table("ingestion", "a symbol's session: a dense grid, symbols sorted", _BARS, {}, _MORE_BARS),
    "past": Table("ingestion", "as `prices`, of symbols that only the walk-forward may hold", _BARS, {}, _MORE_BARS),
    "benchmark": Table("ingestion", "as `prices`, of the benchmark's one symbol, where there is one", _BARS),
    "instruments": Table(
        "ingestion",
        "a symbol that can be held, sorted",
        {
            "name": Column("text", "what people call it"),
            "sector": _SECTOR,
            "currency": Column("text", "currency of its prices, ISO 4217"),
            "exchange": Column("text", "market, an ISO 10383 code or a name"),
        },
        _BY_SYMBOL,
    ),
    "roster": Table(
        "ingestion",
        "a spell of a symbol's membership of the universe",
        {
            "symbol": _SYMBOL,
            "from": Column("date", "first day of the spell", "since ever"),
            "to": Column("date", "last day of the spell", "still a member"),
            "name": Column("text", "what people call it", "not known any more"),
            "sector": Column("text", "sector", "not known any more"),
            "currency": Column("text", "currency of its prices", "not known any more"),
            "exchange": Column("text", "market", "not known any more"),
        },
    ),
    "former": Table(
        "ingestion",
        "an adjusted close as an earlier run had it, for the comparison of restated prices",
        {"symbol": _SYMBOL, "date": _DATE, "close": Column("number", "adjusted close then")},
    ),
    "quality": Table(
        "ingestion",
        "a finding of a data check",
        {
            "symbol": _SYMBOL,
            "check": Column("text", "the check"),
            "severity": Column("text", "`warn` or `error`"),
            "date": Column("text", "session that it is about, ISO 8601", "an empty text: about many"),
            "observed": Column("number", "worst value found, in the check's unit", "not a number"),
            "limit": Column("number", "its limit", "none"),
            "outcome": Column("text", "`passed`, `warn`, `ended`, `quarantined` or `blocked`"),
            "reason": Column("text", "why, in words"),
        },
    ),
    "tables": Table(
        "ingestion",
        "a row of a dated table, by date, then symbol; where the profile has tables",
        {"date": Column("date", "session from which on the row is known"), "symbol": _SYMBOL},
        {},
        Column("number", "`TABLE.COLUMN`, in the file's unit", "a row of another table, or nothing new"),
    ),
    "features": Table(
        "features",
        "a symbol, as prices have them",
        {},
        _BY_SYMBOL,
        Column(
            "number",
            "a [feature](configuration.md) each; `observations`; then each `TABLE.COLUMN`, the last value known",
            "undefined: fewer observations than it needs, or no value known",
        ),
    ),
    "scores": Table(
        "inference",
        "a symbol that was scored",
        {
            "direction": _SIDE,
            "score": Column("number", "sum of its `c_` columns, at most 0"),
            "alpha_score": _ALPHA,
            "rank": Column("whole number", "1 is the best of its direction"),
        },
        _BY_SYMBOL,
        Column(
            "number",
            "`c_FEATURE`: weight times the log of its probability, at most 0",
            "undefined for all",
        ),
    ),
    "clusters": Table(
        "clustering",
        "a symbol, as prices have them",
        {
            "cluster": Column("whole number", "number of the cluster, from 1"),
            "order": Column("whole number", "place in the tree's order, from 0"),
        },
        _BY_SYMBOL,
    ),
    "winners": Table(
        "policy",
        "a symbol that was selected, best rank first",
        {
            "direction": _SIDE,
            "cluster": _CLUSTER,
            "sector": _SECTOR,
            "alpha_score": _ALPHA,
            "rank": Column("whole number", "1 is the best of its direction"),
            "level": Column("whole number", "level of relaxation at which it was taken, 1 is none"),
        },
        _BY_SYMBOL,
    ),
    "decisions": Table(
        "policy",
        "a symbol of `features`, sorted",
        {
            "outcome": Column("text", "`selected`, `vetoed`, `cut` (by a quota) or `unscored`"),
            "rule": Column("text", "the rule that decided"),
            "value": Column("number", "the symbol's value of that rule, in its unit", "undefined"),
            "limit": Column("number", "the rule's limit, in the same unit", "none"),
            "margin": Column("number", "how far the value is on the good side of the limit", "none"),
            "level": Column("whole number", "level of relaxation of the decision"),
        },
        _BY_SYMBOL,
    ),
    "atoms": Table(
        "synthesis",
        "a position that can be held: a symbol, a logic, a direction; as winners are ordered",
        {
            "symbol": _SYMBOL,
            "logic": Column("text", "`synthesis.logic`"),
            "direction": _SIDE,
            "cluster": _CLUSTER,
            "sector": _SECTOR,
            "alpha_score": _ALPHA,
            "currency": Column("text", "currency of its prices"),
            "tick": Column("number", "smallest step of its price", "not known"),
            "lot": Column("number", "smallest number of units", "not known"),
            "min_notional": Column("number", "smallest order, in its currency; 0 for none", "not known"),
        },
        {"atom_id": Column("text", "`SYMBOL_LOGIC_DIRECTION`")},
    ),
    "weights": Table(
        "allocation",
        "a position, the largest first",
        {
            "weight": _WEIGHT,
            "atom_id": Column("text", "its atom"),
            "direction": _SIDE,
            "cluster": _CLUSTER,
            "sector": _SECTOR,
            "alpha_score": _ALPHA,
        },
        _BY_SYMBOL,
    ),
    "oos_returns": Table(
        "validation",
        "a session of the walk-forward",
        {
            "net": _NET,
            "gross": Column("number", "return before costs, a fraction of capital"),
            "cost": Column("number", "costs of the session, a fraction of capital"),
            "turnover": Column("number", "bought and sold, a fraction of capital"),
            "equal_weight": Column("number", "net return of equal weight"),
        },
        _BY_DATE,
        Column("number", "`benchmark`: its return, where the profile has one", "no return on that session"),
    ),
    "oos_weights": Table(
        "validation",
        "a target of the walk-forward",
        {
            "date": Column("date", "first session on which it is held"),
            "decided": _DECIDED,
            "symbol": _SYMBOL,
            "weight": _WEIGHT,
        },
    ),
    "exposures": Table(
        "validation",
        "what the walk-forward was exposed to after a rebalance",
        {
            "date": Column("date", "first session on which it is held"),
            "decided": _DECIDED,
            "kind": Column("text", "`beta`, `sector`, `cluster` or `feature`"),
            "name": Column("text", "to which one"),
            "net": Column(
                "number",
                "of a group a fraction of capital, of a feature a mean z-score by weight",
                "undefined",
            ),
            "gross": Column("number", "sum of absolute weights, a fraction of capital", "means nothing for its kind"),
        },
    ),
    "betas": Table(
        "validation",
        "a symbol",
        {"equal_weight": Column("number", "beta to equal weight", "too few returns")},
        _BY_SYMBOL,
        Column("number", "`benchmark`: beta to it, where the profile has one", "too few returns"),
    ),
    "signal_history": Table(
        "signals",
        "a signal's correlation at a rebalance, by date",
        {
            "date": Column("date", "session of the rebalance"),
            "signal": Column("text", "`score` or a feature"),
            "horizon": Column("whole number", "sessions ahead"),
            "ic": Column("number", "rank correlation with later returns, -1 to 1", "too few symbols"),
        },
    ),
    "incumbent": Table("incumbent", "a name that is held, sorted", {"weight": _WEIGHT}, _BY_SYMBOL),
}
"""By artifact: the tables of a profile's run."""

_PER_SLEEVE = Column("number", "a sleeve each: its net return", "no return on that session")
_PER_ASSET = Column("number", "a symbol each: its return", "no return on that session")

TABLES_OF_META: Mapping[str, Table] = {
    "sleeve_streams": Table(
        "meta.gather",
        "a sleeve's session",
        {"sleeve": _SLEEVE, "date": _DATE, "net": _NET, "equal_weight": Column("number", "net return of equal weight")},
    ),
    "sleeve_books": Table(
        "meta.gather",
        "a sleeve's position",
        {
            "sleeve": _SLEEVE,
            "symbol": _SYMBOL,
            "weight": Column("number", "signed fraction of the sleeve's capital"),
            "direction": _SIDE,
            "cluster": _CLUSTER,
            "sector": _SECTOR,
            "alpha_score": _ALPHA,
        },
    ),
    "sleeve_trades": Table(
        "meta.gather",
        "a target of a sleeve's walk-forward",
        {"sleeve": _SLEEVE, "date": _DATE, "symbol": _SYMBOL, "weight": Column("number", "fraction of its capital")},
    ),
    "asset_returns": Table("meta.gather", "a session", {}, _BY_DATE, _PER_ASSET),
    "asset_tradable": Table(
        "meta.gather", "a session", {}, _BY_DATE, Column("true or false", "a symbol each: whether it can be traded")
    ),
    "asset_costs": Table(
        "meta.gather",
        "an asset with costs of its own",
        {
            "symbol": _SYMBOL,
            "cost_bps": Column("number", "basis points of what is traded", "the profile's"),
            "spread_bps": Column("number", "half of the spread, basis points", "the profile's"),
            "borrow_bps": Column("number", "borrowing, basis points per year", "the profile's"),
        },
    ),
    "streams": Table("meta.aggregation", "a session that all sleeves have", {}, _BY_DATE, _PER_SLEEVE),
    "benchmarks": Table(
        "meta.aggregation",
        "a session that all sleeves have",
        {},
        _BY_DATE,
        Column("number", "a sleeve each: the return of its equal weight", "no return on that session"),
    ),
    "sleeve_weights": Table(
        "meta.optimisation",
        "a sleeve",
        {"weight": Column("number", "fraction of capital")},
        {"sleeve": _SLEEVE},
    ),
    "contributions": Table(
        "meta.flattening", "a sleeve's part of a position", {"symbol": _SYMBOL, "sleeve": _SLEEVE, "weight": _WEIGHT}
    ),
    "weights": Table(
        "meta.flattening",
        "a position, the largest first",
        {
            "weight": _WEIGHT,
            "long": Column("number", "what sleeves hold long, a fraction of capital"),
            "short": Column("number", "what sleeves hold short, a fraction of capital"),
            "sector": _SECTOR,
        },
        _BY_SYMBOL,
    ),
    "oos_returns": Table(
        "meta.validation",
        "a session of the walk-forward",
        {
            "net": _NET,
            "gross": Column("number", "return before costs"),
            "cost": Column("number", "costs of the session, a fraction of capital"),
            "turnover": Column("number", "bought and sold, a fraction of capital"),
            "equal_weight": Column("number", "net return of equal weight"),
            "equal_sleeves": Column("number", "net return of sleeves of equal weight"),
        },
        _BY_DATE,
        Column("number", "`benchmark`: its return, where there is one", "no return on that session"),
    ),
    "oos_weights": Table(
        "meta.validation",
        "a target of the walk-forward",
        {"date": Column("date", "first session on which it is held"), "symbol": _SYMBOL, "weight": _WEIGHT},
    ),
    "oos_capital": Table(
        "meta.validation",
        "a sleeve's share at a rebalance",
        {
            "date": Column("date", "first session on which it is held"),
            "decided": _DECIDED,
            "symbol": Column("text", "the sleeve's id"),
            "weight": Column("number", "fraction of capital"),
        },
    ),
}
"""By artifact: the tables of a portfolio of profiles."""
