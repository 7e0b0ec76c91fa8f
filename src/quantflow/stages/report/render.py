"""The page from templates, in which Jinja escapes all that is not markup already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

from quantflow.errors import shortened

if TYPE_CHECKING:
    from jinja2 import Environment

WHOLE = 22
"""Longest text of a table cell that is kept on one line."""
TALL = 30


@dataclass(frozen=True)
class Cell:
    """A table cell with a CSS class, e.g. a shade."""

    content: object
    shade: str


def clean(value: object) -> str:
    """Return *value* as one line of printable text: white space becomes a blank, the unprintable U+FFFD.

    Control characters, lone surrogates and bidirectional overrides could break the page or mislead its reader.
    """
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in str(value))


def shorten(value: object, width: int) -> str:
    """Return *value* cleaned and cut to *width* characters, at a word and with an ellipsis when it was longer."""
    return shortened(clean(value), width)


@cache
def environment() -> Environment:
    """Return Jinja with the package's templates: autoescaped, each value cleaned before that."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # only where a page is written

    return Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else clean(value),
        keep_trailing_newline=True,
        trim_blocks=True,
    )


def part(name: str, *values: object, template: str = "parts.html") -> Markup:
    """Return what a macro of a template makes of *values*."""
    made: Markup = getattr(environment().get_template(template).module, name)(*values)
    return made


def joined(parts: Iterable[Markup | None]) -> Markup:
    """Return *parts* one after the other; None is left out."""
    return Markup().join(part for part in parts if part is not None)


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[object]], *, words: frozenset[int] = frozenset()
) -> Markup:
    """Return a table in a box that scrolls by itself; the first column names the row.

    Args:
        caption: What it shows, for screen readers.
        head: Column titles.
        rows: Cells as text, markup or ``Cell``.
        words: Columns of text beside the first one; all others are figures, aligned right.
    """
    left = words | {0}
    titles = [(title, i in left) for i, title in enumerate(head)]
    body = [(row[0], [_cell(value, i in left) for i, value in enumerate(row[1:], start=1)]) for row in rows]
    return part("table", caption, titles, body)


def headed(title: str, head: Sequence[str], rows: Iterable[Sequence[object]], **words: frozenset[int]) -> Markup:
    """Return a table with its title above it, for all to see."""
    return joined([part("heading", title), table(title, head, rows, **words)])


def _cell(value: object, is_text: bool) -> tuple[object, str]:
    """Return a cell's content and CSS classes."""
    content, shade = (value.content, value.shade) if isinstance(value, Cell) else (value, "")
    whole = "one" if not isinstance(content, Markup) and len(str(content)) <= WHOLE else ""
    return content, " ".join(filter(None, ("l", whole, shade) if is_text else (shade,)))


def section(slug: str, title: str, *content: Markup | None, lead: str = "") -> Markup:
    """Return one titled part of the page, *lead* being the sentence that says what one sees."""
    return part("section", slug, title, lead, joined(content))


def boxed(shown: Markup, rows: int) -> Markup:
    """Return a table in a box that scrolls up and down by itself once it has more than ``TALL`` *rows*."""
    return part("boxed", shown, rows > TALL)


def nothing(text: str) -> Markup:
    """Return the line that stands where there is nothing to show."""
    return part("nothing", text)


def folded(title: str, content: Markup) -> Markup:
    """Return content that opens when its title is pressed."""
    return part("folded", title, content)
