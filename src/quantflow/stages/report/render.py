"""The page from templates, in which Jinja escapes all that is not markup already."""

from __future__ import annotations

import csv
import io
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

from quantflow.data.cells import to_cell
from quantflow.errors import shortened
from quantflow.stages.report.figures import DASH, defined

if TYPE_CHECKING:
    from jinja2 import Environment

WHOLE = 22
"""Longest text of a table cell that is kept on one line."""
TALL = 30
_NUMBER = re.compile(r"[+−-]?[0-9][0-9,]*(\.[0-9]+)?(e[+-]?[0-9]+)?%?")


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
    left, rows = words | {0}, list(rows)
    titles = [(title, i in left) for i, title in enumerate(head)]
    body = [(row[0], [_cell(value, i in left) for i, value in enumerate(row[1:], start=1)]) for row in rows]
    return part("table", caption, titles, body, csv_link(caption, head, rows))


def csv_link(name: str, head: Sequence[object], rows: Iterable[Sequence[object]], note: str = "") -> Markup:
    """Return a link that saves a table as CSV: the page itself holds the file.

    Args:
        name: Of the file, without its suffix; what is no letter or digit becomes a hyphen.
        head: Titles of the columns.
        rows: Cells as text, markup, numbers or ``Cell``.
        note: What the file leaves out.
    """
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([[in_csv(value) for value in row] for row in (head, *rows)])
    file = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "table"
    return part("download", f"{file}.csv", b64encode(out.getvalue().encode()).decode(), name, note)


def in_csv(value: object) -> str:
    """Return what a table shows as a CSV file has it: plain signs in numbers, nothing for what is undefined.

    A text that a spreadsheet would compute is marked as text.
    """
    content = value.content if isinstance(value, Cell) else value
    text = clean(content.striptags() if isinstance(content, Markup) else content)
    if text == DASH:
        return ""
    if _NUMBER.fullmatch(text):
        return text.replace("−", "-").replace(",", "")
    return to_cell(text)


def headed(title: str, head: Sequence[str], rows: Iterable[Sequence[object]], **words: frozenset[int]) -> Markup:
    """Return a table with its title above it, for all to see."""
    return joined([part("heading", title), table(title, head, rows, **words)])


def shade(share: object) -> str:
    """Return the CSS class of a value from -1 to 1: n5 to n1, none, p1 to p5."""
    value = defined(share)
    steps = 0 if value is None else max(-5, min(5, round(5 * value)))
    return "" if steps == 0 else f"{'p' if steps > 0 else 'n'}{abs(steps)}"


def _cell(value: object, is_text: bool) -> tuple[object, str]:
    """Return a cell's content and CSS classes."""
    content, shade = (value.content, value.shade) if isinstance(value, Cell) else (value, "")
    whole = "one" if not isinstance(content, Markup) and len(str(content)) <= WHOLE else ""
    return content, " ".join(filter(None, ("l", whole, shade) if is_text else (shade,)))


def section(slug: str, title: str, *content: Markup | None, lead: str = "") -> Markup:
    """Return one titled part of the page.

    Args:
        slug: Its id, unique in the page.
        title: Its heading.
        content: What it shows.
        lead: The sentence that says what one sees.
    """
    return part("section", slug, title, lead, joined(content))


def beside(*parts: Markup) -> Markup:
    """Return parts side by side where there is room, else one below the other."""
    return part("beside", parts)


def boxed(shown: Markup, rows: int) -> Markup:
    """Return a table in a box that scrolls up and down by itself once it has more than ``TALL`` *rows*."""
    return part("boxed", shown, rows > TALL)


def nothing(text: str) -> Markup:
    """Return the line that stands where there is nothing to show."""
    return part("nothing", text)


def folded(title: str, content: Markup) -> Markup:
    """Return content that opens when its title is pressed."""
    return part("folded", title, content)
