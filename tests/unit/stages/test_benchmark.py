"""A benchmark of choice: a symbol of the universe or outside it, or a file, known up to the as-of and no further."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quantflow.config.load import load_profile
from quantflow.data.benchmark import benchmark_prices
from quantflow.data.grid import Grid
from quantflow.data.horizon import history_ends
from quantflow.data.providers import Provider, open_provider
from quantflow.errors import ConfigError, DataError, LookAheadError
from quantflow.pipeline.arrange import pipeline_of
from quantflow.quant.metrics import against
from quantflow.runs.create import create_run, source_of
from quantflow.runs.run import Run
from quantflow.stages.ingestion import IngestionStage, _fetched
from ran import executed

AS_OF = date(2022, 12, 15)
PROFILE = """
[profiles.mine]
extends = "demo"
[profiles.mine.universe]
exclude = ["KO"]
[profiles.mine.data]
start = 2019-01-01
[profiles.mine.allocation]
method = "equal_weight"
[profiles.mine.validation]
min_history = 504
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A workspace, and KO's closes up to the end of the sample as a file."""
    (tmp_path / "quantflow.toml").write_text(PROFILE)
    provider = open_provider(load_profile("demo", workspace=tmp_path).data)
    bars = pd.concat([provider.bars(("KO",), None, date(2022, 12, 28))])
    bars[["date", "close"]].to_csv(tmp_path / "index.csv", index=False)
    return tmp_path


def made(home: Path, *overrides: str, until: str = "") -> Run:
    """A run of the profile under some settings."""
    return executed(create_run(load_profile("mine", workspace=home, overrides=overrides), home, AS_OF), until)


def test_a_symbol_outside_the_universe_and_a_file_give_the_same(home: Path) -> None:
    """Returns and figures are equal; the metrics say whose they are and where they came from."""
    outside = made(home, "validation.benchmark=KO")
    filed = made(home, "validation.benchmark=index.csv")
    inside = made(home, "validation.benchmark=KO", "universe.exclude=[]")
    streams = [run.load("oos_returns")["benchmark"] for run in (outside, filed, inside)]
    for stream in streams[1:]:
        pd.testing.assert_series_equal(stream, streams[0], check_exact=True)
    assert streams[0].iloc[0] == pytest.approx(-6e-4)
    blocks = [run.load("metrics")["benchmark"] for run in (outside, filed, inside)]
    named = [("KO", "provider"), ("index", "file"), ("KO", "universe")]
    assert [(block["symbol"], block["source"]) for block in blocks] == named
    net = outside.load("oos_returns")["net"].to_numpy()
    for name, value in against(net, streams[0].to_numpy(), 252).items():
        assert blocks[0][name] == value
    assert "KO" not in outside.load("prices").symbols
    assert "KO" not in set(outside.load("oos_weights")["symbol"])


def test_nothing_after_the_as_of_is_known_of_it(home: Path) -> None:
    """The artifact ends at the as-of, and later rows of the file change nothing; nor are they given out."""
    before = made(home, "validation.benchmark=index.csv", until="ingestion").load("benchmark")
    assert before.last_session == np.datetime64(AS_OF)
    table = pd.read_csv(home / "index.csv")
    table.loc[table["date"] > AS_OF.isoformat(), "close"] = 1e6
    table.to_csv(home / "index.csv", index=False)
    after = made(home, "validation.benchmark=index.csv", until="ingestion").load("benchmark")
    np.testing.assert_array_equal(before.close, after.close)
    profile, stage = load_profile("mine", workspace=home), IngestionStage()
    config = stage.configured({**profile.settings(), "as_of": AS_OF.isoformat()})

    def fetch(provider: Provider, symbols: Sequence[str]) -> Grid:
        return _fetched(provider, symbols, config)  # type: ignore[arg-type]

    with history_ends(date(2022, 6, 30)), pytest.raises(LookAheadError, match="history ends on 2022-06-30"):
        benchmark_prices(str(home / "index.csv"), profile.data, (), fetch)


def test_another_file_is_another_result(home: Path) -> None:
    """A night is not done when the file has changed, and the walk-forward is computed again."""
    profile = load_profile("mine", workspace=home, overrides=["validation.benchmark=index.csv"])
    mark, first = source_of(profile), made(home, "validation.benchmark=index.csv")
    table = pd.read_csv(home / "index.csv").assign(close=lambda frame: frame["close"] ** 1.1)
    table.to_csv(home / "index.csv", index=False)
    again = made(home, "validation.benchmark=index.csv")
    assert source_of(profile) != mark
    keys = [run.stage("validation").key for run in (first, again)]
    assert keys[0] != keys[1]
    betas = [run.load("metrics")["benchmark"]["beta"] for run in (first, again)]
    assert betas[1] < betas[0]
    assert first.weights == again.weights


def test_profiles_without_one_fetch_and_need_none(home: Path) -> None:
    """Neither ingestion nor the walk-forward knows the artifact then."""
    plain = load_profile("mine", workspace=home).settings()
    assert not any("benchmark" in (*stage.needs, *stage.makes) for stage in pipeline_of(plain))


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("date,symbol,close\n2020-01-02,A,1\n2020-01-02,B,1\n", DataError, "has 2 symbols, and a benchmark is one"),
        ("date,close\n2020-01-02,0\n2020-01-03,1\n", DataError, "has a close that is not positive"),
        ("date,close\n2030-01-02,1\n", DataError, "has no close up to the as-of"),
        ("close\n1\n", DataError, "no column is called 'date'"),
    ],
)
def test_a_wrong_file_is_refused_in_words(home: Path, text: str, error: type[Exception], says: str) -> None:
    """The error names the file."""
    (home / "index.csv").write_text(text)
    with pytest.raises(error, match=says):
        made(home, "validation.benchmark=index.csv", until="ingestion")


def test_what_nobody_has_is_refused_with_the_nearest_name(home: Path) -> None:
    """A misspelt symbol and a file that is not there."""
    says = r"'KOO' is not in the universe, nor does the provider 'sample' have it"
    with pytest.raises(ConfigError, match=says) as caught:
        made(home, "validation.benchmark=KOO", until="ingestion")
    assert "'KO'" in str(caught.value.hint)
    with pytest.raises((ConfigError, DataError), match=r"none\.csv"):
        made(home, "validation.benchmark=none.csv", until="ingestion")


def test_a_session_without_a_decision_fetches_none(home: Path) -> None:
    """Nothing is compared then: a file that is gone does not keep the book from being valued."""
    settings = load_profile("mine", workspace=home, overrides=["validation.benchmark=gone.csv"]).settings()
    ingestion = pipeline_of(settings, hold=True)[0]
    out = ingestion.run({}, ingestion.configured({**settings, "as_of": AS_OF.isoformat()}))
    assert set(out) == set(ingestion.makes)
