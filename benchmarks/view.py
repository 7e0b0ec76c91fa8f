"""The progress view's source at 1,000 task states: how late it is, what it costs, and whether it ends right.

A flow of 334 tasks, each Pending, Running and Completed, runs in another process at some 30 states a second; the
watcher follows it over the API. Then 100 short flows of 20 tasks: is the last picture always the final one?
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from timing import kept_server, quantflow, run

FLOW = """
import sys, time
from prefect import flow, tags, task
@task
def step(number):
    time.sleep(float(sys.argv[3]))
@flow
def steps():
    with tags(sys.argv[1]):
        for number in range(int(sys.argv[2])):
            step.with_options(name=f"s{number}")(number)
for number in range(int(sys.argv[4])):
    sys.argv[1] = sys.argv[1].partition("#")[0] + f"#{number}"
    steps()
    print(number, flush=True)
    sys.stdin.readline()
"""
TASKS, SHORT, RUNS = 334, 20, 100


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "steps.py").write_text(FLOW)
        run(quantflow("server", "start"), home)
        import prefect.events.clients  # noqa: F401  # the flow of a command has imported all this before it is watched

        from quantflow.execution.garbage import relax_gc
        from quantflow.flows.launch import client_settings
        from quantflow.server.server import api_server

        relax_gc()
        with api_server(home) as server, client_settings(server):
            lags, share = follow_long(home)
            right = sum(follow_short(home))
        run(quantflow("server", "stop"), home)
    print(f"| median lag of {len(lags)} states | {statistics.median(lags):.2f} s | target 1 s |")
    print(f"| largest lag | {max(lags):.2f} s | |")
    print(f"| share of a core | {100 * share:.1f} % | target 5 % |")
    print(f"| final picture right | {right} of {RUNS} | target 100 of 100 |")


def flow(home: Path, tag: str, tasks: int, seconds: float, runs: int) -> subprocess.Popen[str]:
    """Start the process with the flows; it waits for a line after each."""
    import os

    command = [sys.executable, "steps.py", tag, str(tasks), str(seconds), str(runs)]
    env = {**os.environ, **kept_server(home), "PREFECT_LOGGING_LEVEL": "ERROR"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=home, env=env, **pipes)  # type: ignore[call-overload,no-any-return]


def follow_long(home: Path) -> tuple[list[float], float]:
    """Return how late each state was seen, seconds, and the share of a core that following took."""
    from quantflow.flows.watch import Snapshot, Watcher

    seen: dict[tuple[str, str], float] = {}

    def listen(tasks: Snapshot) -> None:
        now = datetime.now(UTC)
        for task in tasks.values():
            if (task.id, task.state) not in seen:  # what this costs is counted as the view's
                seen[task.id, task.state] = (now - task.at).total_seconds()

    watcher = Watcher("long#0", listen)
    process = flow(home, "long#0", TASKS, 0.05, 1)
    watcher.start()
    begin, cpu = time.perf_counter(), time.process_time()
    assert process.stdout is not None
    process.stdout.readline()
    watcher.finish()
    share = (time.process_time() - cpu) / (time.perf_counter() - begin)
    process.communicate("\n")
    return list(seen.values()), share


def follow_short(home: Path) -> list[bool]:
    """Return for each short flow whether the last picture had all tasks completed."""
    from quantflow.flows.watch import Snapshot, Watcher

    process = flow(home, "short#0", SHORT, 0.0, RUNS)
    assert process.stdout is not None
    assert process.stdin is not None
    right = []
    for number in range(RUNS):
        last: list[Snapshot] = [{}]
        watcher = Watcher(f"short#{number}", lambda tasks, last=last: last.__setitem__(0, tasks))
        watcher.start()
        if process.stdout.readline() != f"{number}\n":
            raise SystemExit(f"The flow of round {number} did not end.")
        settle(f"short#{number}")
        watcher.finish()
        right.append(len(last[0]) == SHORT and all(task.state == "Completed" for task in last[0].values()))
        process.stdin.write("\n")
        process.stdin.flush()
    process.communicate()
    return right


def settle(tag: str) -> None:
    """Wait, as a run does at its end, until the API has all the tasks' last states."""
    from quantflow.flows.watch import asking, fetch

    until = time.monotonic() + 10
    with asking() as client:
        while time.monotonic() < until and sum(task.final for task in fetch(tag, client)) < SHORT:
            time.sleep(0.1)


if __name__ == "__main__":
    main()
