"""Markup that escapes by default: whatever is not already ``Html`` is text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WHOLE = 22
"""Longest text of a table cell that is kept on one line."""
TALL = 30


class Html(str):
    """Markup. Any other ``str``, also one made from ``Html`` by formatting, is escaped when it is put in an element."""

    __slots__ = ()


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
    """Return *value* cleaned and cut to *width* characters, the last one an ellipsis when it was longer."""
    text = clean(value)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def markup(value: object) -> Html:
    """Return *value* as markup: escaped, unless it is ``Html`` already."""
    return value if isinstance(value, Html) else Html(escape(clean(value)))


def join(parts: Iterable[object], between: str = "") -> Html:
    """Return *parts* one after the other, each escaped unless it is markup."""
    return Html(escape(between).join(markup(part) for part in parts))


def el(name: str, *children: object, **attributes: object) -> Html:
    """Return the element *name*.

    Args:
        name: Tag name.
        *children: Text or markup; None is left out.
        **attributes: Names with ``_`` for ``-``, a trailing one dropped (``class_``); None is left out.
    """
    pairs = [(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None]
    opening = "".join(f' {key}="{escape(clean(value))}"' for key, value in pairs)
    return Html(f"<{name}{opening}>{join(child for child in children if child is not None)}</{name}>")


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[object]], *, words: frozenset[int] = frozenset()
) -> Html:
    """Return a table in a box that scrolls by itself; the first column names the row.

    Args:
        caption: What it shows, for screen readers.
        head: Column titles.
        rows: Cells as text, markup or ``Cell``.
        words: Columns of text beside the first one; all others are figures, aligned right.
    """
    left = words | {0}
    titles = [el("th", title, scope="col", class_="l" if i in left else None) for i, title in enumerate(head)]
    body = [el("tr", *(_cell(i, value, left) for i, value in enumerate(row))) for row in rows]
    inner = el("table", el("thead", el("tr", *titles)), el("tbody", *body))
    return el("div", inner, class_="scroll", role="region", aria_label=caption, tabindex=0)


def boxed(shown: Html, rows: int) -> Html:
    """Return a table in a box that scrolls up and down by itself once it has more than ``TALL`` *rows*."""
    return el("div", shown, class_="tall" if rows > TALL else None)


def _cell(column: int, value: object, left: frozenset[int]) -> Html:
    if column == 0:
        return el("th", value, scope="row", class_="l")
    content, shade = (value.content, value.shade) if isinstance(value, Cell) else (value, "")
    whole = "one" if not isinstance(content, Html) and len(str(content)) <= WHOLE else ""
    styles = ("l", whole, shade) if column in left else (shade,)
    return el("td", content, class_=" ".join(filter(None, styles)) or None)


def section(slug: str, title: str, *content: object, lead: str = "") -> Html:
    """Return one titled part of the page, *lead* being the sentence that says what one sees."""
    return el("section", el("h2", title), el("p", lead, class_="lead") if lead else None, *content, id=slug)


def nothing(text: str) -> Html:
    """Return the line that stands where there is nothing to show."""
    return el("p", text, class_="none")


def folded(title: str, *content: object) -> Html:
    """Return content that opens when its title is pressed."""
    return el("details", el("summary", title), *content)
