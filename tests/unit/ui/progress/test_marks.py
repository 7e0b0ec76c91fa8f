"""The words for states."""

from __future__ import annotations

import pytest

from quantflow.cli.topics import STATES
from quantflow.ops.sessions import Mark
from quantflow.ui.progress.marks import MARKS, STYLES, shown


@pytest.mark.parametrize(
    ("prefects", "word"),
    [
        ("Completed", "completed"),
        ("AwaitingRetry", "waiting"),
        ("Crashed", "interrupted"),
        ("Cancelled", "interrupted"),
        ("Cached", "cached"),
    ],
)
def test_prefects_names_become_our_words(prefects: str, word: str) -> None:
    """One word per state, and a word that was one already stays."""
    assert (shown(prefects), shown(word)) == (word, word)


def test_every_word_is_explained() -> None:
    """`quantflow help states` has all words that a view, a table or `status` may show."""
    assert {*MARKS, *STYLES, *(mark.value for mark in Mark)} <= set(STATES)
