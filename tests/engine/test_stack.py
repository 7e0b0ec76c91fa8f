"""What ``docs/production.md`` says of the services, done in an engine: each is killed while a portfolio is computed."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from engines import HARDENED, IMAGE, WRITABLE, Stack, docker, end_stack, start_stack

COMMAND = ("meta", "--meta-profile", "demo_meta")
SLEEVES = ("demo", "demo_low_vol", "demo_momentum", "demo_steady")
NIGHTLY = """
[profiles.short]
extends = "demo"
[profiles.short.data]
start = 2014-01-01
[profiles.steady]
extends = "demo_steady"
[profiles.steady.data]
start = 2014-01-01
[meta.nightly]
sleeves = [{ profile = "short" }, { profile = "steady" }]
[meta.nightly.schedule]
cron = "* * * * *"
timezone = "UTC"
"""
"""A portfolio that is due every minute, and that nothing else has computed."""

SERVICES = ("postgres", "prefect-server", "ray-head", "ray-worker")
DUMP = ("pg_dump", "--username=prefect", "--format=custom", "prefect")
RESTORE = ("pg_restore", "--username=prefect", "--dbname=prefect", "--exit-on-error", "--single-transaction")
"""As in the document, which a test compares."""

PROGRESS = re.compile(r"\d\d:\d\d:\d\d \S+ +\w+$| Container ")
WORKING = "features running"
"""What a command's progress says when a sleeve is at work."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The services with two workers."""
    folder = tmp_path_factory.mktemp("stack")
    found = start_stack(folder)
    try:
        yield found
    finally:
        end_stack(found)


@pytest.fixture(scope="module")
def books() -> dict[str, bytes]:
    """The weights of the portfolio and its sleeves, computed by the image alone: no services, no Ray, no network."""
    script = " && ".join(
        [
            "quantflow " + " ".join((*COMMAND, "--run-id", "alone", "--runner", "local", "--quiet")) + " >&2",
            *(f"echo == {name} && cat runs/alone{name}/weights.csv" for name in ("", *(f".{s}" for s in SLEEVES))),
        ]
    )
    said = docker("run", "--rm", *HARDENED, *WRITABLE, "--entrypoint", "sh", IMAGE, "-c", script)
    parts = re.split(rb"^== ?(\S*)\n", said, flags=re.MULTILINE)[1:]
    return {name.decode(): text for name, text in zip(parts[::2], parts[1::2], strict=True)}


def check_books(stack: Stack, run: str, books: dict[str, bytes]) -> None:
    assert set(books) == {"", *(f".{sleeve}" for sleeve in SLEEVES)}
    for name, book in books.items():
        assert stack.read(f"runs/{run}{name}/weights.csv") == book, name


def kill_while_at_work(stack: Stack, process: subprocess.Popen[str], kill: Callable[[], None]) -> str:
    """Kill something as soon as a command's sleeve is at work; return all that the command says."""
    assert process.stderr is not None
    assert process.stdout is not None
    said = ""
    for line in process.stderr:
        said += line
        if WORKING in line:
            break
    kill()
    rest = process.communicate(timeout=600)
    return said + "".join(rest)


def test_the_documented_commands_give_the_books_of_a_run_alone(stack: Stack, books: dict[str, bytes]) -> None:
    """``select`` and ``meta`` on the services' Ray: the same bytes as without them."""
    code, said = stack.run("select", "--profile", "demo", "--run-id", "one")
    assert code == 0, said
    code, said = stack.run(*COMMAND, "--run-id", "both")
    assert code == 0, said
    assert "marked dead" not in said  # the node of the first command has left
    check_books(stack, "both", books)
    assert stack.read("runs/one/weights.csv") == books[".demo"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_is_killed_costs_no_book(stack: Stack, books: dict[str, bytes], service: str) -> None:
    """It is up again by itself; the run ends well, or is interrupted and resumed to the same bytes."""
    before = {each["Id"]: each["State"]["StartedAt"] for each in stack.containers(service)}
    began = time.monotonic()
    process = stack.begin(*COMMAND, "--run-id", f"kill-{service}", "--force")
    said = kill_while_at_work(stack, process, lambda: stack.kill(service))
    took = time.monotonic() - began
    stack.healthy(service)
    after = {each["Id"]: each["State"]["StartedAt"] for each in stack.containers(service)}
    assert set(after) == set(before)
    assert sum(after[name] != before[name] for name in after) == 1
    print(f"{service} killed: the command ended with {process.returncode} after {took:.0f} s; it said:")
    print("".join(line for line in said.splitlines(keepends=True) if not PROGRESS.match(line)))
    if process.returncode:
        for each in SERVICES:
            stack.healthy(each)
        code, said = stack.run("resume", f"kill-{service}")
        print(f"resumed: exit code {code}")
        assert code == 0, said
    check_books(stack, f"kill-{service}", books)
    print(f"both workers are in the cluster {stack.workers(2):.0f} s after that")


def events(stack: Stack, said: str) -> list[str]:
    """Return the runs of which the scheduler has said something."""
    log = stack.compose("--profile", "serve", "logs", "--no-log-prefix", "scheduler").decode()
    return re.findall(rf"nightly: (\S+) is {said}$", log, re.MULTILINE)


def wait_for(what: Callable[[], list[str]], seconds: float) -> list[str]:
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.5)
    return found


def test_a_scheduler_that_is_killed_runs_what_is_due_next(stack: Stack) -> None:
    """Its run is interrupted and can be resumed; it is up again by itself; both have the book of a run without it."""
    stack.write("quantflow.toml", NIGHTLY)
    stack.compose("--profile", "serve", "up", "--detach", "--wait", "--no-build", "scheduler")
    (first,) = wait_for(lambda: events(stack, "running"), 150)
    time.sleep(6)
    stack.kill("scheduler")
    back = stack.healthy("scheduler")
    finished = wait_for(lambda: events(stack, "complete"), 240)[0]
    stack.compose("--profile", "serve", "stop", "scheduler")
    print(f"scheduler: killed in {first}, healthy {back:.0f} s later, then {finished} completed")
    code, said = stack.run("resume", first)
    assert code == 0, said
    code, said = stack.run("meta", "--meta-profile", "nightly", "--runner", "local", "--force", "--run-id", "by-hand")
    assert code == 0, said
    book = stack.read("runs/by-hand/weights.csv")
    assert stack.read(f"runs/{first}/weights.csv") == stack.read(f"runs/{finished}/weights.csv") == book


def rows(stack: Stack) -> str:
    count = "select (select count(*) from flow_run), (select count(*) from task_run), (select count(*) from log)"
    psql = ("psql", "--username=prefect", "--dbname=prefect", "--no-align", "--tuples-only", "--command", count)
    return stack.compose("exec", "--no-TTY", "postgres", *psql).decode().strip()


def test_the_database_is_dumped_and_restored(stack: Stack) -> None:
    """The documented commands bring Prefect's history back into a new database, and the server works on it."""
    stack.compose("stop", "prefect-server")
    before, dump = rows(stack), stack.compose("exec", "--no-TTY", "postgres", *DUMP)
    stack.compose("rm", "--stop", "--force", "postgres")
    docker("volume", "rm", f"{stack.name}_postgres")
    stack.compose("up", "--detach", "--wait", "--no-build", "postgres")
    stack.compose("exec", "--no-TTY", "postgres", *RESTORE, fed=dump)
    assert rows(stack) == before
    assert not before.startswith("0|")
    print(f"dump of {len(dump)} bytes, flow runs|task runs|lines of logs {before}")
    stack.compose("up", "--detach", "--wait", "--no-build", "--scale", "ray-worker=2")
    code, said = stack.run("select", "--profile", "demo", "--run-id", "afterwards")
    assert code == 0, said
