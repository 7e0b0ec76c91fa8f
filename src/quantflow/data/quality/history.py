"""The history of a universe: the symbols that may be used now and those that could be used once, in one panel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.config.data import DataConfig
from quantflow.data.panel import FloatArray, Panel
from quantflow.data.providers.base import LAST_MOVE
from quantflow.data.quality.contracts import ended_at
from quantflow.data.quality.costs import own_costs
from quantflow.data.quality.usable import BoolArray
from quantflow.data.quotes import Quotes
from quantflow.quant.backtest import carried_returns

if TYPE_CHECKING:
    import pandas as pd


def whole(prices: Panel, past: Panel) -> Panel:
    """Return the panel of the symbols of both, on the sessions of *prices*.

    Args:
        prices: The symbols that may be used at its last session.
        past: The others, on the same sessions; without symbols where there are none.
    """
    if not past.symbols:
        return prices
    symbols = tuple(sorted({*prices.symbols, *past.symbols}))
    order = np.argsort(np.array([*prices.symbols, *past.symbols]), kind="stable")
    fields = {name: np.concatenate([values, past.fields[name]])[order] for name, values in prices.fields.items()}
    return Panel(symbols, prices.sessions, fields)


def quotes(prices: Panel, past: Panel, roster: pd.DataFrame, config: DataConfig) -> Quotes:
    """Return what can be traded of all symbols that a run knows, those that have ended among them.

    Args:
        prices: The symbols that may be used at the last session.
        past: The others.
        roster: Where ``delisting_return`` has a number, it is the last move of a symbol that has ended; where it has
            costs, they are the symbol's own.
        config: When a symbol counts as ended.
    """
    history = whole(prices, past)
    returns = with_last_moves(carried_returns(history.close), history, roster, config)
    return Quotes(history.symbols, history.sessions, returns, tradable(history, config), own_costs(roster))


def with_last_moves(returns: FloatArray, history: Panel, roster: pd.DataFrame, config: DataConfig) -> FloatArray:
    """Return *returns* with what a holder earned when a symbol was delisted, on the session after its last bar.

    Args:
        returns: Of each session, shape (N, T), 0 after a last bar.
        history: The prices that they come from.
        roster: Where ``delisting_return`` has a number, the symbol is delisted once its bars have ended.
        config: What tells a repeated last price from a price.
    """
    if LAST_MOVE not in roster:
        return returns
    out, row = returns.copy(), {symbol: i for i, symbol in enumerate(history.symbols)}
    given = roster.drop_duplicates("symbol").set_index("symbol")[LAST_MOVE].dropna()
    for symbol, move in given[[symbol in row for symbol in given.index]].items():
        close = history.close[row[symbol]]
        stop = ended_at(close, config)
        last = int(np.flatnonzero(~np.isnan(close))[-1]) if stop is None else stop
        if last + 1 < close.size:
            out[row[symbol], last + 1] = move
    return out


def tradable(history: Panel, config: DataConfig) -> BoolArray:
    """Return whether each name can be traded at the close of each session, shape (N, T).

    It can where it has a bar; and where it has had none for longer than ``max_tail`` sessions: it has ended, and what
    is left of it is paid out at its last price, instead of being held for ever. In between it may come back.

    Args:
        history: Prices of N symbols, NaN = hole.
        config: How long a name may be without a bar.
    """
    there, order = ~np.isnan(history.close), np.arange(len(history.sessions))
    last = np.maximum.accumulate(np.where(there, order, -1), axis=1)
    ended: BoolArray = there | ((last >= 0) & (order - last > config.max_tail))
    return ended


def mortality(history: Panel, able: BoolArray, roster: pd.DataFrame, config: DataConfig) -> dict[str, Any]:
    """Return how many of the names of a walk-forward stopped trading before its end.

    Args:
        history: Prices of N symbols.
        able: Which of them could be used at each rebalance, shape (K, N).
        roster: Who is a member when.
        config: When a symbol counts as ended.

    Returns:
        ``names`` (that could be used at some rebalance), ``ended`` (how many of them stopped trading), ``share`` (the
        fraction, None without names) and ``members`` (whether the universe is that of each date; else it is today's).
    """
    used = np.flatnonzero(able.any(axis=0))
    ended = sum(ended_at(history.close[row], config) is not None for row in used.tolist())
    return {
        "names": len(used),
        "ended": ended,
        "share": ended / len(used) if len(used) else None,
        "members": bool(roster["from"].notna().any()),
    }
