"""What ``select``, ``meta`` and ``resume`` decide before a run goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from quantflow.cli.run import start
from quantflow.cli.run.start import Asked
from quantflow.errors import ConfigError
from quantflow.runs.as_of import AsOf
from quantflow.runs.header import RunOptions
from recorded import AS_OF, created

ASKED = Asked(run_id=None, as_of=None, by_hand=False, force=False, strict=False, deadline=None, ping=None, mode="none")


@pytest.fixture
def begun(mocker: MockerFixture) -> list[tuple[str, date]]:
    """The ways in which runs were begun, each with its session; nothing is run."""
    seen: list[tuple[str, date]] = []

    def way(name: str) -> Callable[..., Any]:
        def begin(loaded: Any, home: Path, when: date, *how: Any, by_hand: bool = False) -> Any:
            fresh = any(isinstance(each, RunOptions) and each.fresh for each in how)
            seen.append((f"fresh {name}" if fresh else name, when))
            return nullcontext()

        return begin

    for name in ("begun", "begun_unless_done"):
        mocker.patch.object(start, name, way(name))
    mocker.patch.object(start, "run_and_show", lambda home, begin, mode, *, strict: begin())
    return seen


@pytest.mark.parametrize(
    ("changes", "way"),
    [({}, "begun_unless_done"), ({"force": True}, "fresh begun"), ({"run_id": "mine"}, "begun")],
)
@pytest.mark.parametrize("kind", ["select", "meta"])
def test_a_named_or_forced_run_is_always_new(
    changes: dict[str, Any], way: str, kind: str, begun: list[tuple[str, date]], tmp_path: Path
) -> None:
    """Any other is not run if a complete one makes it unnecessary; with ``--force`` the cache is not used either."""
    asked = replace(ASKED, as_of="2022-12-28", **changes)
    if kind == "select":
        start.select("demo", tmp_path, (), asked, dry_run=False)
    else:
        start.meta("demo_meta", tmp_path, (), asked, dry_run=False)
    assert begun == [(way, AsOf(AS_OF))]


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"as_of": "tomorrow"}, "is not a date"), ({"as_of": "2999-01-01"}, "2999"), ({"run_id": "../x"}, "cannot name")],
)
def test_what_cannot_be_run_is_refused_before_a_server_is_started(
    changes: dict[str, Any], words: str, begun: list[tuple[str, date]], tmp_path: Path
) -> None:
    """Exit 2, at once."""
    with pytest.raises(ConfigError, match=words):
        start.select("demo", tmp_path, (), replace(ASKED, **changes), dry_run=False)
    assert begun == []
    assert not (tmp_path / ".quantflow" / "server").exists()


def test_a_run_id_in_use_is_refused(begun: list[tuple[str, date]], tmp_path: Path) -> None:
    """With the command that continues that run."""
    created(tmp_path, "mine")
    with pytest.raises(ConfigError, match="already a run called mine") as raised:
        start.select("demo", tmp_path, (), replace(ASKED, run_id="mine"), dry_run=False)
    assert "quantflow resume mine" in str(raised.value.hint)
    assert begun == []


def test_a_plan_starts_nothing(
    begun: list[tuple[str, date]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--dry-run`` prints it."""
    start.select("demo", tmp_path, (), replace(ASKED, as_of="2022-12-28"), dry_run=True)
    assert "9 to run" in capsys.readouterr().out
    assert begun == []
    assert list(tmp_path.iterdir()) == []
