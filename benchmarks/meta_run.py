"""A meta run of N sleeves on a local Ray, against Ray alone with the same stages: time, and memory.

``python benchmarks/meta_run.py [SLEEVES]`` (8) compares, with an API server that is up already, and with ``--cold``
before the number without; ``--scale 16 256`` prints quantflow's wall time per sleeve at the two numbers.
Each sleeve has a start of history of its own: none shares a result.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date, timedelta
from pathlib import Path

import psutil
from timing import Command, quantflow, row, run

ROUNDS = 5
PROFILE = """
[profiles.s{n}]
extends = "demo"
[profiles.s{n}.data]
start = {start}
[profiles.s{n}.validation]
min_history = 504
[profiles.s{n}.rebalance]
every = "quarterly"
"""
SCRIPT = """
import sys, ray
@ray.remote
def sleeve(name):
    from quantflow import QuantSDK
    context = QuantSDK.run_pipeline(QuantSDK.context(name))
    made = {name: ref.json() for name, ref in context.artifacts.items()}
    about = {"id": name, "sleeve": name, "run_id": context.run_id, "profile": name, "kind": "profile"}
    settings = {"config_hash": "", "made_under": "", "as_of": context.as_of.isoformat()}
    return {**about, **settings, "pinned": False, "degraded": False, "data": context.settings["data"], "outputs": made}
ray.init(address="local", include_dashboard=False, log_to_driver=False)
found = ray.get([sleeve.remote(f"s{n}") for n in range(int(sys.argv[1]))])
from datetime import date
from pathlib import Path
from quantflow import QuantSDK
from quantflow.config.load import load_meta
from quantflow.runs.layout import Layout
from quantflow.pipeline.stage import SelectionContext
from quantflow.pipeline.registry import META
settings = {**load_meta("many", workspace=Path.cwd()).settings(), "as_of": found[0]["as_of"]}
facts = {"sleeves": found, "failed": []}
place = Layout.of(Path.cwd(), None).store
context = SelectionContext("alone", "many", date.fromisoformat(found[0]["as_of"]), settings, place, facts=facts)
print(QuantSDK.run_pipeline(context, META).load("weights")["weight"].sum())
"""


def main() -> None:
    """Print the rows."""
    if sys.argv[1:2] == ["--scale"]:
        few, many = (int(text) for text in sys.argv[2:4])
        costs = {sleeves: measured(sleeves, 1)[0][0] / sleeves for sleeves in (few, many)}
        row(f"meta, seconds per sleeve at {many} sleeves / at {few}", costs[many], costs[few], 1.2)
        return
    cold = sys.argv[1:2] == ["--cold"]
    sleeves = int(sys.argv[-1]) if len(sys.argv) > 1 + cold else 8
    (seconds, memory), (floor_seconds, floor_memory) = measured(sleeves, ROUNDS, alone=True, warm=not cold)
    server = "started by the run" if cold else "up"
    row(f"meta, {sleeves} sleeves, local Ray, API server {server} / Ray alone", seconds, floor_seconds, 1.3)
    row("memory of all its processes / Ray alone", memory / 2**20, floor_memory / 2**20, 1.3, "MiB")


def measured(sleeves: int, rounds: int, *, alone: bool = False, warm: bool = False) -> list[tuple[float, float]]:
    """Return median seconds and peak memory (bytes) of quantflow, and of Ray alone if asked for."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        commands: list[Command] = [quantflow("meta", "-m", "many", "--no-progress")]
        if alone:
            (home / "alone.py").write_text(SCRIPT)
            commands.append((sys.executable, "alone.py", str(sleeves)))
        if warm:
            run(quantflow("server", "start"), home)
        found: list[list[tuple[float, float]]] = [[] for _ in commands]
        for number in range(-1, rounds):  # the first round makes the database and fills the file cache
            for times, command in zip(found, commands, strict=True):
                settings(home, sleeves, number)
                times.append(watched(command, home))
        if warm:
            run(quantflow("server", "stop"), home)
    return [(statistics.median(t for t, _ in times[1:]), statistics.median(m for _, m in times[1:])) for times in found]


def settings(home: Path, sleeves: int, number: int) -> None:
    """Write profiles whose results no other round has made."""
    first = date(2015, 1, 1) + timedelta(days=(number + 1) * sleeves)
    profiles = "".join(PROFILE.format(n=n, start=first + timedelta(days=n)) for n in range(sleeves))
    listed = ", ".join(f'{{ profile = "s{n}" }}' for n in range(sleeves))
    (home / "quantflow.toml").write_text(f'{profiles}[meta.many]\nsleeves = [{listed}]\nallocation.method = "hrp"\n')


def watched(command: Command, home: Path) -> tuple[float, float]:
    """Run a command; return its seconds and the largest sum of the resident memory of its processes, bytes."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.25):
            peak[0] = max(peak[0], memory(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, stderr = process.communicate()
    over.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(stderr)
    return time.perf_counter() - begin, peak[0]


def memory(pid: int) -> float:
    """Return the resident memory of a process and all below it, bytes."""
    total = 0.0
    try:
        tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    for process in tree:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


if __name__ == "__main__":
    main()
