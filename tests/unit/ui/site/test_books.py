"""What the page says of a profile's book: its track beside what was promised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quantflow.data.track import band
from quantflow.ui.site.books import end_of, file_of, track_of
from recorded import Name, recorded
from sited import HOSTILE, PROMISED, TRACK, book


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A workspace with a book and a track of three sessions."""
    book(tmp_path, "demo", recorded(tmp_path, {"KO": Name([59.0, 60.0])}, {"KO": 0.5}))
    return tmp_path


def test_the_band_is_that_of_each_session(home: Path) -> None:
    """As ``status`` works it out, from the first session to each."""
    found = track_of(home, "demo")["track"]
    assert isinstance(found, dict)
    net, pool = (np.array([getattr(line, name) for line in TRACK]) for name in ("net", "benchmark"))
    for number in (1, 2, 3):
        want = band(net[:number], pool[:number], PROMISED)
        got = [found[name][number - 1] for name in ("book", "benchmark", "low", "high")]
        assert got == [want.growth, want.benchmark, want.low, want.high]
    assert found["dates"] == [line.date for line in TRACK]


def test_the_end_is_what_a_card_shows(home: Path) -> None:
    """Sessions, growth, benchmark, band, and whether it has left that; nothing without a track."""
    end = end_of(track_of(home, "demo"))
    assert end is not None
    assert (end["sessions"], end["outside"]) == (3, False)
    assert end["growth"] == pytest.approx(1.01 * 0.98 * 1.004 - 1)
    assert end_of(track_of(home, "none")) is None


def test_a_track_that_was_changed_is_not_shown(home: Path) -> None:
    """It is named, in the words of the error."""
    file = home / "current" / "demo" / "track.csv"
    file.write_text(file.read_text().replace("-0.02,", "0.02,"))
    found = track_of(home, "demo")
    assert found["track"] is None
    assert "Line 3" in str(found["problem"])


def test_any_profile_has_a_file_of_its_own() -> None:
    """Also one whose name no file could have; and it is always the same."""
    names = ["demo", "Demo", "a/b", "..", HOSTILE]
    assert len({file_of(name) for name in names}) == len(names)
    assert all(file_of(name).removeprefix("books/").isalnum() for name in names)
