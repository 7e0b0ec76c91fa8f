"""Dated tables in a profile: features with known-at dates, in the selection and in every replay."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.config.load import load_profile
from quantflow.config.profile import Profile
from quantflow.data.artifacts import encode
from quantflow.data.calendars import sessions
from quantflow.errors import ConfigError
from quantflow.pipeline.arrange import pipeline_of
from quantflow.pipeline.play import play
from quantflow.review.lookahead import check_lookahead
from quantflow.runs.create import source_of
from quantflow.stages.ingestion import IngestionStage

SYMBOLS = ("AAPL", "BAC", "GE", "KO", "MSFT", "XOM")
DAYS = sessions("XNYS", date(2020, 1, 2), date(2021, 12, 31))
AS_OF, NEXT = "2021-12-30", "2021-12-31"
STAGE = """
import pandas as pd
from quantflow import BasePipelineStage, Kind, StageConfig

class Counting(BasePipelineStage[StageConfig]):
    \"\"\"Counts the rows that are known.\"\"\"
    id, kind, needs, makes, Config = "counting", Kind.COMPUTE, ("tables",), ("counts",), StageConfig
    def run(self, inputs, config):
        return {"counts": {"rows": len(inputs["tables"])}}
"""


def ratings(seed: int = 0) -> pd.DataFrame:
    """A random rating and risk of each symbol on every tenth session, and on the last two."""
    rng = np.random.default_rng(seed)
    days = [*DAYS[:-2:10], *DAYS[-2:]]
    rows = [(symbol, day, rng.normal(), rng.uniform()) for symbol in SYMBOLS for day in days]
    return pd.DataFrame(rows, columns=["symbol", "date", "score", "risk"])


def profile(home: Path, table: pd.DataFrame, more: str = "", stages: str = "", **weights: float) -> Profile:
    """A small profile of the sample that weighs columns of a table of ratings."""
    table.assign(date=table["date"].astype(str)).to_csv(home / "ratings.csv", index=False)
    named = "".join(f"{name.replace('_', '.')} = {weight}\n" for name, weight in weights.items())
    (home / "quantflow.toml").write_text(
        f"[profiles.p]\n{stages}[profiles.p.universe]\nsymbols = {list(SYMBOLS)}\n".replace("'", '"')
        + "[profiles.p.data]\nstart = 2020-01-02\n[profiles.p.features]\nlookback = 128\nmomentum_long = 120\n"
        "[profiles.p.clusters]\nlookbacks = [63]\n[profiles.p.policy]\nmin_winners = 2\n"
        "[profiles.p.allocation]\nlookback = 100\nmethod = 'inverse_volatility'\nmax_weight = 'off'\n"
        "[profiles.p.validation]\nmin_history = 200\n"
        f"[profiles.p.scores.weights]\n{named or 'ratings.score = 1.0'}\n"
        f"[profiles.p.tables.ratings]\npath = 'ratings.csv'\n{more}"
    )
    return load_profile("p", workspace=home)


def made(chosen: Profile, as_of: str = AS_OF, until: str = "weights") -> dict[str, Any]:
    """What a run of the profile makes."""
    settings = {**chosen.settings(), "as_of": as_of}
    return play(pipeline_of(settings), {"run": {}}, settings, until=until)


def same(one: dict[str, Any], other: dict[str, Any], *names: str) -> bool:
    """Whether artifacts are the same to the byte."""
    return all(encode(one[name])[0] == encode(other[name])[0] for name in names)


def test_a_column_of_a_table_is_a_feature(tmp_path: Path) -> None:
    """The last value known is in features, and alone in the score it decides the order."""
    table = ratings()
    out = made(profile(tmp_path, table))
    last = table[table["date"] == np.datetime64(AS_OF)].set_index("symbol")
    assert out["features"]["ratings.score"].to_dict() == pytest.approx(last["score"].to_dict())
    assert list(out["features"].columns)[-2:] == ["ratings.score", "ratings.risk"]
    assert out["scores"]["rank"].to_dict() == last["score"].rank(ascending=False).astype(int).to_dict()


@pytest.mark.parametrize(
    ("more", "high"),
    [
        ("", True),
        ("higher_is_better = false\n", False),
        ('[profiles.p.scores.prefer]\nratings.score = "low"\n', False),
        ('higher_is_better = false\n[profiles.p.scores.prefer]\nratings.score = "high"\n', True),
    ],
)
def test_the_table_says_which_side_is_better_and_a_profile_turns_a_column_round(
    more: str, high: bool, tmp_path: Path
) -> None:
    """For a long position; a short one prefers the other side."""
    out = made(profile(tmp_path, ratings(), more))
    best = out["features"]["ratings.score"].agg("idxmax" if high else "idxmin")
    assert out["scores"]["rank"].idxmin() == best
    short = profile(tmp_path, ratings(), more).model_copy(deep=True)
    scores = short.scores.model_copy(update={"directions": ("SHORT",)})
    turned = made(short.model_copy(update={"scores": scores}), until="scores")
    assert turned["scores"]["rank"].idxmax() == best


def test_a_value_known_the_next_day_does_not_change_todays_weights(tmp_path: Path) -> None:
    """Not a byte of any artifact; from the next session on it does. With a lag, a day later still."""
    table = ratings()
    other = table.assign(score=table["score"].where(table["date"] < np.datetime64(NEXT), -table["score"]))
    one, two = made(profile(tmp_path, table)), made(profile(tmp_path, other))
    assert same(one, two, "tables", "features", "scores", "winners", "weights")
    after = made(profile(tmp_path, table), NEXT), made(profile(tmp_path, other), NEXT)
    assert not same(*after, "scores")
    late = made(profile(tmp_path, table, "lag = 1\n"), NEXT), made(profile(tmp_path, other, "lag = 1\n"), NEXT)
    assert same(*late, "tables", "features", "scores", "winners", "weights")


def test_the_walk_forward_knows_of_each_date_what_was_known(tmp_path: Path) -> None:
    """Ratings that change from a day on change decisions of that day on, and none before."""
    table, day = ratings(), np.datetime64("2021-06-01")
    other = table.assign(score=table["score"].where(table["date"] < day, -table["score"]))
    books = [
        made(profile(tmp_path, each), until="oos_weights")["oos_weights"].set_index(["decided", "symbol"])["weight"]
        for each in (table, other)
    ]
    before = [book[book.index.get_level_values("decided") < day] for book in books]
    assert len(before[0])
    pd.testing.assert_series_equal(*before)
    assert not books[0].equals(books[1])


def test_the_look_ahead_check_passes(tmp_path: Path) -> None:
    """What stages decide with history that ends at a date is what they decide in the walk-forward, to the bit."""
    found = check_lookahead(profile(tmp_path, ratings()), date.fromisoformat(AS_OF), 3, 0, lambda line: None)
    assert found.differences == ()
    assert all(probe.winners for probe in found.probes)


def test_a_symbol_without_a_value_is_undefined(tmp_path: Path) -> None:
    """It is not scored, as with any feature; policy.max_undefined lets it count as the median."""
    table = ratings()
    table = table[table["symbol"] != "KO"]
    weights = {"momentum": 1.0, "ratings_score": 1.0}
    assert "KO" not in made(profile(tmp_path, table, **weights), until="scores")["scores"].index
    lenient = profile(tmp_path, table, **weights)
    policy = lenient.policy.model_copy(update={"max_undefined": 1})
    assert "KO" in made(lenient.model_copy(update={"policy": policy}), until="scores")["scores"].index


def test_names_of_a_table_that_match_nothing_are_reported(tmp_path: Path) -> None:
    """A symbol that is written otherwise is in the note with the run degraded; a larger table is no slip."""
    table = ratings()
    table["symbol"] = table["symbol"].replace({"KO": "KO.US", "GE": "ZZZZZZ"})
    out = made(profile(tmp_path, table), until="prices")
    summary = IngestionStage().summary({}, out)
    assert (summary.note, summary.degraded) == ("KO.US matches no symbol", True)
    (reason,) = out["quality"].loc[out["quality"]["check"] == "unmatched", "reason"]
    assert reason.startswith("tables.ratings names it")
    assert "did you mean 'KO'?" in reason


def test_a_column_or_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A table before anything runs, a column where the table has been read; each with the nearest."""
    with pytest.raises(ConfigError, match=r"No table named 'rating'\. Did you mean 'ratings'"):
        profile(tmp_path, ratings(), rating_score=1.0)
    with pytest.raises(ConfigError, match=r"No column of a table named 'ratings\.scor'") as caught:
        made(profile(tmp_path, ratings(), ratings_scor=1.0))
    assert "ratings.score" in str(caught.value.hint)


def test_stages_of_other_packages_can_read_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the artifact ``tables``, with the rows that are known at the as-of."""
    (tmp_path / "counting_stage.py").write_text(STAGE)
    monkeypatch.syspath_prepend(tmp_path)
    table = ratings()
    out = made(profile(tmp_path, table, stages='stages = ["counting_stage:Counting"]\n'), until="counts")
    assert out["counts"]["rows"] == (table["date"] <= np.datetime64(AS_OF)).sum()


def test_a_profile_without_tables_is_as_it_was(tmp_path: Path) -> None:
    """Its stages make and need no such artifact."""
    plain = pipeline_of(load_profile("demo", workspace=tmp_path).settings())
    assert not any("tables" in (*stage.needs, *stage.makes) for stage in plain)


def test_a_change_of_the_file_is_a_change_of_the_data(tmp_path: Path) -> None:
    """A run that is done is made again when a table has changed since."""
    first = source_of(profile(tmp_path, ratings()))
    assert source_of(profile(tmp_path, ratings(1))) != first


def test_a_scoring_stage_that_does_not_read_tables_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would not know which side is better: an error, not a guess. One whose Config has the section is fine."""
    lines = "from quantflow.config.data import TablesConfig\nfrom quantflow.stages.inference import *\n"
    lines += "class Config(InferenceStageConfig):\n    tables: TablesConfig\n"
    lines += "class Plain(InferenceStage): pass\nclass Knowing(InferenceStage):\n    Config = Config\n"
    (tmp_path / "scoring_stage.py").write_text(lines)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="Plain does not read the section 'tables'"):
        made(profile(tmp_path, ratings(), stages='stages = ["scoring_stage:Plain"]\n'))
    known = made(profile(tmp_path, ratings(), stages='stages = ["scoring_stage:Knowing"]\n'))
    assert same(known, made(profile(tmp_path, ratings())), "scores", "weights")
