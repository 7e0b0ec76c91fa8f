"""A workspace over someone's own files: what can be proved is written down, the rest is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quantflow.config.layers import read_overrides
from quantflow.config.load import load_profile
from quantflow.data.providers import open_provider
from quantflow.errors import ConfigError, DataError
from quantflow.ops.own_data import calendar_of, look_at, settings
from quantflow.ops.starter import start_workspace

SYMBOLS = ("AAA", "BBB", "CCC", "DDD")


def prices(days: pd.DatetimeIndex, form: str = "%Y-%m-%d") -> dict[str, pd.DataFrame]:
    """Return a year of closes of four symbols, dates of a form."""
    rng = np.random.default_rng(1)
    closes = np.round(50 * np.exp(np.cumsum(rng.normal(0, 0.01, (len(days), 4)), axis=0)), 2)
    return {
        name: pd.DataFrame({"Date": days.strftime(form), "Close": closes[:, i], "Volume": 10.0})
        for i, name in enumerate(SYMBOLS)
    }


def written(folder: Path, frames: dict[str, pd.DataFrame], **how: object) -> Path:
    """Write a file per symbol below ``data``."""
    (folder / "data").mkdir()
    for name, frame in frames.items():
        frame.to_csv(folder / "data" / f"{name}.csv", index=False, **how)  # type: ignore[call-overload]
    return folder / "data"


YEAR = pd.DatetimeIndex(pd.bdate_range("2021-01-04", "2021-12-31"))


def test_what_was_found_reads_the_files(tmp_path: Path) -> None:
    """German files become a workspace that reads them, without a word said by hand."""
    place = written(tmp_path, prices(YEAR, "%d.%m.%Y"), sep=";", decimal=",")
    found = look_at([str(place)], [])
    assert (found.options.date_format, found.options.decimal) == ("%d.%m.%Y", ",")
    assert (found.symbols, found.files, len(found.days)) == (SYMBOLS, 4, len(YEAR))
    start_workspace(tmp_path, settings(found, tmp_path))
    profile = load_profile("core", workspace=tmp_path)
    assert profile.data.options.path == str(tmp_path / "data")  # type: ignore[attr-defined]
    assert open_provider(profile.data).last_date() == YEAR[-1].date()
    assert profile.policy.min_winners == 2
    assert profile.data.min_sessions < len(YEAR)
    assert profile.validation.min_history < len(YEAR)
    text = (tmp_path / "quantflow.toml").read_text()
    assert 'path = "data"' in text
    assert "# 4 files, single; 4 symbols (AAA, BBB, CCC, DDD), 2021-01-04 to 2021-12-31." in text


def test_dates_that_fit_two_formats_are_refused(tmp_path: Path) -> None:
    """Where no day is above 12, both readings are shown with the first row; the user decides."""
    days = pd.DatetimeIndex([f"2021-{month:02}-{day:02}" for month in range(1, 13) for day in (5, 6, 7)])
    place = written(tmp_path, prices(days, "%d/%m/%Y"))
    with pytest.raises(DataError, match="more than one way") as caught:
        look_at([str(place)], [])
    assert "'%d/%m/%Y' (first row: 2021-01-05" in caught.value.message
    assert "'%m/%d/%Y' (first row: 2021-05-01" in caught.value.message
    assert "data.date_format" in str(caught.value.hint)
    found = look_at([str(place)], read_overrides(["data.date_format=%d/%m/%Y"]))
    assert found.days[0] == np.datetime64("2021-01-05")


def test_a_number_that_fits_two_signs_is_refused(tmp_path: Path) -> None:
    """``1,234`` is a thousand or one and a bit: neither is taken."""
    frames = {"AAA": pd.DataFrame({"Date": YEAR.strftime("%Y-%m-%d"), "Close": "1,234"})}
    with pytest.raises(DataError, match=r"close 1\.234\).*close 1234\)"):
        look_at([str(written(tmp_path, frames))], [])


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    """The error is that of the plain reading, with file, row and column."""
    frames = prices(YEAR)
    frames["AAA"]["Close"] = frames["AAA"]["Close"].astype(str)
    frames["AAA"].loc[3, "Close"] = "1.2.3"
    with pytest.raises(DataError, match=r"AAA\.csv, row 5, column 'Close': '1\.2\.3' is not a number"):
        look_at([str(written(tmp_path, frames))], [])


def test_all_files_of_a_folder_are_a_glob(tmp_path: Path) -> None:
    """What a shell makes of ``data/*.csv`` becomes the glob again; a part of it is refused, with the glob to name."""
    place = written(tmp_path, prices(YEAR))
    every = sorted(place.glob("*.csv"))
    assert look_at([*map(str, every)], []).options.path == str(place / "*.csv")
    with pytest.raises(ConfigError, match="more files than were named") as caught:
        look_at([*map(str, every[:2])], [])
    assert str(place / "*.csv") in str(caught.value.hint)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (pd.date_range("2021-01-01", "2021-12-31"), ("24/7", True)),
        (pd.bdate_range("2021-01-04", "2021-12-31"), ("XNYS", False)),
    ],
)
def test_the_calendar_is_that_of_the_days(days: pd.DatetimeIndex, expected: tuple[str, bool], tmp_path: Path) -> None:
    """Weekends mean a market that never closes; where no calendar fits, that is said in the settings."""
    found = look_at([str(written(tmp_path, prices(pd.DatetimeIndex(days))))], [])
    name, fits = calendar_of(found)
    assert (name, fits) == expected or (fits and name != "24/7")
    assert ("no calendar fits" in settings(found, tmp_path)) is not fits


def test_a_setting_that_is_none_of_the_files_is_refused(tmp_path: Path) -> None:
    """``--set policy.top_n`` says nothing of how files are read."""
    with pytest.raises(ConfigError, match=r"policy\.top_n says nothing of the files"):
        look_at([str(tmp_path)], read_overrides(["policy.top_n=2"]))
