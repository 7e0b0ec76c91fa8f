"""Flattening: the sleeves' books become one book, positions in the same asset netted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantflow.errors import DataError
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, StageConfig, Summary
from quantflow.quant.sleeves import net_positions

if TYPE_CHECKING:
    import pandas as pd

AGAIN = "Resume the run: the sleeves' books are gathered again."


class FlatteningStage(BasePipelineStage[StageConfig]):
    """Multiplies each book by its sleeve's weight and adds up what the sleeves hold of each asset.

    Nothing is lost: the net weights sum to what the contributions sum to, and long and short parts before netting
    sum to the sleeves' weights times the gross of their books, each within 1e-12.
    """

    id = "meta.flattening"
    kind = Kind.COMPUTE
    needs = ("sleeve_books", "sleeve_weights")
    makes = ("weights", "contributions")

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        """Return ``weights`` and ``contributions``.

        ``weights``: index ``symbol``, largest |weight| first, ties by symbol; ``weight`` (net, signed, a fraction of
        capital), ``long`` and ``short`` (what it was netted from, both >= 0), ``sector`` (that of the first sleeve
        that knows one). A symbol whose longs and shorts cancel is left out. ``contributions``: ``symbol``,
        ``sleeve``, ``weight``, one row for each asset of each sleeve, by symbol, then in the order of the sleeves.

        Raises:
            DataError: If a book has no weight, a sleeve with a weight has no book, a book lists a symbol twice, or a
                weight is not finite.
        """
        books, capital = inputs["sleeve_books"], inputs["sleeve_weights"]["weight"]
        _check(books, capital)
        contributions = _contributions(books, capital)
        return {
            "weights": _netted(contributions),
            "contributions": contributions.drop(columns="sector"),
        }

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return how many assets are held, and what gross exposure was before and after netting."""
        weights, entered = outputs["weights"], outputs["contributions"]["symbol"].nunique()
        before = float(outputs["contributions"]["weight"].abs().sum())
        return Summary(entered, len(weights), f"gross {before:.1%}, netted to {weights['weight'].abs().sum():.1%}")


def _check(books: pd.DataFrame, capital: pd.Series) -> None:
    if strangers := sorted(set(books["sleeve"]) - set(capital.index)):
        raise DataError(f"Sleeve {strangers[0]!r} has a book but no weight.", hint=AGAIN)
    if empty := [name for name in capital.index[capital > 0] if name not in set(books["sleeve"])]:
        raise DataError(f"Sleeve {empty[0]!r} has a weight but holds nothing.", hint=AGAIN)
    for wrong, what in (
        (~np.isfinite(books["weight"].to_numpy(dtype=float)), "a weight that is not finite"),
        (books.duplicated(["sleeve", "symbol"]).to_numpy(), "two positions"),
    ):
        if wrong.any():
            row = books.iloc[int(wrong.argmax())]
            raise DataError(f"The book of sleeve {row['sleeve']!r} has {what} in {row['symbol']!r}.", hint=AGAIN)


def _contributions(books: pd.DataFrame, capital: pd.Series) -> pd.DataFrame:
    """Return weight times sleeve weight of each row, by symbol, then in the order of the sleeves."""
    import pandas as pd

    place = books["sleeve"].map({name: i for i, name in enumerate(capital.index)}).to_numpy()
    order = np.lexsort((place, books["symbol"].to_numpy(dtype=str)))
    scaled = books["weight"].to_numpy(dtype=float) * capital.to_numpy()[place] + 0.0  # + 0.0 turns -0.0 into 0.0
    columns = {"symbol": books["symbol"].to_numpy(), "sleeve": books["sleeve"].to_numpy(), "weight": scaled}
    columns["sector"] = books["sector"].to_numpy()
    return pd.DataFrame({name: values[order] for name, values in columns.items()})


def _netted(contributions: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    symbols, codes = np.unique(contributions["symbol"].to_numpy(dtype=str), return_inverse=True)
    net, long, short = net_positions(contributions["weight"].to_numpy(), codes, len(symbols))
    known = contributions[contributions["sector"].notna() & (contributions["sector"] != "")]
    sectors = known.drop_duplicates("symbol").set_index("symbol")["sector"].reindex(symbols).fillna("")
    order = [i for i in np.lexsort((symbols, -np.abs(net))) if net[i] != 0.0]
    columns = {"weight": net, "long": long, "short": short, "sector": sectors.to_numpy(dtype=object)}
    index = pd.Index(symbols[order].astype(object), name="symbol")
    return pd.DataFrame({name: values[order] for name, values in columns.items()}, index=index)
