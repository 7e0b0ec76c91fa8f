"""What a strategy is compared with: prices of one symbol that is not in the universe, or of a file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np

from quantflow.config.data import DataConfig, data_model, options_of
from quantflow.config.operation import names_file
from quantflow.config.sections import UniverseConfig
from quantflow.data.grid import Grid
from quantflow.data.panel import Panel
from quantflow.data.providers import Provider, open_provider
from quantflow.data.providers.files.locations import shown
from quantflow.errors import ConfigError, DataError

Fetch = Callable[[Provider, Sequence[str]], Grid]
"""Returns a provider's bars of some symbols up to the as-of, on the calendar's sessions."""


def benchmark_prices(name: str, data: DataConfig, universe: Collection[str], fetch: Fetch) -> Panel:
    """Return the closes of a benchmark; without a symbol when it is one of the universe, whose prices are there.

    Args:
        name: A symbol, or a CSV or Parquet file of one: a date and a close, or an adjusted close.
        data: The provider that has the symbol.
        universe: The symbols of the run, former members among them.
        fetch: Gets the bars.

    Raises:
        ConfigError: If the provider does not have the symbol.
        DataError: If the file is malformed or has several symbols, or a price is not positive.
        DataUnavailableError: If the provider does not answer now.
    """
    if name in universe:
        return Panel((), np.empty(0, "datetime64[D]"), {"close": np.empty((0, 0))})
    provider, symbol = _of_file(name) if names_file(name) else _of_provider(name, data)
    panel = fetch(provider, (symbol,)).panel()
    close = panel.close[np.isfinite(panel.close)]
    if not close.size or (close <= 0.0).any():
        what = "has a close that is not positive" if close.size else "has no close up to the as-of"
        raise DataError(f"validation.benchmark {shown(name)} {what}.", hint="Fix the file, or choose another one.")
    return Panel(panel.symbols, panel.sessions, {"close": panel.close})


def _of_file(path: str) -> tuple[Provider, str]:
    provider = open_provider(data_model(options_of("files"))(provider="files", path=path))
    symbols = list(provider.instruments(UniverseConfig()).index)
    if len(symbols) != 1:
        raise DataError(
            f"validation.benchmark {shown(path)} has {len(symbols)} symbols, and a benchmark is one.",
            hint="Keep one symbol in the file: a date and a close.",
        )
    return provider, str(symbols[0])


def _of_provider(name: str, data: DataConfig) -> tuple[Provider, str]:
    provider = open_provider(data)
    try:
        provider.instruments(UniverseConfig(symbols=(name,)))
    except ConfigError as error:
        raise ConfigError(
            f"validation.benchmark {name!r} is not in the universe, nor does the provider {provider.name!r} have it.",
            hint=error.hint,
        ) from error
    return provider, name
