"""Replays that walk-forwards share: kept once, given back as they were made, and not kept where that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow import BasePipelineStage, Kind, StageConfig
from quantflow.config.sections import ClustersConfig
from quantflow.data.cache import StageCache
from quantflow.data.store import ArtifactStore
from quantflow.errors import DataError, InfeasibleError
from quantflow.pipeline.sharing import Replays, Shelf, sharing, shelf
from quantflow.pipeline.stage import Inputs, Outputs

SETTINGS = {"clusters": ClustersConfig().model_dump(mode="json"), "as_of": "2022-12-28"}
Made = Sequence[pd.DataFrame | None]


class Config(StageConfig):
    """Settings of the stage under test."""

    clusters: ClustersConfig


class Marks(BasePipelineStage[Config]):
    """Makes one table."""

    id, kind, needs, makes, Config = "marks", Kind.COMPUTE, ("prices",), ("table",), Config

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        """Return nothing: tests replay it by a function of theirs."""
        raise AssertionError("tests replay it by a function of theirs")


class Other(Marks):
    """The same in other code."""

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        """Return nothing, in other words."""
        raise AssertionError("this code is never run either")


@pytest.fixture
def place(tmp_path: Path) -> Shelf:
    """An empty place for replays."""
    return Shelf(StageCache(str(tmp_path / "cache"), ArtifactStore(tmp_path / "store")), tmp_path / "locks", {})


def giving(made: Made, calls: list[int] | None = None) -> Callable[[int], Outputs]:
    """Replays that give these tables; none is not feasible."""

    def replay(number: int) -> Outputs:
        if calls is not None:
            calls.append(number)
        table = made[number]
        if table is None:
            raise InfeasibleError("nothing")
        return {"table": table}

    return replay


def kept(place: Shelf, made: Made, **how: Any) -> Replays:
    """What is kept of these tables."""
    return place.replays(Marks(), SETTINGS, how.get("facts", []), len(made), giving(made, how.get("calls")))


def table(*closes: float, **more: Any) -> pd.DataFrame:
    """A table of closes and more columns, by symbol."""
    names = pd.Index([f"S{i}" for i in range(len(closes))], dtype="str", name="symbol")
    return pd.DataFrame({"close": np.array(closes, dtype=float), **more}, index=names)


def test_what_was_made_is_given_back(place: Shelf) -> None:
    """Table by table; None where nothing was feasible, and a table without rows where it had none."""
    made = [table(1.0, 2.0), None, table(), table(3.0)]
    found = kept(place, made)
    assert found.at(1) is None
    for number in (0, 3):
        pd.testing.assert_frame_equal((found.at(number) or {})["table"], made[number], check_exact=True)
    assert len((found.at(2) or {})["table"]) == 0


def test_it_is_made_once(place: Shelf) -> None:
    """Also for another place on the same folders; a rebalance is replayed once."""
    calls: list[int] = []
    made = [table(1.0), table(2.0)]
    first = kept(place, made, calls=calls)
    again = Shelf(StageCache(place.cache.uri, ArtifactStore(place.cache.store.uri)), place.locks, {"other": "x"})
    assert kept(again, made, calls=calls).key == first.key
    assert calls == [0, 1]


@pytest.mark.parametrize("change", ["settings", "code", "facts"])
def test_it_is_made_again_when_what_it_depends_on_differs(change: str, place: Shelf) -> None:
    """Its own settings, its code, its data and rebalances; not the as-of, of which each rebalance has its own."""
    calls: list[int] = []
    made = [table(1.0)]
    key = kept(place, made, calls=calls).key
    later = {**SETTINGS, "as_of": "2022-12-29"}
    assert place.replays(Marks(), later, [], 1, giving(made, calls)).key == key
    changed = {**SETTINGS, "clusters": {**ClustersConfig().model_dump(mode="json"), "max_clusters": 3}}
    other = {
        "settings": lambda: place.replays(Marks(), changed, [], 1, giving(made, calls)),
        "code": lambda: place.replays(Other(), SETTINGS, [], 1, giving(made, calls)),
        "facts": lambda: kept(place, made, facts=["prices 12"], calls=calls),
    }[change]()
    assert other.key != key
    assert len(calls) == 2


def test_damage_is_found_and_made_again(place: Shelf) -> None:
    """The record and the tables are checked before they are believed, by a process that has not seen them."""
    calls: list[int] = []
    made = [table(1.0)]
    key = kept(place, made, calls=calls).key
    (Path(place.cache.uri) / f"{key}.json").write_text("{}")
    pd.testing.assert_frame_equal((kept(place, made, calls=calls).at(0) or {})["table"], made[0])
    assert calls == [0, 0]


def test_what_one_takes_another_finds_unchanged(place: Shelf) -> None:
    """A stage that writes into what it is given changes nothing for the next walk-forward."""
    made = [table(1.0, 2.0), table(3.0)]
    taken = (kept(place, made).at(0) or {})["table"]
    taken["new"] = 1.0
    taken.loc["S0", "close"] = np.nan
    taken.drop(index="S1", inplace=True)  # as careless code does
    again = kept(place, [table(1.0, 2.0), table(3.0)])
    pd.testing.assert_frame_equal((again.at(0) or {})["table"], table(1.0, 2.0))


OTHER_TEXT = "string" if pd.Series(["a"]).dtype == object else object
"""A kind of text that is not this pandas' own."""

UNLIKE: dict[str, list[Any]] = {
    "other columns": [table(1.0), table(1.0, low=[0.5])],
    "other order of columns": [table(1.0, low=[1.0])[["low", "close"]], table(1.0, low=[1.0])],
    "other types": [table(1.0), table(1.0).astype("int64")],
    "other types of rows": [table(1.0), table(1.0).set_index(pd.Index([7], name="symbol"))],
    "other name of rows": [table(1.0), table(1.0).rename_axis(index="name")],
    "rows without a name": [table(1.0).rename_axis(index=None), table(1.0).rename_axis(index=None)],
    "two levels": [table(1.0, low=[1.0]).set_index("low", append=True)] * 2,
    "named columns": [table(1.0).rename_axis(columns="field"), table(2.0).rename_axis(columns="field")],
    "any objects": [table(1.0, x=np.array([1], dtype=object)), table(1.0, x=np.array(["a"], dtype=object))],
    "other text": [table(1.0, x=["a"]).astype({"x": OTHER_TEXT}), table(1.0, x=["b"]).astype({"x": OTHER_TEXT})],
    "rows of other text": [table(1.0).set_index(pd.Index(["a"], name="symbol", dtype=OTHER_TEXT))] * 2,
    "categories": [table(1.0, x=pd.Categorical(["a"])), table(1.0, x=pd.Categorical(["b"]))],
    "nullable": [table(1.0, x=pd.array([1], dtype="Int64"))] * 2,
    "numbers as columns": [pd.DataFrame([[1.0]], index=pd.Index(["a"], name="symbol"))] * 2,
    "a column twice": [pd.concat([table(1.0), table(2.0)], axis=1)] * 2,
    "a column called as the rows": [table(1.0, symbol=["x"])] * 2,
    "by rows": [pd.DataFrame(np.ones((3, 2)), pd.Index(list("abc"), name="symbol"), ["x", "y"], copy=False)] * 2,
    "days in seconds": [table(1.0, x=pd.array([7], dtype="datetime64[s]"))] * 2,
    "series": [table(1.0)["close"]] * 2,
    "records": [{"n": 1}, {"n": 2}],
    "nothing at all": [None, None],
}


@pytest.mark.parametrize("what", UNLIKE)
def test_what_cannot_be_given_back_as_it_was_is_not_kept(what: str, place: Shelf) -> None:
    """Nothing is: the walk-forward replays the stage itself. That it cannot is known then, and not tried again."""
    calls: list[int] = []
    found = kept(place, UNLIKE[what], calls=calls)
    assert found.frames == {}
    assert kept(place, UNLIKE[what], calls=calls).frames == {}
    assert calls == [0, 1]


def test_another_error_than_infeasible_goes_up(place: Shelf) -> None:
    """And nothing is kept."""

    def replay(number: int) -> Outputs:
        raise DataError("broken")

    with pytest.raises(DataError, match="broken"):
        place.replays(Marks(), SETTINGS, [], 1, replay)
    assert list(Path(place.cache.uri).glob("*.json")) == []


def test_sharing_is_of_what_runs_inside(place: Shelf) -> None:
    """Outside nothing is shared, also after an error."""
    seen = []

    def inside() -> None:
        with sharing(place):
            seen.append(shelf.get())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        inside()
    assert (seen, shelf.get()) == ([place], None)


columns = st.sampled_from(["float", "int", "text", "flag", "day"])
floats = st.floats(allow_nan=True, allow_infinity=True, width=64)


@st.composite
def replays(draw: st.DrawFn) -> list[pd.DataFrame | None]:
    """Tables of the same columns at several rebalances."""
    kinds = draw(st.lists(columns, min_size=1, max_size=4))
    rows = st.one_of(st.none(), st.lists(st.text("AÄ1", max_size=3), max_size=5, unique=True))
    return [_drawn(draw, kinds, names) for names in draw(st.lists(rows, min_size=1, max_size=5))]


def _drawn(draw: st.DrawFn, kinds: Sequence[str], names: list[str] | None) -> pd.DataFrame | None:
    if names is None:
        return None
    values: dict[str, tuple[st.SearchStrategy[Any], str]] = {
        "float": (floats, "float64"),
        "int": (st.integers(-(2**63), 2**63 - 1), "int64"),
        "text": (st.one_of(st.none(), st.text(max_size=3)), "str"),
        "flag": (st.booleans(), "bool"),
        "day": (st.integers(0, 30000), "datetime64[us]"),
    }
    made = {
        f"c{i}": pd.Series([draw(values[kind][0]) for _ in names], dtype=values[kind][1])
        for i, kind in enumerate(kinds)
    }
    return pd.DataFrame(made).set_index(pd.Index(names, name="symbol", dtype="str"))


@settings(max_examples=60, deadline=None)
@given(made=replays())
def test_tables_of_any_values_come_back_to_the_bit(
    made: list[pd.DataFrame | None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Numbers, text, flags and dates; no number is moved, and rows go to the rebalance that they are of."""
    home = tmp_path_factory.mktemp("replays")
    place = Shelf(StageCache(str(home / "cache"), ArtifactStore(home / "store")), home / "locks", {})
    found = kept(place, made)
    for number, frame in enumerate(made if found.frames else []):
        given_back = found.at(number)
        if frame is None:
            assert given_back is None
        else:
            assert given_back is not None
            pd.testing.assert_frame_equal(given_back["table"], frame, check_exact=True)
            assert given_back["table"].to_numpy().flags.c_contiguous == frame.to_numpy().flags.c_contiguous
    assert found.frames or all(frame is None for frame in made)
