"""Data as scripts: what is handed over is what was given, whatever it holds, and what is the same stays."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from quantflow.errors import InfrastructureError
from quantflow.ui.site.script import PLOTLY, as_script, plain, write_data, write_static
from sited import HOSTILE, handed_over

ODD = [HOSTILE, "\u2028\u2029\x00", "\\'", "\\\\", "€", "__proto__", "\U0001f600", "\ud83d", "${1}`"]


@pytest.mark.parametrize("text", ODD)
def test_any_text_is_handed_over_as_it_is(tmp_path: Path, text: str) -> None:
    """As a value and as a key; the script is ASCII on one line, whatever the text holds."""
    write_data(tmp_path, "index", {text: [text]})
    assert handed_over(tmp_path, "index") == {text: [text]}
    assert len((tmp_path / "data" / "index.js").read_text(encoding="ascii").splitlines()) == 1


def test_numbers_are_plain() -> None:
    """What JSON does not know becomes null, numpy's types Python's, dates text."""
    given = {"a": math.nan, "b": math.inf, "c": np.float64(0.1), "d": np.int64(3), "e": np.bool_(True), "f": (1, None)}
    assert plain(given) == {"a": None, "b": None, "c": 0.1, "d": 3, "e": True, "f": [1, None]}
    assert plain([date(2022, 12, 28), np.datetime64("2022-12-28")]) == ["2022-12-28", "2022-12-28"]
    assert "null" in as_script("x", plain(given))


def test_what_is_the_same_is_not_written_again(tmp_path: Path) -> None:
    """A file keeps its time; another value replaces it and leaves nothing else behind."""
    write_data(tmp_path, "index", [1])
    file = tmp_path / "data" / "index.js"
    before = file.stat().st_mtime_ns, file.stat().st_ino
    write_data(tmp_path, "index", [1])
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before
    write_data(tmp_path, "index", [2])
    assert handed_over(tmp_path, "index") == [2]
    assert [path.name for path in file.parent.iterdir()] == ["index.js"]


def test_plotly_is_copied_once(tmp_path: Path) -> None:
    """Its megabytes are written where they are missing or another version's, and otherwise left."""
    write_static(tmp_path)
    file = tmp_path / PLOTLY
    inode = file.stat().st_ino
    write_static(tmp_path)
    assert file.stat().st_ino == inode
    file.write_text("another")
    write_static(tmp_path)
    assert file.stat().st_size > 1_000_000


def test_the_page_names_each_of_its_scripts(tmp_path: Path) -> None:
    """All scripts that are installed are in the page, in any order, and no other; none is longer than 400 lines."""
    write_static(tmp_path)
    page = (tmp_path / "index.html").read_text()
    scripts = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.js")} - {PLOTLY}
    assert {part.split('"')[0] for part in page.split('<script src="')[1:]} == scripts
    assert max(len((tmp_path / name).read_text().splitlines()) for name in scripts) <= 400


def test_no_script_hands_data_to_the_html_parser(tmp_path: Path) -> None:
    """Nothing of the page's own knows how: it makes elements and text."""
    write_static(tmp_path)
    ways = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "http:", "https:")
    for path in set(tmp_path.rglob("*.js")) - {tmp_path / PLOTLY}:
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert [way for way in ways if way in text] == [], path.name


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """As an error of the machine, with what to do."""
    (tmp_path / "data").write_text("a file")
    with pytest.raises(InfrastructureError, match="cannot be written") as caught:
        write_data(tmp_path, "index", 1)
    assert "--output" in str(caught.value.hint)
