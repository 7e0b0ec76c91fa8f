"""What ``quantflow init`` writes: a file whose every setting is right, switched on or off, and data that it reads."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from quantflow.config.load import document_problems, load_meta, load_profile
from quantflow.data.providers.sample import SampleProvider
from quantflow.data.store import write_atomic
from quantflow.errors import ConfigError, InfrastructureError
from quantflow.ops.starter import IGNORE, IGNORED, INSTRUMENTS, PRICES, PROFILE, Started, start_workspace

OFF = re.compile(r"^#(\w+ = )", re.MULTILINE)


@pytest.fixture
def started(tmp_path: Path) -> Path:
    start_workspace(tmp_path)
    return tmp_path


def test_every_profile_loads(started: Path) -> None:
    """As it is written, all profiles and meta profiles of the file are right."""
    document = tomllib.loads((started / "quantflow.toml").read_text())
    assert document_problems(document, started) == {}
    assert {PROFILE} < set(document["profiles"])
    assert set(document["meta"]) == {"blend"}


def test_every_setting_that_is_switched_off_is_right(started: Path) -> None:
    """With each ``#key = value`` line switched on, by itself and all at once, the file loads and has the value."""
    text = (started / "quantflow.toml").read_text()
    lines = OFF.findall(text)
    assert len(lines) > 10
    for number in range(len(lines)):
        counted = iter(range(len(lines)))
        one = OFF.sub(lambda found: found[1] if next(counted) == number else found[0], text)  # noqa: B023
        assert document_problems(tomllib.loads(one), started) == {}, lines[number]
    write_atomic(started / "quantflow.toml", OFF.sub(r"\1", text).encode())
    sources = load_profile(PROFILE, workspace=started).sources
    assert sum(source.kind == "file" for source in sources.values()) > len(lines)
    assert load_meta("blend", workspace=started).sleeves[1].max_weight == 0.6


def test_what_is_said_to_be_the_default_is(started: Path) -> None:
    """A setting that is switched off shows its default, unless its comment says what the default is."""
    text = (started / "quantflow.toml").read_text()
    plain = load_profile(PROFILE, workspace=started).settings()
    section = ""
    for line in text.splitlines():
        if found := re.match(r"\[profiles\.core\.(\w+)", line):
            section = found[1]
        if OFF.match(line) and "default" not in line and section != "universe":
            key, value = next(iter(tomllib.loads(line[1:]).items()))
            assert plain[section][key] == value, line


def test_the_prices_are_the_samples(started: Path) -> None:
    """Twenty real stocks, every session from 2015 to the sample's last one, with their sectors beside them."""
    prices = pd.read_csv(started / PRICES, index_col="date", parse_dates=True)
    instruments = pd.read_csv(started / INSTRUMENTS, index_col="symbol")
    assert prices.shape[0] > 2000
    assert prices.index[-1].date() == SampleProvider.last_date(SampleProvider.__new__(SampleProvider))
    assert list(prices.columns) == list(instruments.index)
    assert prices.notna().all(axis=None)
    assert instruments["sector"].notna().all()


def test_a_gitignore_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """As a folder of that name: nothing is written."""
    (tmp_path / IGNORE).mkdir()
    with pytest.raises(InfrastructureError, match=r"\.gitignore cannot be read: Is a directory\.") as caught:
        start_workspace(tmp_path)
    assert caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == [IGNORE]


@pytest.mark.parametrize("name", ["quantflow.toml", PRICES])
def test_nothing_is_replaced(name: str, tmp_path: Path) -> None:
    """A file that is there is named, keeps its bytes, and nothing else is written."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match=name):
        start_workspace(tmp_path)
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]


def test_a_gitignore_that_is_there_is_kept(tmp_path: Path) -> None:
    """It is left as it is, and what it lacks is told."""
    (tmp_path / IGNORE).write_text("# mine\n/runs\nruns\n.quantflow/\n")
    done = start_workspace(tmp_path)
    assert done.not_ignored == ("current/", "site/", "metrics.prom", "quantflow-*.log")
    assert IGNORE not in done.written
    assert (tmp_path / IGNORE).read_text().startswith("# mine")


def test_the_gitignore_has_all_that_runs_make(tmp_path: Path) -> None:
    """A folder that is not there is made; its .gitignore keeps results out of git."""
    done = start_workspace(tmp_path / "new")
    assert done == Started(tuple(sorted([IGNORE, INSTRUMENTS, PRICES, "quantflow.toml"])), ())
    assert (tmp_path / "new" / IGNORE).read_text().split() == list(IGNORED)
