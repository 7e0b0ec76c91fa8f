"""What a terminal would obey, and how it is shown."""

from __future__ import annotations

import io
import json
import unicodedata

import pytest
import typer

from quantflow.config.printable import CleanStream, cleaned, escaped, is_printable
from quantflow.ui.log import JsonLog

OBEYED = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xD800, 0xDCFF)]
BIDI = [chr(code) for code in range(0x110000) if unicodedata.bidirectional(chr(code)) in
        ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")]  # fmt: skip


@pytest.mark.parametrize("character", [*OBEYED, *BIDI, "\u200e", "\u200f", "\u061c"], ids=ascii)
def test_each_is_spelled_out(character: str) -> None:
    """Controls, separators, reordering marks and lone surrogates: as in JSON, which gives the character back."""
    assert not is_printable(f"a{character}b")
    shown = escaped(f"a{character}b")
    assert shown == f"a\\u{ord(character):04x}b"
    assert json.loads(f'"{shown}"') == f"a{character}b"
    assert cleaned(f"a{character}b") == (f"a{character}b" if character in "\t\n" else shown)


@pytest.mark.parametrize("text", ["ES=F", "^GSPC", "BRK.B", "São Paulo", "東証", "עברית", "😀", "a\xa0b", "−"])
def test_other_texts_are_as_they_are(text: str) -> None:
    """Letters of any script, also of one that is written from right to left."""
    assert is_printable(text)
    assert escaped(text) == cleaned(text) == text


def test_lines_stay_lines() -> None:
    """A line end of Windows is one; a carriage return alone would let the line be written over."""
    assert cleaned("a\r\nb\rc\n") == "a\r\nb\\u000dc\n"


def test_the_stream_cleans_what_is_printed() -> None:
    """By print, by typer and by a library, whole or in pieces; the stream below gets no escape sequence."""
    below = io.StringIO()
    stream = CleanStream(below)
    print("\x1b[2J", end="", file=stream)
    typer.echo("\x1b]0;title\x07", file=stream)
    assert stream.write("\x9b31m") == 4
    assert below.getvalue() == "\\u001b[2J\\u001b]0;title\\u0007\n\\u009b31m"
    assert not stream.isatty()
    assert stream.writable()


def test_json_passes_through(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON stays JSON of the same values: Python leaves DEL alone when it escapes the others."""
    facts = {"text": "".join([*OBEYED[:-2], "\u202e"])}
    stream = CleanStream(below := io.StringIO())
    typer.echo(json.dumps(facts), file=stream)
    JsonLog(stream).log("info", "x", facts["text"], {})  # type: ignore[arg-type]
    first, second = below.getvalue().splitlines()
    assert json.loads(first) == facts
    assert json.loads(second)["message"] == facts["text"]
