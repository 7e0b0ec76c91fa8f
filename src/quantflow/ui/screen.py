"""The console that everything is drawn on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.segment import Segment

from quantflow.config.printable import CleanStream, cleaned

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderableType
    from rich.text import Text


class Screen(Console):
    """A console whose colours and cursor movements are its own: text is shown with its escape sequences spelled out.

    It draws past the ``CleanStream`` that standard output and error are.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        """Return *text*, which may have markup, cleaned: so that a table measures what it will show."""
        return super().render_str(cleaned(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of *renderable*: control codes as they are, all text cleaned."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else cleaned(text), style, control)

    @property
    def file(self) -> IO[str]:
        """The stream that is drawn on."""
        found = super().file
        return found.out if isinstance(found, CleanStream) else found

    @file.setter
    def file(self, file: IO[str]) -> None:
        """Draw on another stream from now on."""
        self._file = file
