"""What a run knew of the names that one may trade: their last close, and the facts that an order must hold to."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np

from quantflow.data.panel import Panel
from quantflow.errors import DataError
from quantflow.runs.find import find_run
from quantflow.runs.run import Run

Facts: TypeAlias = dict[str, Any]
"""Fields of an ``Instrument`` by name: floats and texts."""


@dataclass(frozen=True)
class Instrument:
    """One name as a run knew it; None where it did not.

    Attributes:
        price: Its last close up to the as-of, in its currency.
        session: The session of that close, ISO.
        currency: What it is quoted in.
        lot: Units are traded in multiples of this.
        min_notional: Smallest amount of an order.
    """

    price: float | None = None
    session: str | None = None
    currency: str | None = None
    lot: float | None = None
    min_notional: float | None = None


def market(run: Run, symbols: Collection[str], priced: Collection[str] = ()) -> dict[str, Instrument]:
    """Return what a run, or the sleeves of a meta run, knew of *symbols*; those that it did not know are not there.

    Args:
        run: A complete run; the store gives nothing that is later than its as-of.
        symbols: The names.
        priced: Names whose price comes from elsewhere, so that sleeves may differ on it.

    Raises:
        DataError: If two sleeves contradict each other on a name.
    """
    found: dict[str, list[tuple[str, Instrument]]] = {}
    deciding = find_run(run.workspace, run.decided_by)
    for each, decider in zip(_parts(run), _parts(deciding), strict=True):
        for symbol, instrument in _known(each, _facts(decider), symbols):
            found.setdefault(symbol, []).append((each.id, instrument))
    return {symbol: _merged(symbol, known, symbol in priced) for symbol, known in found.items()}


def symbols_of(run: Run) -> set[str]:
    """Return all symbols that a run, or the sleeves of a meta run, had prices of."""
    return {symbol for each in _parts(run) if "prices" in each.outputs for symbol in each.load("prices").symbols}


def _parts(run: Run) -> list[Run]:
    return [find_run(run.workspace, leaf.link.run_id) for leaf in run.leaves()] or [run]


def _known(run: Run, facts: Mapping[str, Facts], symbols: Collection[str]) -> Iterator[tuple[str, Instrument]]:
    if "prices" not in run.outputs:
        return  # a sleeve that failed in its first stage, where the portfolio goes on without it
    prices: Panel = run.load("prices")
    currencies = _currencies(run)
    for symbol in sorted(set(symbols) & set(prices.symbols)):
        closes = prices.close[prices.symbols.index(symbol)]
        seen = np.flatnonzero(np.isfinite(closes))
        last = {"price": float(closes[seen[-1]]), "session": str(prices.sessions[seen[-1]])} if len(seen) else {}
        currency = facts.get(symbol, {}).get("currency") or currencies.get(symbol)
        yield symbol, Instrument(**{**facts.get(symbol, {}), **last, "currency": currency or None})


def _currencies(run: Run) -> Mapping[str, str]:
    frame = run.load("instruments") if "instruments" in run.outputs else None
    return {} if frame is None or "currency" not in frame else frame["currency"].dropna().to_dict()


def _facts(run: Run) -> dict[str, Facts]:
    """Return currency, lot and smallest order of each name that became an atom, where the provider gives them."""
    if "atoms" not in run.outputs:
        return {}
    atoms = run.load("atoms").set_index("symbol")
    known = [name for name in ("currency", "lot", "min_notional") if name in atoms]
    return {str(symbol): row.dropna().to_dict() for symbol, row in atoms[known].iterrows()}


def _merged(symbol: str, known: Iterable[tuple[str, Instrument]], priced: bool) -> Instrument:
    """Return what all sleeves together know of a name."""
    merged: Facts = {}
    by: dict[str, str] = {}
    for run_id, instrument in known:
        for name in (field.name for field in fields(Instrument)):
            value = getattr(instrument, name)
            if value is None or (priced and name in ("price", "session")):
                continue
            if name in merged and not _same(merged[name], value):
                raise DataError(
                    f"{by[name]} and {run_id} disagree on {symbol}: {name} {merged[name]} and {value}.",
                    hint="Let the sleeves have it from one source; a price can also be given in the holdings.",
                )
            merged.setdefault(name, value)
            by.setdefault(name, run_id)
    return Instrument(**merged)


def _same(one: float | str, other: float | str) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return one == other
