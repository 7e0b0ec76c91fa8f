"""The price panel: fields of N symbols by T sessions on one dense grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from quantflow.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
SessionArray = npt.NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class Panel:
    """Market data of N symbols over T sessions, asset-major.

    Attributes:
        symbols: N symbols, sorted, unique.
        sessions: T session dates, ``datetime64[D]``, strictly increasing.
        fields: ``close`` always; ``open``, ``high``, ``low``, ``volume``, ``raw_close`` where the provider has them.
            Each is C-contiguous float64 of shape (N, T); NaN is a hole (no bar), never zero.
            Prices are adjusted and in the instrument's currency; volume is in units per session; ``raw_close`` is the
            close at which that volume was traded.
    """

    symbols: tuple[str, ...]
    sessions: SessionArray
    fields: Mapping[str, FloatArray]

    def __post_init__(self) -> None:
        shape = (len(self.symbols), len(self.sessions))
        if "close" not in self.fields:
            raise DataError("A price panel has no 'close' field.")
        for name, values in self.fields.items():
            if values.shape != shape or values.dtype != np.float64:
                raise DataError(f"Panel field {name!r} is {values.dtype}{values.shape}, not float64{shape}.")
        if shape[1] > 1 and not bool((self.sessions[1:] > self.sessions[:-1]).all()):
            raise DataError("The panel's sessions are not strictly increasing.")

    @property
    def close(self) -> FloatArray:
        """Adjusted closes, shape (N, T)."""
        return self.fields["close"]

    @property
    def last_session(self) -> np.datetime64:
        """The latest session of the grid."""
        return np.datetime64(self.sessions[-1], "D")

    def returns(self) -> FloatArray:
        """Return simple returns, shape (N, T); column 0 and every step next to a hole are NaN."""
        out = np.full_like(self.close, np.nan)
        np.divide(self.close[:, 1:], self.close[:, :-1], out=out[:, 1:])
        out[:, 1:] -= 1.0
        return out

    def window(self, start: int, stop: int) -> Panel:
        """Return the panel of sessions ``start`` to ``stop`` (exclusive), copied to stay contiguous."""
        cut = {name: np.ascontiguousarray(values[:, start:stop]) for name, values in self.fields.items()}
        return Panel(self.symbols, self.sessions[start:stop], cut)

    def up_to(self, session: np.datetime64) -> Panel:
        """Return the panel with nothing after *session* (inclusive)."""
        return self.window(0, int(np.searchsorted(self.sessions, session, side="right")))

    def select(self, symbols: Sequence[str]) -> Panel:
        """Return the panel of *symbols*, in this panel's order.

        Raises:
            DataError: If a symbol is not in the panel.
        """
        wanted = set(symbols)
        if missing := wanted - set(self.symbols):
            raise DataError(f"The panel does not hold {sorted(missing)[:5]}.")
        rows = [i for i, symbol in enumerate(self.symbols) if symbol in wanted]
        kept = {name: np.ascontiguousarray(values[rows]) for name, values in self.fields.items()}
        return Panel(tuple(self.symbols[i] for i in rows), self.sessions, kept)

    def frame(self, field: str = "close") -> pd.DataFrame:
        """Return one field as a pandas DataFrame, sessions by symbols, oldest first."""
        import pandas as pd

        return pd.DataFrame(
            self.fields[field].T, index=pd.DatetimeIndex(self.sessions, name="date"), columns=list(self.symbols)
        )
