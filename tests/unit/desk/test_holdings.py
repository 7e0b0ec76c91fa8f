"""What an account holds: three shapes of file that say the same, and everything else refused where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantflow.desk.holdings import Holdings, Position, read_holdings
from quantflow.errors import ConfigError

WANTED = Holdings({"AAPL": Position(10.5), "KO": Position(-3, 62.5)}, 2500)


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "symbol,quantity,price\nAAPL,10.5,\nKO,-3,62.5\ncash,2500,\n"),
        ("c.csv", "symbol,quantity,price\nAAPL,10.5\nKO,-3,62.5\ncash,2500\n"),
        ("a.txt", "\ufeffPrice , QUANTITY,Symbol\r\n,10.5,AAPL\r\n\r\n62.5,-3,KO\r\n,2.5e3,cash\r\n"),
        ("a.json", '{"AAPL": 10.5, "KO": {"quantity": -3, "price": 62.5}, "cash": 2500}'),
        ("a.JSON", '{"AAPL": "10.5", "KO": {"price": 62.5, "quantity": "-3"}, "cash": {"quantity": 2500}}'),
        (
            "b.json",
            '[{"symbol": "AAPL", "quantity": 10.5, "price": null}, {"symbol": "KO", "quantity": -3, "price": 62.5}, '
            '{"symbol": "cash", "quantity": 2500}]',
        ),
    ],
)
def test_each_shape_says_the_same(name: str, text: str, tmp_path: Path) -> None:
    """Columns in any order and case, a byte order mark, blank lines; JSON by symbol or as records."""
    assert read_holdings(write(tmp_path, name, text)) == WANTED


def test_no_row_of_cash_is_told_from_one_of_nothing(tmp_path: Path) -> None:
    """None is not 0; CASH is a ticker."""
    assert read_holdings(write(tmp_path, "a.csv", "symbol,quantity\nCASH,1\n")).cash is None
    assert read_holdings(write(tmp_path, "b.csv", "symbol,quantity\ncash,0\n")) == Holdings({}, 0.0)


def test_cash_may_be_owed(tmp_path: Path) -> None:
    """What orders can leave can be given back."""
    assert read_holdings(write(tmp_path, "a.csv", "symbol,quantity,price\ncash,-700.5\n")).cash == -700.5


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "", "a.csv is empty"),
        ("a.csv", "symbol,qty\n", "a.csv, line 1: no column is called 'qty'"),
        ("a.csv", "symbol,quantity,quantity\n", "line 1: two columns are called 'quantity'"),
        ("a.csv", "symbol,price\n", "line 1: there is no quantity"),
        ("a.csv", "symbol,quantity\nKO,1\n\nKO,2\n", "line 4: 'KO' is there already, at .*line 2"),
        ("a.csv", "symbol,quantity\nKO,1,2\n", "line 2: it has 3 cells, the header 2"),
        ("a.csv", "symbol,quantity\n ,1\n", "line 2: it has no symbol"),
        ("a.csv", "symbol,quantity\nKO\x1b[1m,1\n", "cannot be printed"),
        ("a.csv", "symbol,quantity\nKO,\n", "line 2: it has no quantity"),
        ("a.csv", 'symbol,quantity\nKO,"1,000"\n', "line 2: its quantity is '1,000', not a number"),
        ("a.csv", "symbol,quantity\nKO,1_000\n", "not a number"),
        ("a.csv", "symbol,quantity\nKO,nan\n", "not a number"),
        ("a.csv", "symbol,quantity\nKO,1e999\n", "not a number"),
        ("a.csv", "symbol,quantity\nKO,٣\n", "not a number"),
        ("a.csv", "symbol,quantity,price\nKO,1,$3\n", r"its price is '\$3', not a number"),
        ("a.csv", "symbol,quantity,price\nKO,1,0\n", "line 2: its price is 0"),
        ("a.csv", "symbol,quantity,price\nKO\n", "line 2: it has 1 cells, the header 3"),
        ("a.csv", "symbol,price,quantity\nKO,1\n", "line 2: it has 2 cells, the header 3"),
        ("a.csv", "symbol,quantity,price\ncash,5,1\n", "line 2: cash has no price"),
        ("a.csv", 'symbol,quantity\n"KO,1\n', "line 2"),
        ("a.csv", b"symbol,quantity\nK\xff,1\n", "not UTF-8"),
        ("a.json", "{", "a.json, line 1: no JSON"),
        ("a.json", "12", "neither an object nor a list"),
        ("a.json", "[12]", "entry 1: '12' is not an object"),
        ("a.json", '{"KO": 1, "KO": 2}', "'KO' is there twice"),
        ("a.json", '{"KO": {"symbol": "PEP", "quantity": 1}}', "'symbol' is there twice"),
        ("a.json", '{"KO": true}', "its quantity is 'True', not a number"),
        ("a.json", '{"KO": NaN}', "its quantity is 'NaN', not a number"),
        ("a.json", '{"KO": [1]}', "not a number"),
        ("a.json", f'{{"KO": 1{"0" * 400}}}', "not a number"),
        ("a.json", '[{"symbol": 3, "quantity": 1}]', "entry 1: 3 is not a symbol"),
        ("a.json", '[{"symbol": "KO"}]', "entry 1: there is no quantity"),
        ("a.json", '[{"symbol": "KO", "quantity": 1, "account": 7}]', "entry 1: no column is called 'account'"),
        ("a.json", "[" * 100_000, "no holdings"),
    ],
)
def test_everything_else_is_refused_where_it_stands(name: str, text: str | bytes, says: str, tmp_path: Path) -> None:
    """File, line or entry, what is wrong, and a hint; exit code 2."""
    with pytest.raises(ConfigError, match=says) as caught:
        read_holdings(write(tmp_path, name, text))
    assert caught.value.hint
    assert name in caught.value.message


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Also a folder."""
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_holdings(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_holdings(tmp_path)
