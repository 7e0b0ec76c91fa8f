"""What surrounds Ray, without one: its folder, its words, and how it is found to be gone."""

from __future__ import annotations

import fcntl
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from quantflow.errors import InfrastructureError
from quantflow.execution import ray as ours


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Ray's folders are made."""
    monkeypatch.setattr(ours, "ray_folder", lambda: str(tmp_path))
    return tmp_path


def test_its_files_lie_in_a_folder_that_only_this_user_can_enter(place: Path) -> None:
    """It is locked while it is used, and gone with its user."""
    with ours._private_folder() as folder:
        assert folder.parent.parent == place
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
        with (folder.parent / "lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert list(place.iterdir()) == []


def test_what_a_killed_run_left_is_removed_and_nothing_else(place: Path) -> None:
    """A folder whose lock is free goes; one in use, one of which the lock is not there yet, and others' stay."""
    for name in ("dead", "young"):
        (place / f"{ours.PREFIX}{name}" / "r").mkdir(parents=True)
    (place / f"{ours.PREFIX}dead" / "lock").touch()
    (place / "ray").mkdir()
    with ours._private_folder() as first, ours._private_folder() as second:
        left = {path.name for path in place.iterdir()}
        assert left == {first.parent.name, second.parent.name, f"{ours.PREFIX}young", "ray"}


def test_a_place_that_cannot_hold_them_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the variables by which it was chosen."""
    monkeypatch.setattr(ours, "ray_folder", lambda: str(tmp_path / "missing"))
    with (
        pytest.raises(InfrastructureError, match=r"missing \(RAY_TMPDIR, TMPDIR\) cannot hold"),
        ours._private_folder(),
    ):
        pass


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process in place of the one that starts Ray: it does what its first line says, as Python."""
    code = "import sys, os; exec(__import__('json').loads(sys.stdin.readline())['do'])"
    found = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield found
    found.kill()
    found.wait()


def address(process: subprocess.Popen[bytes], do: str, complaint: bytes = b"") -> str:
    with tempfile.TemporaryFile() as complaints:
        complaints.write(complaint)
        complaints.flush()
        return ours._address(process, {"do": do}, "on this machine", complaints)


def test_its_answer_is_its_address(process: subprocess.Popen[bytes]) -> None:
    """One line of JSON."""
    assert address(process, 'print(\'{"address": "127.0.0.1:1"}\', flush=True)') == "127.0.0.1:1"


@pytest.mark.parametrize(
    ("do", "complaint", "said"),
    [
        ('print(\'{"error": "no room"}\', flush=True)', b"", "on this machine cannot be used: no room."),
        ('print(\'{"error": "no answer"}\', flush=True)', b"InvalidAuthToken", "its token is missing or wrong"),
        ("os._exit(3)", b"", "its process ended with exit code 3"),
        ("print('Traceback', flush=True); os._exit(1)", b"", "its process ended with exit code 1"),
    ],
)
def test_any_other_is_told_in_words(do: str, complaint: bytes, said: str, process: subprocess.Popen[bytes]) -> None:
    """What it says, what Ray has said behind its back, or that it has died."""
    with pytest.raises(InfrastructureError, match=said) as raised:
        address(process, do, complaint)
    assert raised.value.exit_code == 30
    assert "local" in str(raised.value.hint)


def test_one_that_does_not_answer_is_ended(process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """When its time is over, and not later: it would not hear that it is to end."""
    monkeypatch.setattr(ours, "BEGIN_SECONDS", 0.3)
    with pytest.raises(InfrastructureError, match="does not answer within"):
        address(process, "import time; time.sleep(600)")
    assert process.wait(5) == -9


def test_a_token_is_asked_for_by_the_names_of_its_variables() -> None:
    """Where the trouble is a token, and only there."""
    assert "RAY_AUTH_MODE=token" in str(ours._unusable("at h:1", "its token is missing").hint)
    assert "RAY_AUTH" not in str(ours._unusable("at h:1", "it is full").hint)


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(7), ImportError("No module named 'ray'")])
def test_a_package_that_cannot_be_imported_is_told_in_words(error: BaseException, mocker: MockerFixture) -> None:
    """Also one that ends the process that imports it."""
    mocker.patch.object(ours, "import_module", side_effect=error)
    with pytest.raises(InfrastructureError, match="its package cannot be imported"):
        ours.imported()


def test_a_node_without_a_package_is_named_with_what_to_do() -> None:
    """quantflow itself, or a package of the user's stages; any other failure there is one of Ray's."""
    lacks = ours._unfit("10.0.0.3 (83f77fc8)", "ModuleNotFoundError: No module named 'quantflow'")
    assert "Ray node 10.0.0.3 (83f77fc8) does not have what the run needs" in lacks.message
    assert "No module named 'quantflow'" in lacks.message
    assert "ray_wheels" in str(lacks.hint)
    assert "does not answer within 30 s" in ours._unfit("n", "Get timed out: some object(s) not ready.").message
    assert "Ray on node n cannot be used: it is full." in ours._unfit("n", "it is full").message
