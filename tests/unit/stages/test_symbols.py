"""Tables of the same symbols share what pandas knows of them, and nothing else."""

from __future__ import annotations

import pandas as pd

from quantflow.stages.symbols import by_symbol


def test_the_index_is_that_of_the_symbols() -> None:
    """It has their order, their type and the name ``symbol``."""
    pd.testing.assert_index_equal(by_symbol(("B", "A")), pd.Index(["B", "A"], name="symbol"), exact=True)


def test_one_table_does_not_rename_another() -> None:
    """A stage that renames the index of its table leaves the others alone; looking up is shared."""
    one, other = pd.DataFrame(index=by_symbol(("A", "B"))), pd.DataFrame(index=by_symbol(("A", "B")))
    assert one.index.is_(other.index)
    one.index.name = "ticker"
    assert other.index.name == by_symbol(("A", "B")).name == "symbol"
