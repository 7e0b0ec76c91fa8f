"""The check-up names each fault that is planted, and what fixes it; on a sound machine it finds nothing."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from processes import run_cli
from quantflow.doctor import api, machine, workspace
from quantflow.doctor import sessions as nights
from quantflow.doctor.base import Check, Finding, Place, Result, installed
from quantflow.doctor.checkup import CHECKS, checkup
from quantflow.runs.record import StageRecord
from quantflow.runs.run import Run
from recorded import created

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _undisturbed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither a server nor a Prefect profile of the developer's own, nor a container's small shared memory."""
    monkeypatch.setattr(machine, "SHARED_MEMORY", tmp_path)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect") / "nowhere"))


def place(home: Path, **facts: object) -> Place:
    return Place(home, **{"environ": {}, "home": home, **facts})  # type: ignore[arg-type]


def one(check: Check, at: Place) -> Finding:
    """The only finding of a check."""
    (found,) = check(at)
    return found


def settings(home: Path, text: str) -> Place:
    (home / "quantflow.toml").write_text(text)
    return place(home)


def has(**versions: str | None) -> Callable[[str], str | None]:
    """The machine's packages, some of them in other versions."""
    return lambda name: versions[name] if name in versions else installed(name)


def planted(home: Path, run_id: str, state: str, as_of: str = "2022-12-28") -> Run:
    """A run of one stage that ended so."""
    record = created(home, run_id, as_of=date.fromisoformat(as_of))
    record.write_stage(StageRecord("ingestion", state))
    return record


def test_a_sound_machine_has_no_fault(tmp_path: Path) -> None:
    """Every check says ok, none leaves anything behind, and all have a name of their own in the table."""
    found = checkup(place(tmp_path))
    assert {(each.check, each.result) for each in found if each.check != "disk"} == {
        (check.__name__.replace("_", " ").replace("api", "api server"), Result.OK) for check in CHECKS
    } - {("disk", Result.OK)}
    assert list(tmp_path.iterdir()) == []


def test_an_old_python_is_named(tmp_path: Path) -> None:
    """With the range that would do."""
    found = one(machine.python, place(tmp_path, python="3.10.4"))
    assert (found.result, ">=3.11" in found.detail) == (Result.BLOCKS, True)


@pytest.mark.parametrize(
    ("name", "version", "says"),
    [("sqlalchemy", "2.1.0", "<2.1"), ("fastapi", "0.165.0", "<0.151"), ("ray", None, "not installed")],
)
def test_a_package_that_does_not_fit_is_named(name: str, version: str | None, says: str, tmp_path: Path) -> None:
    """The versions with which Prefect's server breaks, or a missing one; the command installs one that works."""
    found = one(machine.packages, place(tmp_path, version_of=has(**{name: version}), pip="pip install"))
    assert found.result is Result.BLOCKS
    assert says in found.detail
    assert found.fix.startswith(f"pip install '{name}")


def test_a_wrong_clock_is_named(tmp_path: Path) -> None:
    """A year that is over; or a run that was created in what is now the future."""
    assert one(machine.clock, place(tmp_path, now=NOW.replace(year=1970))).result is Result.BLOCKS
    planted(tmp_path, "r1", "done")
    behind = one(machine.clock, place(tmp_path, now=datetime.now(UTC) - timedelta(hours=3)))
    assert (behind.result, "from now" in behind.detail) == (Result.WARN, True)


def test_a_ray_token_that_others_can_read_is_named(tmp_path: Path) -> None:
    """And the command that closes it."""
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.touch(mode=0o600)
    assert one(machine.ray, place(tmp_path)).result is Result.OK
    token.chmod(0o644)
    assert one(machine.ray, place(tmp_path)).fix == f"chmod 600 {token}"


def test_a_ray_cluster_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """The address of a profile at which nothing listens keeps its runs from starting."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        text = f'[profiles.p]\nextends = "demo"\nexecution = {{ ray_address = "127.0.0.1:{port}" }}\n'
        assert one(machine.ray, settings(tmp_path, text)).result is Result.OK
    found = one(machine.ray, place(tmp_path))
    assert (found.result, str(port) in found.detail) == (Result.BLOCKS, True)


def test_too_little_shared_memory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that was given none."""
    monkeypatch.setattr(machine, "LEAST_SHARED", 2**60)
    found = one(machine.ray, place(tmp_path))
    assert (found.result, "--runner local" in found.fix) == (Result.WARN, True)


def test_a_folder_that_cannot_be_written_is_named() -> None:
    """Whatever its permissions say: it is tried."""
    found = one(workspace.folder, place(Path("/proc")))
    assert (found.result, "/proc cannot be written" in found.detail) == (Result.BLOCKS, True)


def test_open_folders_are_named(tmp_path: Path) -> None:
    """What runs leave is for its owner; the command closes exactly what is open, and then all is well."""
    for name in ("runs", "current"):
        (tmp_path / name).mkdir(mode=0o755)
    found = one(workspace.folder, place(tmp_path))
    assert found.result is Result.WARN
    subprocess.run(found.fix, shell=True, check=True)
    assert one(workspace.folder, place(tmp_path)).result is Result.OK


def test_another_users_folders_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a run with sudo."""
    (tmp_path / "runs").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    found = one(workspace.folder, place(tmp_path))
    assert (found.result, "another user's" in found.detail) == (Result.BLOCKS, True)


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that grants every lock, as some network file systems do; and one that knows no links."""
    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", lambda *_: None)
        assert "flock" in one(workspace.file_system, place(tmp_path)).detail
    monkeypatch.setattr(Path, "symlink_to", lambda *_: (_ for _ in ()).throw(OSError(95, "not supported")))
    assert one(workspace.file_system, place(tmp_path)).result is Result.BLOCKS


@pytest.mark.parametrize(("free", "result"), [(10 * 2**20, Result.BLOCKS), (2**30, Result.WARN), (2**40, Result.OK)])
def test_a_full_disk_is_named(free: int, result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By how little is free."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**41, 2**40, free))  # type: ignore[attr-defined]
    assert one(workspace.disk, place(tmp_path)).result is result


def test_wrong_profiles_are_named(tmp_path: Path) -> None:
    """Each by itself; a file that is not TOML as a whole."""
    text = '[profiles.a]\nextends = "dmo"\n[profiles.b.policy]\ntop_n = -3\n[profiles.c]\nextends = "demo"\n'
    found = list(workspace.profiles(settings(tmp_path, text)))
    assert [each.result for each in found] == [Result.BLOCKS, Result.BLOCKS]
    assert "profiles.a" in found[0].detail
    assert "top_n = -3" in found[1].detail
    assert "'demo'" in found[0].fix
    assert one(workspace.profiles, settings(tmp_path, "[profiles")).result is Result.BLOCKS


def test_names_that_match_no_symbol_are_named(tmp_path: Path) -> None:
    """Of profiles with local files: a slip is a warning with the nearest name, a list that does nothing an error."""
    (tmp_path / "prices.csv").write_text("date,BRK-B,MSFT\n2024-01-02,1,2\n")
    files = '[profiles.a.data]\nprovider = "files"\npath = "prices.csv"\n[profiles.a.universe]\n'
    found = one(workspace.profiles, settings(tmp_path, f'{files}exclude = ["MSFT", "BRK.B"]\n'))
    assert (found.result, "did you mean 'BRK-B'?" in found.detail) == (Result.WARN, True)
    found = one(workspace.profiles, settings(tmp_path, f'{files}exclude = ["BRK.B"]\n'))
    assert (found.result, "leaves nothing out" in found.detail) == (Result.BLOCKS, True)
    assert one(workspace.profiles, settings(tmp_path, f'{files}exclude = ["MSFT"]\n')).result is Result.OK


def test_missing_data_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are not there, packages, variables; once, however many profiles share them."""
    text = '[profiles.a.data]\nprovider = "files"\npath = "prices/*.csv"\n[profiles.b]\nextends = "a"\n'
    found = one(workspace.data, settings(tmp_path, text))
    assert (found.result, "prices/*.csv" in found.detail) == (Result.BLOCKS, True)
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices" / "a.csv").write_text("date,close\n")
    assert one(workspace.data, place(tmp_path)).result is Result.OK
    beside = '[profiles.a]\nextends = "demo"\n[profiles.a.tables.ratings]\npath = "ratings.csv"\n'
    assert "ratings.csv" in one(workspace.data, settings(tmp_path, beside)).detail
    crypto = '[profiles.a.data]\nprovider = "ccxt"\nexchange = "binance"\n'
    settings(tmp_path, crypto)
    assert "ccxt" in one(workspace.data, place(tmp_path, version_of=has(ccxt=None))).fix
    settings(tmp_path, '[profiles.a.data]\nprovider = "files"\npath = "s3://${LOGIN}@host/x.csv"\n')
    told = [each.detail for each in workspace.data(place(tmp_path, version_of=has(s3fs=None)))]
    assert ["s3fs" in told[0], "LOGIN" in told[1]] == [True, True]


def test_a_calendar_that_ends_is_named(tmp_path: Path) -> None:
    """Of an exchange whose holidays follow the moon, an outdated package knows no coming session."""
    shanghai = settings(tmp_path, '[profiles.p]\nextends = "demo"\ncalendar = { name = "XSHG" }\n').workspace
    far = one(workspace.calendar, place(shanghai, now=NOW.replace(year=2060)))
    assert (far.result, "exchange-calendars" in far.fix) == (Result.BLOCKS, True)
    (shanghai / "quantflow.toml").unlink()
    near = one(workspace.calendar, place(tmp_path, now=NOW))
    assert near.detail == "XNYS: last completed session 2026-03-02, next 2026-03-03"


@pytest.fixture
def prefect_api() -> Iterator[tuple[str, list[str]]]:
    """An address that answers as a Prefect API server does, and the version that it tells."""
    version = ["0"]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(version[0]).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api", version
    server.shutdown()
    server.server_close()


def test_the_api_server_and_its_version_are_told(
    prefect_api: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its address comes from, whether it answers, and whether its version goes with the client's."""
    url, version = prefect_api
    version[0] = str(installed("prefect"))
    monkeypatch.setenv("PREFECT_API_URL", url)
    at = place(tmp_path, environ={"PREFECT_API_URL": url})
    assert one(api.api, at).result is Result.OK
    assert "from PREFECT_API_URL" in one(api.api, at).detail
    monkeypatch.setenv("PREFECT_API_URL", url.replace("//", "//me:hunter2@"))
    assert one(api.api, at).result is Result.OK
    assert "hunter2" not in one(api.api, at).detail
    version[0] = "2.20.1"
    old = one(api.api, at)
    assert (old.result, "2.20.1" in old.detail, "prefect==2.20.1" in old.fix) == (Result.WARN, True, True)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert one(api.api, at).result is Result.BLOCKS


def test_the_address_of_a_prefect_profile_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that was forgotten sends every run to a server that is gone."""
    (tmp_path / "profiles.toml").write_text('active = "p"\n[profiles.p]\nPREFECT_API_URL = "http://127.0.0.1:9/api"\n')
    code = (
        "from pathlib import Path\nfrom quantflow.doctor.base import Place\nfrom quantflow.doctor.api import api\n"
        "print(*[(f.result.value, f.detail, f.fix) for f in api(Place(Path('.')))])"
    )
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    assert "blocks" in told
    assert "the active Prefect profile" in told
    assert "prefect config unset PREFECT_API_URL" in told


def test_a_kept_server_that_died_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs would start without it, and more slowly."""
    home = tmp_path / ".quantflow" / "server"
    home.mkdir(parents=True)
    (home / "kept").write_text("99999999")
    (home / "state.json").write_text(json.dumps({"pid": 99999999, "port": 9, "url": "http://127.0.0.1:9/api"}))
    monkeypatch.setattr("quantflow.server.url.configured_url", lambda: None)
    found = one(api.api, place(tmp_path))
    assert (found.result, "quantflow server start" in found.fix) == (Result.WARN, True)


def test_unfinished_runs_are_named(tmp_path: Path) -> None:
    """With the command that goes on; not when a later run has done their session."""
    planted(tmp_path, "gone", "running", "2022-12-27")
    planted(tmp_path, "broken", "failed")
    told = [(each.detail, each.fix) for each in nights.runs(place(tmp_path))]
    assert told == [
        ("gone interrupted", "quantflow resume gone"),
        ("broken failed", "quantflow resume broken"),
    ]
    planted(tmp_path, "good", "done")
    assert [each.fix for each in nights.runs(place(tmp_path))] == ["quantflow resume gone"]
    (tmp_path / "runs" / "good" / "run.json").write_text("{")
    (tmp_path / "runs" / "good" / "events.jsonl").unlink()
    assert "good: its record is damaged" in [each.detail for each in nights.runs(place(tmp_path))]


def test_a_stale_book_is_named(tmp_path: Path) -> None:
    """With the reason, and what would replace it: publishing the run when it is complete, else continuing it."""
    (tmp_path / "current").mkdir()
    stale = tmp_path / "current" / "demo.STALE"
    stale.write_text("The book is of 2022-12-27 (run a).\nRun b did not replace it:\nthe turnover is 80.00%\n")
    planted(tmp_path, "b", "failed")
    found = one(nights.books, place(tmp_path))
    assert (found.result, found.fix, "80.00%" in found.detail) == (Result.WARN, "quantflow resume b", True)
    planted(tmp_path, "c", "done")
    stale.write_text("Run c did not replace it:\n")
    assert one(nights.books, place(tmp_path)).fix == "quantflow publish c"


def test_a_broken_book_is_named(tmp_path: Path) -> None:
    """A link to nothing, with the complete run that can be published again."""
    (tmp_path / "current").mkdir()
    assert one(nights.books, place(tmp_path)).result is Result.OK
    planted(tmp_path, "good", "done")
    (tmp_path / "current" / "demo").symlink_to(".books/demo/gone")
    found = one(nights.books, place(tmp_path))
    assert (found.result, found.fix) == (Result.WARN, "quantflow publish good")
    assert found.detail == "demo: current/demo is a link to nothing"


def test_what_cron_would_not_have_is_named(tmp_path: Path) -> None:
    """Settings, servers and credentials of this shell, by name and without their values."""
    at = settings(tmp_path, '[profiles.a.data]\nprovider = "files"\npath = "https://${LOGIN}@host/x.csv"\n')
    environ = {"QUANTFLOW_POLICY__TOP_N": "3", "LOGIN": "s3cret", "PREFECT_API_URL": "http://x", "EDITOR": "vi"}
    found = one(nights.cron, place(at.workspace, environ=environ))
    assert found.result is Result.WARN
    assert found.detail.startswith("LOGIN, PREFECT_API_URL, QUANTFLOW_POLICY__TOP_N:")
    assert "s3cret" not in f"{found}"


def test_a_check_that_breaks_is_a_finding(tmp_path: Path) -> None:
    """The others go on."""

    def broken_check(_: Place) -> list[Finding]:
        raise ImportError("libfoo.so")

    found = checkup(place(tmp_path), (broken_check, workspace.file_system))
    assert [(each.check, each.result) for each in found] == [
        ("broken check", Result.BLOCKS),
        ("file system", Result.OK),
    ]
    assert "libfoo.so" in found[0].detail


def test_the_command(tmp_path: Path) -> None:
    """Exit 0 when all is well, in seconds; 1 when something blocks, with what fixes it in a line of its own."""
    begun = os.times().children_user
    sound = run_cli("doctor", cwd=tmp_path)
    assert sound.returncode == 0, sound.stdout
    assert "blocks" not in sound.stdout
    assert os.times().children_user - begun < 3, "seconds of CPU"
    (tmp_path / "quantflow.toml").write_text("[profiles.a]\nextends = 'dmo'\n")
    sick = run_cli("doctor", cwd=tmp_path)
    assert sick.returncode == 1
    assert "edit quantflow.toml: Did you mean 'demo'?" in sick.stdout.split("FIX")[1]
    told = json.loads(run_cli("doctor", "--json", cwd=tmp_path).stdout)
    assert told["blocked"]
    assert [each["check"] for each in told["findings"] if each["result"] == "blocks"] == ["profiles"]


def test_it_works_without_a_package(tmp_path: Path) -> None:
    """A numpy that cannot be imported is told as such, in the table."""
    code = "import sys; sys.modules['numpy'] = None\nfrom quantflow.cli.main import main; main()"
    found = subprocess.run(
        [sys.executable, "-c", code, "doctor"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.returncode == 1
    assert "numpy" in found.stdout
    assert found.stderr == ""
