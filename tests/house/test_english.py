"""Plain English: words that read as translated stay out of code, messages and pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXTS = sorted(
    path
    for pattern in ("src/**/*.py", "src/**/*.html", "src/**/*.toml", "docs/*.md", "*.md", "examples/**/*.md")
    for path in ROOT.glob(pattern)
)
BETTER = {
    r"mend(s|ed|ing)?": "fix",
    r"lack(s|ed|ing)?": "missing",
    r"anew": "again",
    r"told": "report, print; reported",
    r"made up": "generated",
    r"one's own": "your own, custom",
    r"whoever": "any user, the process that",
    r"needless": "unnecessary",
    r"crew": "workers",
    r"let(s|ting)? go": "stop, release",
    r"look(s|ed|ing)? into": "read",
}
"""Words by the plain ones for them."""


def found_in(text: str) -> list[str]:
    """The words of ``BETTER`` in *text*, each with its line and what to write."""
    return [
        f"line {number}: {match[0]!r}, better: {better}"
        for number, line in enumerate(text.splitlines(), start=1)
        for words, better in BETTER.items()
        if (match := re.search(rf"\b{words}\b", line, re.IGNORECASE))
    ]


def test_the_words_are_found() -> None:
    """In any case and form, and not inside other words."""
    assert found_in("Mended.\nbefore he told us\na black box, commended") == [
        "line 1: 'Mended', better: fix",
        "line 2: 'told', better: report, print; reported",
    ]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_text_is_plain(path: Path) -> None:
    """Each text says it with the plain word."""
    assert found_in(path.read_text(encoding="utf-8")) == []
