"""Commands and paths as cron and systemd read them; tests/integration/test_cron_lines.py has them read."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantflow.errors import ConfigError
from quantflow.ops.quoting import cron_quoted, unit_command, unit_path


def test_values_are_as_systemd_documents_them() -> None:
    """A path is raw but for ``%``; a word has C's escapes, ``%%`` and ``$$``; a program with quotes needs a shell."""
    assert unit_path(Path("/my folio/50%/$HOME/it's")) == "/my folio/50%%/$HOME/it's"
    assert unit_path(Path("/ends\\")) == "/ends\\/"
    assert unit_command(Path("/opt/q"), ["a", "b c", '$x %h "', ""]) == '/opt/q a "b c" "$$x %%h \\"" ""'
    assert unit_command(Path("/$HOME/q q"), []) == '"/$HOME/q q"'
    assert unit_command(Path("/it's/$q"), []) == r"""/bin/sh -c "exec \"$$0\" \"$$@\"" "/it's/$$q" """.rstrip()


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a\x1b[2Jb", "a\udcffb"])
def test_what_no_line_can_hold_is_refused(name: str) -> None:
    """A line end would begin another job; the message shows the name escaped."""
    for write in (cron_quoted, unit_path, lambda path: unit_command(path, [])):
        with pytest.raises(ConfigError, match=r"a\\u[0-9a-f]{4}") as raised:
            write(Path("/tmp") / name)
        assert raised.value.hint
