"""Classes of other frameworks, wrapped."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel, ConfigDict

from quantflow import ForeignStage, Kind, Section, StageConfig
from quantflow.data.artifacts import encode
from quantflow.errors import DataError, DataUnavailableError, StageError
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
    return stage().run({"prices": market(2, 30)}, stage().configured({"params": {"window": 9}}))


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
        ({"foreign": _raising(TimeoutError("slow"))}, DataUnavailableError, "slow"),
        ({"foreign": _raising(KeyError("x"))}, StageError, "KeyError"),
        ({"foreign": class_that(lambda c: None)}, StageError, "left nothing in the field 'table'"),
        ({"foreign": class_that(lambda c: c.model_copy(update={"table": object()}))}, DataError, "nothing is pickled"),
        ({"takes": {"volumes": "prices"}}, StageError, "cannot be filled: closes"),
        ({"takes": {"closes": "prices.opne"}}, DataError, "no field 'opne'"),
    ],
)
def test_what_goes_wrong_is_told(body: dict[str, Any], error: type[Exception], says: str) -> None:
    """A lost connection can be tried again, all else not; each says what and where."""
    with pytest.raises(error) as caught:
        run(made(**body))
    assert says in f"{caught.value} {caught.value.hint}"  # type: ignore[attr-defined]


def test_its_code_is_theirs_too() -> None:
    """The version covers the module of the foreign class and of its context."""
    away = type("Away", (), {"__module__": "their.module", "execute": None})
    assert made(foreign=away)().modules() == {__name__, "their.module"}
