"""What a run knew of the names that one may trade: their last close, and the facts that an order must hold to."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from quantflow.errors import DataError
from quantflow.runs.results import results
from quantflow.runs.sleeves import links
from quantflow.runs.status import RunStatus, find_run


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


def market(run: RunStatus, symbols: Collection[str], priced: Collection[str] = ()) -> dict[str, Instrument]:
    """Return what a run, or the sleeves of a meta run, knew of *symbols*; those that it did not know are not there.

    Args:
        run: A complete run; the store gives nothing that is later than its as-of.
        symbols: The names.
        priced: Names whose price comes from elsewhere, so that sleeves may differ on it.

    Raises:
        DataError: If two sleeves tell different things of a name.
    """
    found: dict[str, list[tuple[str, Instrument]]] = {}
    for leaf in _leaves(run):
        for symbol, instrument in _known(leaf, symbols):
            found.setdefault(symbol, []).append((leaf.record.run_id, instrument))
    return {symbol: _merged(symbol, told, symbol in priced) for symbol, told in found.items()}


def _leaves(run: RunStatus) -> Iterator[RunStatus]:
    """Return the runs that a run is made of: itself, or the sleeves of a meta run, nested ones too."""
    if run.record.header["kind"] != "meta":
        yield run
        return
    for link in links(run.record):
        yield from _leaves(find_run(run.record.workspace, link.run_id))


def _known(run: RunStatus, symbols: Collection[str]) -> Iterator[tuple[str, Instrument]]:
    import numpy as np

    context = results(run)
    if "prices" not in context.artifacts:
        return  # a sleeve that failed in its first stage, where the portfolio goes on without it
    prices = context.load("prices")
    currencies = _column(context, "instruments", "currency")
    facts = _facts(context)
    for symbol in sorted(set(symbols) & set(prices.symbols)):
        closes = prices.close[prices.symbols.index(symbol)]
        seen = np.flatnonzero(np.isfinite(closes))
        told = {"price": float(closes[seen[-1]]), "session": str(prices.sessions[seen[-1]])} if len(seen) else {}
        currency = facts.get(symbol, {}).get("currency") or currencies.get(symbol)
        yield symbol, Instrument(**{**facts.get(symbol, {}), **told, "currency": currency or None})


def _column(context: Any, name: str, column: str) -> Mapping[str, Any]:
    frame = context.load(name) if name in context.artifacts else None
    return {} if frame is None or column not in frame else frame[column].dropna().to_dict()


def _facts(context: Any) -> dict[str, dict[str, Any]]:
    """Return currency, lot and smallest order of each name that became an atom, where the provider told them."""
    if "atoms" not in context.artifacts:
        return {}
    atoms = context.load("atoms").set_index("symbol")
    known = [name for name in ("currency", "lot", "min_notional") if name in atoms]
    return {str(symbol): row.dropna().to_dict() for symbol, row in atoms[known].iterrows()}


def _merged(symbol: str, told: Iterable[tuple[str, Instrument]], priced: bool) -> Instrument:
    """Return what all sleeves say together of a name."""
    merged: dict[str, Any] = {}
    by: dict[str, str] = {}
    for run_id, instrument in told:
        for name in (field.name for field in fields(Instrument)):
            value = getattr(instrument, name)
            if value is None or (priced and name in ("price", "session")):
                continue
            if name in merged and not _same(merged[name], value):
                raise DataError(
                    f"{by[name]} and {run_id} tell different things of {symbol}: {name} {merged[name]} and {value}.",
                    hint="Let the sleeves have it from one source; a price can also be given in the holdings.",
                )
            merged.setdefault(name, value)
            by.setdefault(name, run_id)
    return Instrument(**merged)


def _same(one: Any, other: Any) -> bool:
    return math.isclose(one, other, rel_tol=1e-9) if isinstance(one, float) else bool(one == other)
