"""Classes of other frameworks, wrapped."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel, ConfigDict, Field

from quantflow import ForeignStage, Kind, Section, StageConfig
from quantflow.config.load import load_profile
from quantflow.data.artifacts import decode, encode
from quantflow.errors import (
    ConfigError,
    DataError,
    DataUnavailableError,
    InfeasibleError,
    InfrastructureError,
    StageError,
    StageUnavailableError,
)
from quantflow.pipeline.arrange import pipeline_of
from quantflow.pipeline.foreign_values import artifact_of, value_of
from quantflow.pipeline.stage import running
from quantflow.testing.stage_contract import StageContract, market


class Context(BaseModel):
    """The other framework's context."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    closes: pd.DataFrame
    volumes: pd.DataFrame | None = None
    params: dict[str, Any] = {}
    table: Any = None
    facts: Any = None


class Theirs:
    """Changes what it is given, and returns nothing."""

    def execute(self, context: Context) -> None:
        context.closes.iloc[:] = context.closes.pct_change()
        context.table = context.closes
        context.facts = {"n": np.int64(3), "window": context.params["window"], "day": context.closes.index[-1]}


class Params(Section):
    """Its settings."""

    window: int = 5


class Reads(StageConfig):
    """Its config."""

    params: Params


class Wrapped(ForeignStage):
    """Runs their stage."""

    id, kind = "wrapped", Kind.COMPUTE
    foreign, context = Theirs, Context
    takes: ClassVar = {"closes": "prices", "volumes": "prices.volume"}
    gives: ClassVar = {"table": "table", "facts": "facts"}
    Config: ClassVar[type[StageConfig]] = Reads


def run(stage: type[ForeignStage]) -> Any:
    return stage().run({"prices": market(2, 30)}, stage().configured({"params": {"window": 9}, "as_of": "2024-03-01"}))


def made(**body: Any) -> type[ForeignStage]:
    """The wrapper with something else inside."""
    return type("Made", (Wrapped,), {"__module__": __name__, **body})


def class_that(execute: Any) -> type:
    return type("Other", (), {"execute": lambda self, context: execute(context)})


class TestWrapped(StageContract):
    """A wrapped stage keeps what every stage keeps: it is given copies, and nothing is pickled."""

    stage = Wrapped

    @pytest.fixture
    def inputs(self) -> dict[str, Any]:
        return {"prices": market(3, 60)}

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"params": {"window": 9}}


def test_fields_become_artifacts() -> None:
    """Needs and makes follow from the declaration; tables and plain values come out, numpy and dates as JSON."""
    assert (Wrapped.needs, Wrapped.makes) == (("prices",), ("table", "facts"))
    out = run(Wrapped)
    assert list(out["table"].columns) == ["S00", "S01"]
    assert out["facts"] == {"n": 3, "window": 9, "day": out["facts"]["day"]}
    assert encode(out["facts"])


@pytest.mark.parametrize(
    ("value", "artifact"),
    [
        (pd.Series([1.0], name="s"), pd.DataFrame({"s": [1.0]})),
        (pd.DataFrame({0: [1.0]}), pd.DataFrame({"0": [1.0]})),
        ([1, 2], {"value": [1, 2]}),
        ({"a": {3, 1}}, {"a": [1, 3]}),
        (Params(window=2), {"window": 2}),
        ("text", "text"),
    ],
)
def test_values_take_the_form_of_artifacts(value: Any, artifact: Any) -> None:
    """Series, lists, sets and models have a form that the store takes."""
    out = run(made(foreign=class_that(lambda c: c.model_copy(update={"table": value})), gives={"table": "table"}))
    pair = (out["table"], artifact)
    assert pair[0].equals(artifact) if isinstance(artifact, pd.DataFrame) else pair[0] == artifact


def _raising(error: Exception) -> type:
    def execute(context: Context) -> None:
        raise error

    return class_that(execute)


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        ({"foreign": _raising(TimeoutError("slow")), "kind": Kind.NETWORK}, StageUnavailableError, "slow"),
        ({"foreign": _raising(TimeoutError("slow"))}, StageError, "slow"),
        ({"foreign": _raising(DataError("stale", hint="Fetch."))}, StageError, "stale Fetch."),
        ({"foreign": _raising(DataUnavailableError("busy")), "kind": Kind.NETWORK}, StageUnavailableError, "busy"),
        ({"foreign": _raising(InfeasibleError("no book"))}, InfeasibleError, "no book"),
        ({"foreign": _raising(OSError(28, "No space left"))}, InfrastructureError, "No space left"),
        ({"foreign": _raising(KeyError("x"))}, StageError, "KeyError"),
        ({"foreign": class_that(lambda c: None)}, StageError, "left nothing in the field 'table'"),
        ({"foreign": class_that(lambda c: c.model_copy(update={"table": object()}))}, StageError, "nothing is pickled"),
        ({"takes": {"volumes": "prices"}}, StageError, "cannot be filled: closes"),
        ({"takes": {"closes": "prices.opne"}}, StageError, "no field 'opne'"),
    ],
)
def test_what_goes_wrong_is_told(body: dict[str, Any], error: type[Exception], says: str) -> None:
    """A lost connection of a network stage can be tried again, all else not; each says what and where; none is 21."""
    with pytest.raises(error) as caught:
        run(made(**body))
    assert says in f"{caught.value.message} {caught.value.hint}"  # type: ignore[attr-defined]
    assert type(caught.value) is error
    assert caught.value.exit_code not in (1, 21)  # type: ignore[attr-defined]


def test_its_code_is_theirs_too() -> None:
    """The version covers the module of the foreign class and of its context."""
    away = type("Away", (), {"__module__": "their.module", "execute": None})
    assert made(foreign=away)().modules() == {__name__, "their.module"}


class Side(Enum):
    """Their enumeration."""

    LONG = "long"


@dataclasses.dataclass
class Leg:
    """Their dataclass, inside another."""

    name: str
    ratio: float


@dataclasses.dataclass(frozen=True)
class Atom:
    """Their dataclass: all that fields usually hold."""

    symbol: str
    side: Side
    legs: list[Leg]
    known: date
    at: datetime
    kind: Literal["spot", "perp"] = "spot"
    lot: int | None = None
    score: float | None = None
    note: str | None = None
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    label: str = dataclasses.field(init=False, default="")

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", f"{self.symbol}!")


class Winner(BaseModel):
    """Their pydantic model."""

    symbol: str
    weight: float = Field(alias="Net_Weight")
    tags: tuple[str, ...] = ()
    until: date | None = None


ATOMS = [
    Atom(
        "KO", Side.LONG, [Leg("a", 0.5)], date(2024, 1, 2), datetime(2024, 1, 2, 16), "perp", 3, 0.25, "x", {"n": [1]}
    ),
    Atom("PEP", Side.LONG, [], date(2024, 1, 3), datetime(2024, 1, 3, 16)),
]
WINNERS = [
    Winner(symbol="KO", Net_Weight=0.5, tags=("a", "b"), until=date(2024, 3, 1)),
    Winner(symbol="1", Net_Weight=-0.5),
]


def there_and_back(value: Any, annotation: Any) -> Any:
    """What another context is given of a field's value, through the store's bytes."""
    data, suffix, _, _ = encode(artifact_of(value, annotation))
    return value_of(decode(data, suffix), annotation)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (ATOMS, list[Atom]),
        (WINNERS, list[Winner] | None),
        (WINNERS[:0], list[Winner]),
        ([{"a": 1}, {"b": None}], list[dict[str, Any]]),
        ([1, 2], list[int]),
        ({"value": 3}, dict[str, int]),
        ({"a": [1.5]}, dict[str, list[float]]),
        ("text", str),
    ],
)
def test_values_come_back_as_they_were(value: Any, annotation: Any) -> None:
    """Lists of dataclasses and of models are tables in between; other values are records."""
    assert there_and_back(value, annotation) == value


def test_a_list_of_models_is_a_table_that_people_can_read() -> None:
    """A row each, a column per field; also an empty list has its columns."""
    table = artifact_of(WINNERS, list[Winner])
    assert list(table.columns) == list(artifact_of([], list[Winner]).columns) == ["symbol", "weight", "tags", "until"]
    assert table["tags"].tolist() == ['["a", "b"]', "[]"]
    mixed = class_that(lambda c: c.model_copy(update={"table": [WINNERS[0], ATOMS[0]]}))
    with pytest.raises(StageError, match="several classes"):
        run(made(foreign=mixed, gives={"table": "table"}))


def test_values_of_others_fit_the_field() -> None:
    """A table fills a list of dicts or a Series where the field is one."""
    table = pd.DataFrame({"symbol": ["KO"]})
    assert value_of(table, list[dict[str, Any]]) == [{"symbol": "KO"}]
    assert value_of(table, pd.Series).tolist() == ["KO"]
    with pytest.raises(StageError, match="not what the field 'items' holds"):
        run(_strict(foreign=class_that(lambda c: c), takes={"items": "prices"}, gives={"closes": "t"}))


class Strict(BaseModel, arbitrary_types_allowed=True):
    """A context that requires much."""

    run_id: str = "none"
    profile: str = ""
    as_of: date | None = None
    day: pd.Timestamp | None = None
    closes: pd.DataFrame | None = None
    returns_df: pd.DataFrame | None = None
    items: list[Winner] = []
    seen: Any = None


class Theirs2:
    """Made with arguments; says what it was given."""

    def __init__(self, window: int, folder: Path = Path("/")) -> None:
        self.window = window

    def execute(self, context: Strict) -> Strict:
        known = {"run": context.run_id, "profile": context.profile, "as_of": str(context.as_of), "window": self.window}
        returns = None if context.returns_df is None else context.returns_df.shape
        return context.model_copy(update={"seen": {**known, "returns": returns}})


def _strict(**body: Any) -> type[ForeignStage]:
    given = {
        "__module__": __name__,
        "__doc__": "Theirs.",
        "id": "strict",
        "kind": Kind.COMPUTE,
        "foreign": Theirs2,
        "context": Strict,
        "takes": {"closes": "prices"},
        "gives": {"seen": "seen"},
        "Config": Reads,
        "arguments": "params",
    }
    return type("StrictStage", (ForeignStage,), {**given, **body})


def test_a_context_knows_the_run_the_profile_and_the_date() -> None:
    """Fields of these names are filled; the profile and the date are part of the config, and so of the key."""
    stage = _strict()()
    config = stage.configured({"params": {"window": 9}, "as_of": "2024-03-01", "profile": "mine"})
    token = running.set("r1")
    seen = stage.run({"prices": market(2, 30)}, config)["seen"]
    running.reset(token)
    facts = {"run": "r1", "profile": "mine", "as_of": "2024-03-01", "window": 9, "returns": [30, 2]}
    assert seen == facts
    assert stage.configured({"params": {"window": 9}, "as_of": "2024-03-01"}).model_dump()["profile"] == ""
    assert "run_id" not in stage.Config.model_fields


def test_returns_are_offered_beside_closes() -> None:
    """Where the context has a field for them and nothing else fills it, or takes them out."""
    assert _strict()().filled() >= {"returns_df"}
    assert "returns_df" not in _strict(gives={"returns_df": "r"})().filled()
    named = _strict(takes={"closes": "prices.returns"}, gives={"closes": "seen"}, foreign=class_that(lambda c: c))
    config = named().configured({"params": {}, "as_of": "2024-03-01"})
    pd.testing.assert_frame_equal(
        named().run({"prices": market(2, 30)}, config)["seen"], market(2, 30).frame().pct_change(fill_method=None)
    )


class Needy(Strict):
    """It has a field that nothing fills."""

    pool: pd.DataFrame


class Table(Section):
    """A section with a key that the constructor does not take."""

    window: int = 5
    widow: int = 5


class Other(StageConfig):
    """A config with it."""

    more: Table


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"context": Needy}, "Needy requires 'pool', which nothing fills"),
        ({"takes": {"clsoes": "prices"}}, "Strict has no field 'clsoes'. Did you mean 'closes'?"),
        ({"gives": {"sene": "seen"}}, "Strict has no field 'sene'"),
        ({"takes": {"closes": "prices.opne"}}, "prices have no field 'opne'. Did you mean 'open'?"),
        ({"takes": {"closes": "tables.ratings"}}, "takes the table 'ratings', which the profile does not have"),
        ({"takes": {"closes": "tables.known"}, "columns": {"closes": ("scor",)}}, "no column 'scor', which stage"),
        ({"takes": {"closes": "winners"}, "columns": {"closes": ("alpha",)}}, "no column 'alpha', which stage"),
        ({"columns": {"items": ("a",)}}, "columns names 'items'"),
        ({"arguments": ""}, "is made with 'window', which nothing gives"),
        ({"arguments": "prams"}, "Config has no section 'prams'"),
        ({"arguments": "more", "Config": Other}, "takes no argument 'widow'"),
        ({"foreign": type("Idle", (), {})}, "has no method execute"),
    ],
)
def test_what_is_required_is_checked_with_the_profile(body: dict[str, Any], says: str, tmp_path: Path) -> None:
    """Before anything is fetched: context, constructor, fields of prices, tables and their columns."""
    (tmp_path / "known.csv").write_text("symbol,date,score\nKO,2022-01-31,4.5\n")
    text = '[profiles.p]\nextends = "demo"\n[profiles.p.tables.known]\npath = "known.csv"\n'
    (tmp_path / "quantflow.toml").write_text(text)
    settings = load_profile("p", workspace=tmp_path).settings()
    _strict()().check(settings)
    with pytest.raises(ConfigError) as caught:
        _strict(**body)().check(settings)
    assert says in f"{caught.value.message} {caught.value.hint}"


def test_a_pipeline_is_checked_where_it_is_put_together(tmp_path: Path) -> None:
    """What ``profiles validate`` and every dry run ask for says it."""
    text = '[profiles.p]\nextends = "demo"\nstages = ["test_foreign_needy:NeedyStage"]\n'
    (tmp_path / "quantflow.toml").write_text(text)
    (tmp_path / "test_foreign_needy.py").write_text(
        "import pandas as pd\nfrom pydantic import BaseModel\nfrom quantflow import ForeignStage, Kind\n"
        "class C(BaseModel, arbitrary_types_allowed=True):\n    pool: pd.DataFrame\n    out: object = None\n"
        "class T:\n    def execute(self, context): ...\n"
        "class NeedyStage(ForeignStage):\n    id, kind, foreign, context = 'needy', Kind.COMPUTE, T, C\n"
        "    gives = {'out': 'out'}\n"
    )
    settings = load_profile("p", workspace=tmp_path).settings()
    with pytest.raises(ConfigError, match="C requires 'pool'"):
        pipeline_of(settings)


def test_rows_of_one_table_arrive_under_their_own_names() -> None:
    """``tables.ratings`` has the rows and columns of that table alone."""
    tables = pd.DataFrame({"date": [1, 2], "symbol": ["A", "B"], "ratings.score": [1.0, None], "other.x": [None, 2.0]})
    stage = _strict(
        takes={"closes": "tables.ratings"},
        columns={"closes": ("score",)},
        gives={"closes": "t"},
        foreign=class_that(lambda c: c),
    )()
    config = stage.configured({"params": {}, "as_of": "2024-03-01"})
    out = stage.run({"tables": tables}, config)["t"]
    assert out.to_dict("records") == [{"date": 1, "symbol": "A", "score": 1.0}]
    with pytest.raises(StageError, match="has no column 'score'"):
        stage.run({"tables": tables.rename(columns={"ratings.score": "ratings.s"})}, config)
