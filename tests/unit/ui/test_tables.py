"""Tables of results, as people see them."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantflow.runs.outcome import Outcome
from quantflow.ui.screen import Screen
from quantflow.ui.tables import _metrics, new_table, show


def block(sharpe: float, lag: int | None = None) -> dict[str, Any]:
    """A block of figures."""
    figures = {"sharpe": sharpe, "cagr": 0.1, "start": "2020-01-02", "end": "2020-12-31"}
    return figures if lag is None else {**figures, "lag": lag}


def rows(metrics: dict[str, Any]) -> dict[str, str]:
    """Sharpe ratio by name, in order."""
    table = _metrics(Outcome({}, [], [], [], metrics, [], [], {}))
    names, ratios = (list(table.columns[at].cells) for at in (0, 3))
    return dict(zip(map(str, names), map(str, ratios), strict=True))


def test_every_lag_that_is_asked_for_is_shown() -> None:
    """The strategy's own first, named by its lag, then the others, then the benchmarks."""
    metrics = {
        "equal_weight": block(0.9),
        "strategy": block(0.5, 1),
        "lags": {"10": block(0.2, 10), "2": block(0.4, 2), "0": block(1.3, 0)},
        "annualisation": 252,
    }
    expected = {"strategy, lag 1": "0.50", "strategy, lag 0": "1.30", "strategy, lag 2": "0.40"}
    assert list(rows(metrics).items()) == [*expected.items(), ("strategy, lag 10", "0.20"), ("equal weight", "0.90")]


@pytest.mark.parametrize("more", [{}, {"lags": {}}])
def test_without_other_lags_the_strategy_is_called_so(more: dict[str, Any]) -> None:
    """Nobody is bothered with lags who does not ask for them."""
    assert list(rows({"strategy": block(0.5, 1), "equal_weight": block(0.9), **more})) == ["strategy", "equal weight"]


def test_a_benchmark_is_shown_with_its_name() -> None:
    """A figure says what it is of."""
    metrics = {"strategy": block(0.5, 1), "benchmark": {**block(0.7), "symbol": "SPY"}}
    assert rows(metrics) == {"strategy": "0.50", "benchmark SPY": "0.70"}


def drawn(columns: list[str], rows: list[list[str]], width: int) -> list[str]:
    """The lines of a table on a terminal of *width* columns."""
    console = Screen(file=StringIO(), width=width, force_terminal=True, color_system=None, highlight=False)
    table = new_table(*columns)
    for row in rows:
        table.add_row(*row)
    show(console, table)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_the_id_of_a_run_is_never_cut() -> None:
    """What is to be copied stays whole, next to long notes too."""
    run = "20221228-a_profile_with_a_long_name-f824.inner_sleeve"
    lines = drawn(["RUN", "PROFILE", "NOTE"], [[run, "a_profile_with_a_long_name", "many words in a note " * 4]], 80)
    assert any(line.startswith(run) for line in lines)


def test_a_table_that_fits_is_left_alone() -> None:
    """Only what is too wide wraps."""
    assert drawn(["STAGE", ">TIME"], [["policy", "1.5s"]], 80) == ["STAGE   TIME", "policy  1.5s"]


words = st.lists(st.text("abc_-", min_size=1, max_size=14), min_size=1, max_size=6).map(" ".join)


@given(st.lists(st.tuples(words, words, words, words), min_size=1, max_size=3), st.integers(60, 120))
def test_no_character_is_lost_and_no_line_too_long(rows: list[tuple[str, ...]], width: int) -> None:
    """Whatever the width: each character of each cell is on the screen, which has no longer line."""
    header = ["SYMBOL", "STATE", "PROFILE", "NOTE"]
    lines = drawn(header, [list(row) for row in rows], width)
    assert all(len(line) <= width for line in lines)
    expected = "".join("".join(row) for row in (header, *rows))
    assert sorted("".join(lines).replace(" ", "")) == sorted(expected.replace(" ", ""))
