"""Commands and paths as cron and systemd read them, which is not as a shell does."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from quantflow.config.printable import escaped, is_printable
from quantflow.errors import ConfigError

_NOT_IN_A_PROGRAM = "\"'\\"
"""Characters that systemd accepts in arguments but not in the path of a program."""
_RUN = r"""/bin/sh -c "exec \"$$0\" \"$$@\"" """


def cron_quoted(path: Path) -> str:
    r"""Return a path as a word of a crontab's command.

    The shell's quotes protect all but ``%``, at which cron cuts the command, in quotes too. ``\%`` stands for it,
    unless the backslash comes after another one: then the quotes are closed and opened between the two.

    Raises:
        ConfigError: If it has a control character or is not UTF-8.
    """
    return shlex.quote(_on_one_line(path)).replace("\\%", "\\''%").replace("%", r"\%")


def unit_path(path: Path) -> str:
    """Return a path as the value of a unit's setting that takes one, such as ``WorkingDirectory=``.

    systemd takes the rest of the line as it stands, without quotes, and expands specifiers: ``%h`` is the home
    folder, ``%%`` a percent sign. Blanks at the end would be dropped and a backslash would continue the line, so that
    such a path ends with a slash.

    Raises:
        ConfigError: If it has a control character or is not UTF-8.
    """
    text = _on_one_line(path).replace("%", "%%")
    return f"{text}/" if text.endswith((" ", "\\")) else text


def unit_command(program: Path, words: Sequence[str]) -> str:
    r"""Return the value of ``ExecStart=`` that runs *program* with *words*.

    Words are in double quotes where they have to be, with C's escapes, ``%%`` for a percent sign and ``$$`` for a
    dollar; but systemd expands no variable in the program's own path, and refuses one with quotes or backslashes,
    which a shell therefore starts.

    Raises:
        ConfigError: If one has a control character or is not UTF-8.
    """
    path = _on_one_line(program)
    through_shell = any(character in path for character in _NOT_IN_A_PROGRAM)
    first = f"{_RUN}{_unit_word(path.replace('$', '$$'))}" if through_shell else _unit_word(path)
    return " ".join([first, *(_unit_word(word.replace("$", "$$")) for word in words)])


def _unit_word(text: str) -> str:
    escaped_text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    is_plain = escaped_text == text and text and not any(c.isspace() or c in "';" for c in text)
    return text if is_plain else f'"{escaped_text}"'


def _on_one_line(path: Path) -> str:
    text = str(path)
    if not is_printable(text):
        raise ConfigError(
            f"The path {escaped(text)} cannot be written in a crontab or a systemd unit.",
            hint="Rename what has a control character in its name, or is not UTF-8.",
        )
    return text
