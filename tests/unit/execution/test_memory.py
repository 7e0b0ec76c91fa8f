"""Work that does not fit into memory is refused in words, before the machine kills the process."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from pytest_mock import MockerFixture

from quantflow.errors import InfrastructureError
from quantflow.execution import memory

MACHINE = 8_000_000_000


@pytest.fixture(autouse=True)
def machine(mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with 8 GB free, whose control groups are described in a folder."""
    mocker.patch.object(psutil, "virtual_memory").return_value.available = MACHINE
    monkeypatch.setattr(memory, "GROUP", tmp_path)
    return tmp_path


def limited(folder: Path, names: tuple[str, str, str], texts: tuple[str, str, str]) -> None:
    for name, text in zip(names, texts, strict=True):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


V1 = ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat")
V2 = ("memory.max", "memory.current", "memory.stat")


@pytest.mark.parametrize(
    ("names", "texts", "free"),
    [
        (V2, ("4000000000\n", "3000000000\n", "anon 5\ninactive_file 500000000\n"), 1_500_000_000),
        (V2, ("max\n", "3000000000\n", "anon 5\n"), MACHINE),
        (V2, ("1000\n", "3000\n", "anon 5\n"), 0),
        (V1, ("4000000000\n", "3000000000\n", "rss 5\ntotal_inactive_file 7\n"), 1_000_000_007),
        (V1, ("9223372036854771712\n", "3000000000\n", "rss 5\n"), MACHINE),
    ],
)
def test_a_container_has_what_its_limit_leaves(
    machine: Path, names: tuple[str, str, str], texts: tuple[str, str, str], free: int
) -> None:
    """Cached files count as free; no limit, or one above the machine's memory, changes nothing."""
    limited(machine, names, texts)
    assert memory.free_memory() == free


def test_outside_containers_the_machine_counts() -> None:
    """Nothing else is known there."""
    assert memory.free_memory() == MACHINE


def test_what_does_not_fit_is_refused() -> None:
    """The error has both numbers; what fits just so is let through."""
    memory.require_memory(MACHINE, "Sorting")
    with pytest.raises(InfrastructureError) as caught:
        memory.require_memory(MACHINE + 200_000_000, "Sorting")
    assert caught.value.message == "Sorting needs 8.2 GB of memory at once; 8.0 GB are free."
    assert "more memory" in caught.value.hint


def test_small_work_does_not_ask(mocker: MockerFixture) -> None:
    """A walk-forward compares a few symbols hundreds of times: that does not read the machine's memory each time."""
    asked = mocker.patch.object(memory, "free_memory", return_value=0)
    memory.require_memory(memory.SMALL, "Sorting")
    asked.assert_not_called()
    with pytest.raises(InfrastructureError):
        memory.require_memory(memory.SMALL + 1, "Sorting")
