"""Names that match no symbol: reported with the nearest, and refused where a whole list of exclusions does nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quantflow.config.data import DataConfig
from quantflow.config.sections import UniverseConfig
from quantflow.data.providers import open_provider
from quantflow.data.quality.contracts import failed
from quantflow.data.quality.unmatched import Named, Nearest, check_exclude, noted, unmatched
from quantflow.errors import ConfigError

SYMBOLS = ("BRK-B", "MSFT", "KO", "VOD", "BTC/USDT")


def provider(folder: Path, listed: str = "") -> Any:
    """Files with the prices of SYMBOLS and, where given, an instruments file."""
    (folder / "prices.csv").write_text(f"date,{','.join(SYMBOLS)}\n2024-01-02,1,2,3,4,5\n")
    (folder / "listed.csv").write_text(f"symbol,sector\n{listed}")
    paths = {"path": str(folder / "prices.csv"), "instruments": str(folder / "listed.csv") if listed else None}
    return open_provider(DataConfig(provider="files", **paths))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("BRK.B", "BRK-B"),
        ("brk b", "BRK-B"),
        ("BRK/B", "BRK-B"),
        ("BRK.A", None),
        ("MSFT.US", "MSFT"),
        ("MSFT US Equity", "MSFT"),
        ("NASDAQ:MSFT", "MSFT"),
        ("VOD.L", "VOD"),
        ("BTCUSDT", "BTC/USDT"),
        ("MSTF", None),
    ],
)
def test_another_way_of_writing_is_recognised(name: str, near: str | None) -> None:
    """Punctuation, case and the exchange do not matter; a class of a share, and a letter, do."""
    assert Nearest(SYMBOLS).written(name) == near
    assert Nearest([name]).written("MSFT") == (name if near == "MSFT" else None)


def test_an_exclusion_of_nothing_is_reported(tmp_path: Path) -> None:
    """Each name that the provider does not have, with the nearest; the one that it has does what it says."""
    universe = UniverseConfig(exclude=("BRK.B", "KO", "MSTF", "WIDGET"))
    found = failed(unmatched(provider(tmp_path), universe, []))
    assert [(each.symbol, each.check, each.outcome) for each in found] == [
        ("BRK.B", "unmatched", "warn"),
        ("MSTF", "unmatched", "warn"),
        ("WIDGET", "unmatched", "warn"),
    ]
    assert [each.reason.partition(": ")[2] for each in found] == ["did you mean 'BRK-B'?", "did you mean 'MSFT'?", ""]
    check_exclude(universe, found)
    assert noted([each.symbol for each in found]) == ["BRK.B, MSTF and 1 more match no symbol"]


def test_a_list_that_excludes_nothing_is_refused_unless_allowed(tmp_path: Path) -> None:
    """A restricted list that restricts nothing is an error with the nearest name; universe.unknown allows it."""
    universe, source = UniverseConfig(exclude=("BRK.B", "WIDGET")), provider(tmp_path)
    with pytest.raises(ConfigError, match=r"leaves nothing out: .* BRK\.B, WIDGET\.") as caught:
        check_exclude(universe, unmatched(source, universe, []))
    assert "Did you mean 'BRK-B'? " in str(caught.value.hint)
    assert "universe.unknown" in str(caught.value.hint)
    allowed = universe.model_copy(update={"unknown": "ignore"})
    assert unmatched(source, allowed, []) == []
    check_exclude(allowed, [])


def test_an_exclusion_outside_the_named_symbols_is_no_slip(tmp_path: Path) -> None:
    """The provider has the symbol, also where universe.symbols does not ask for it."""
    universe = UniverseConfig(symbols=("MSFT", "KO"), exclude=("BRK-B",))
    assert failed(unmatched(provider(tmp_path), universe, [])) == []


def test_of_a_file_only_slips_are_reported_and_the_rest_is_counted(tmp_path: Path) -> None:
    """A file may know more names than the data; one that is nearly a symbol without a line of its own is a slip."""
    source = provider(tmp_path, "MSFT.US,Tech\nKO,Staples\nKO.US,Staples\nIBM,Tech\nGE,Tech\n")
    found = unmatched(source, UniverseConfig(), [Named("data.instruments", source.listed)])
    assert [(each.symbol, "MSFT" in each.reason) for each in failed(found)] == [("MSFT.US", True)]
    assert found[-1].observed == 4.0


def test_a_former_member_that_looks_like_a_name_is_no_slip(tmp_path: Path) -> None:
    """Names die: only another way of writing tells of a former member that it is meant; a member of now is a slip."""
    members = Named("universe.members", ("VODA", "MSTF"), ("VODA",))
    found = failed(unmatched(provider(tmp_path), UniverseConfig(), [members]))
    assert [each.symbol for each in found] == ["MSTF"]
    again = Named("universe.members", ("VOD.L",), ("VOD.L",))
    assert [each.symbol for each in failed(unmatched(provider(tmp_path), UniverseConfig(), [again]))] == ["VOD.L"]


def test_names_of_costs_are_held_to_the_same(tmp_path: Path) -> None:
    """A line of costs that is nearly a name without one is reported."""
    found = failed(unmatched(provider(tmp_path), UniverseConfig(), [Named("validation.costs", ("MSTF", "ZZZZ"))]))
    assert [(each.symbol, each.reason.startswith("validation.costs")) for each in found] == [("MSTF", True)]


def test_a_member_without_prices_can_be_excluded(tmp_path: Path) -> None:
    """It then is not missed, so the exclusion does something."""
    members = Named("universe.members", ("GONE", "KO"), ("GONE",))
    universe = UniverseConfig(exclude=("GONE",))
    assert failed(unmatched(provider(tmp_path), universe, [members])) == []
