"""The file of costs: read strictly, and what of it concerns a universe."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from quantflow.data.quality.costs import own_costs, read_costs, with_costs
from quantflow.data.quality.roster import roster
from quantflow.errors import DataError
from quantflow.quant.costs import Cost

FILE = "symbol,cost_bps,spread_bps,borrow_bps\nKO,2,,\nAA,,12.5,300\nNONE,,,\n"


def written(folder: Path, text: str) -> str:
    """A CSV file of costs."""
    (folder / "costs.csv").write_text(text)
    return str(folder / "costs.csv")


def instruments(*symbols: str) -> pd.DataFrame:
    """What a provider knows of some symbols."""
    index = pd.Index(symbols, name="symbol")
    return pd.DataFrame(dict.fromkeys(("name", "sector", "currency", "exchange"), ""), index=index)


def test_a_roster_carries_each_names_own_costs(tmp_path: Path) -> None:
    """Empty cells and names without a line cost what any name does; the file may hold one column, in any case."""
    table = with_costs(instruments("AA", "KO", "MSFT"), read_costs(written(tmp_path, FILE)))
    found = own_costs(roster(table, ["AA", "KO", "MSFT"], None))
    assert found == {"KO": Cost(cost_bps=2.0), "AA": Cost(spread_bps=12.5, borrow_bps=300.0)}
    only = with_costs(instruments("KO"), read_costs(written(tmp_path, " Ticker ,Borrow_BPS\nKO,25\n")))
    assert own_costs(roster(only, ["KO"], None)) == {"KO": Cost(borrow_bps=25.0)}
    assert own_costs(roster(instruments("KO"), ["KO"], None)) == {}


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("symbol,cost\nKO,1\n", "row 1: the column 'cost' is unknown", "Did you mean 'cost_bps'?"),
        ("cost_bps\n1\n", "row 1: no column is called 'symbol'", "symbol, and any of"),
        ("symbol\nKO\n", "row 1: it has no column of costs", "any of cost_bps"),
        ("symbol,ticker,cost_bps\nKO,KO,1\n", "the column 'ticker' is a second 'symbol'", "Its columns"),
        ("symbol,cost_bps\nKO,1\nKO,2\n", "'KO' is named twice", "one row per symbol"),
        ("symbol,cost_bps\nKO,-1\n", "cost_bps of 'KO' is -1", "from 0 to 1000"),
        ("symbol,borrow_bps\nKO,inf\n", "borrow_bps of 'KO' is inf", "basis points"),
        ("symbol,cost_bps\nKO,cheap\n", "row 2, column 'cost_bps'", ""),
    ],
)
def test_a_wrong_file_is_refused_in_words(text: str, says: str, hint: str, tmp_path: Path) -> None:
    """Each mistake is a DataError that names file, place and what to do."""
    with pytest.raises(DataError) as caught:
        read_costs(written(tmp_path, text))
    assert says in caught.value.message
    assert "costs.csv" in caught.value.message
    assert hint in str(caught.value.hint)
