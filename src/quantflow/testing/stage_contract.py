"""What every stage must keep, as tests: subclass ``StageContract`` in a test module.

    class TestMyStage(StageContract):
        stage = MyStage

        @pytest.fixture
        def inputs(self):
            return {"prices": market()}

        @pytest.fixture
        def settings(self):
            return {"my_section": {"window": 20}}

``inputs`` holds each artifact in ``needs``, ``settings`` each section that ``Config`` reads; what a section leaves out
has its default. Control stages, which read the run, are not for this suite.
"""

from __future__ import annotations

import json
import pickle
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from quantflow.config.sections import Section
from quantflow.data.artifacts import encode, latest_date
from quantflow.data.panel import Panel
from quantflow.data.store import ArtifactStore
from quantflow.errors import ConfigError
from quantflow.pipeline.code_version import code_version
from quantflow.pipeline.registry import plug_in
from quantflow.pipeline.stage import Kind, Stage, StageConfig, Summary
from quantflow.types import Record, Settings


def market(symbols: int = 6, sessions: int = 600, seed: int = 7) -> Panel:
    """Return made-up prices: random walks on working days up to the end of 2023, with closes and volumes.

    Args:
        symbols: N.
        sessions: T.
        seed: Another one gives other prices.
    """
    random = np.random.default_rng(seed)
    days = np.busday_offset("2024-01-01", np.arange(-sessions, 0), roll="forward")
    close = 50.0 * np.exp(np.cumsum(random.normal(0.0003, 0.012, (symbols, sessions)), axis=1))
    volume = np.round(random.lognormal(13.0, 0.4, (symbols, sessions)))
    names = tuple(f"S{number:02d}" for number in range(symbols))
    return Panel(names, days.astype("datetime64[D]"), {"close": close, "volume": volume})


class StageContract:
    """The tests. A subclass sets ``stage``, and gives the fixtures ``inputs`` and ``settings``.

    Attributes:
        stage: The class.
        as_of: The last session that a run may see; that of the latest input when None.
    """

    stage: ClassVar[type[Stage]]
    as_of: ClassVar[date | None] = None

    @pytest.fixture
    def inputs(self) -> Record:
        """Return the stage's inputs by artifact name; a subclass must."""
        pytest.fail("A stage's contract test gives the fixture `inputs`.")

    @pytest.fixture
    def settings(self) -> Record:
        """Return the sections that the stage reads; none unless a subclass says so."""
        return {}

    @pytest.fixture
    def session(self, inputs: Record) -> date:
        """Return the as-of session."""
        latest = max((day for value in inputs.values() if (day := latest_date(value)) is not None), default=None)
        return self.as_of or (latest.item() if latest is not None else date(2024, 1, 1))

    @pytest.fixture
    def config(self, settings: Settings, session: date) -> StageConfig:
        """Return the stage's config."""
        return type(self).stage().configured({**settings, "as_of": session.isoformat()})

    def run(self, inputs: Record, config: StageConfig) -> dict[str, bytes]:
        """Return the bytes of what the stage makes of *inputs*, by artifact name."""
        return encoded(type(self).stage().run(inputs, config))

    def test_it_declares_what_it_is(self) -> None:
        """A stage has an id, a kind, and makes something; its docstring says what."""
        kind = type(self).stage
        found = plug_in(f"{kind.__module__}:{kind.__qualname__}")
        assert found.kind is not Kind.CONTROL, "control stages read the run: they are not for this suite"
        assert kind.__doc__, "the class has no docstring, and 'stages show' prints it"

    def test_it_makes_what_it_declares(self, inputs: Record, config: StageConfig) -> None:
        """Each artifact in ``makes`` is made."""
        outputs = type(self).stage().run(inputs, config)
        assert set(outputs) == set(type(self).stage.makes), "makes is not what run returns"

    def test_it_needs_no_more_than_it_declares(self, inputs: Record) -> None:
        """The inputs of the tests are those in ``needs``, so what else the stage would read is a KeyError."""
        assert set(inputs) == set(type(self).stage.needs), "the fixture inputs is not what needs says"

    def test_the_same_gives_the_same(self, inputs: Record, config: StageConfig) -> None:
        """The same inputs and settings give the same bytes: no clock, no chance, no memory of the last time."""
        assert self.run(inputs, config) == self.run(inputs, config)

    def test_it_leaves_its_inputs_alone(self, inputs: Record, config: StageConfig) -> None:
        """What the stage is given, other stages are given too."""
        before = encoded(inputs)
        self.run(inputs, config)
        assert encoded(inputs) == before, "an input was changed"

    def test_what_it_makes_can_be_stored(
        self, inputs: Record, config: StageConfig, session: date, tmp_path: Path
    ) -> None:
        """Each artifact is a table, a panel, a record or text, comes back as it went in, and holds nothing later than
        the as-of."""
        store = ArtifactStore(str(tmp_path), as_of=session)
        for name, value in type(self).stage().run(inputs, config).items():
            back = store.get(store.put(name, value))
            if type(value).__name__ == "DataFrame":  # the unit in which dates are counted may change
                loose = {"check_dtype": False, "check_index_type": False, "check_freq": False}
                pd.testing.assert_frame_equal(back, value, **loose)
            else:
                assert encode(back)[0] == encode(value)[0], f"{name} changes in the store"

    def test_what_comes_later_does_not_matter(self, inputs: Record, config: StageConfig, session: date) -> None:
        """What a stage says of a date is the same when it is shown later ones: dated rows are not revised.

        Of each dated table, the rows up to two thirds of the panel's sessions are compared with those that the stage
        makes of these sessions alone.
        """
        panels = [value for value in inputs.values() if isinstance(value, Panel)]
        if type(self).stage.kind is Kind.NETWORK or not panels:
            return  # a source is held to the as-of by the test above; without a panel there is nothing to cut
        day = panels[0].sessions[len(panels[0].sessions) * 2 // 3]
        whole = type(self).stage().run(inputs, config)
        part = type(self).stage().run({name: _up_to(value, day) for name, value in inputs.items()}, config)
        for name in whole:
            if latest_date(whole[name]) is not None:
                assert encode(_up_to(whole[name], day))[0] == encode(part[name])[0], f"{name} is revised afterwards"

    def test_its_config_is_frozen_and_closed(self, config: StageConfig) -> None:
        """No setting can be changed while a run goes on, and a wrong key is an error."""
        sections = [value for name in type(config).model_fields if isinstance(value := getattr(config, name), Section)]
        for section in [config, *sections]:
            for name in type(section).model_fields:
                with pytest.raises(ValidationError):
                    setattr(section, name, getattr(section, name))
        for section in sections:
            with pytest.raises(ValidationError):
                type(section).model_validate({**section.model_dump(), "no_such_key": 1})

    def test_its_config_is_json(self, config: StageConfig) -> None:
        """Settings are part of a run's record and of the cache key: they survive JSON."""
        assert type(config).model_validate(json.loads(config.model_dump_json())) == config

    def test_a_section_that_is_not_there_is_said(self) -> None:
        """Without its sections the stage says which one it lacks."""
        if not set(type(self).stage.Config.model_fields):
            return  # it reads none
        with pytest.raises(ConfigError) as caught:
            type(self).stage().configured({})
        assert caught.value.hint

    def test_it_travels_to_a_worker(self, inputs: Record, config: StageConfig) -> None:
        """The stage and its config can be sent to another process, and do the same there."""
        stage, sent = pickle.loads(pickle.dumps((type(self).stage(), config)))  # our own bytes
        assert encoded(stage.run(inputs, sent)) == self.run(inputs, config)

    def test_its_code_has_a_version(self) -> None:
        """The cache knows the stage's code: its source can be found."""
        assert code_version(type(self).stage()) == code_version(type(self).stage())

    def test_it_has_a_line_for_people(self, inputs: Record, config: StageConfig) -> None:
        """The stage's summary is one short line."""
        stage = type(self).stage()
        found = stage.summary(inputs, stage.run(inputs, config))
        assert isinstance(found, Summary)
        assert "\n" not in found.note


def encoded(values: Settings) -> dict[str, bytes]:
    """Return the bytes of each artifact."""
    return {name: encode(value)[0] for name, value in values.items()}


def _up_to(value: Any, day: np.datetime64) -> Any:
    if isinstance(value, Panel):
        return value.up_to(day)
    if latest_date(value) is None:
        return value
    dates = value.index if value.index.dtype.kind == "M" else value["date"]
    return value[dates.to_numpy().astype("datetime64[D]") <= day]
