"""Finding a run by what people type."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantflow.errors import ConfigError
from quantflow.runs.find import find_run
from recorded import created


def test_the_beginning_of_an_id_is_enough(tmp_path: Path) -> None:
    """Where one run alone begins so; the whole id always wins."""
    for name in ("20221228-demo-ab12", "20221228-core-cd34", "20221228"):
        created(tmp_path, name)
    assert find_run(tmp_path, "20221228-d").id == "20221228-demo-ab12"
    assert find_run(tmp_path, "20221228").id == "20221228"


def test_a_beginning_that_several_share_names_them(tmp_path: Path) -> None:
    """Nothing is guessed."""
    for name in ("m1", "m2"):
        created(tmp_path, name)
    with pytest.raises(ConfigError, match="Several runs begin with 'm'") as raised:
        find_run(tmp_path, "m")
    assert "m1, m2" in str(raised.value.hint)


def test_a_portfolio_comes_before_its_sleeves(tmp_path: Path) -> None:
    """Their ids begin with its id; a sleeve is found by its own."""
    for name in ("meta-x", "meta-x.core", "meta-x.growth"):
        created(tmp_path, name)
    assert find_run(tmp_path, "meta").id == "meta-x"
    assert find_run(tmp_path, "meta-x.g").id == "meta-x.growth"


def test_only_a_sweep_has_trials(tmp_path: Path) -> None:
    """``run/3`` of another run is refused in words."""
    created(tmp_path, "one")
    with pytest.raises(ConfigError, match="one is no sweep"):
        find_run(tmp_path, "one/3")
