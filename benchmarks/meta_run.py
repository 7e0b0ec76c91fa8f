"""A meta run of N sleeves on a local Ray and in processes, against Ray alone with the same stages: time, and memory.

``python benchmarks/meta_run.py [SLEEVES]`` (8) compares, with an API server that is up already, and with ``--cold``
before the number without; ``--scale 16 256`` prints quantflow's wall time per sleeve at the two numbers, on the local
Ray, and the CPU time of its API server. Each sleeve has a start of history of its own: none shares a result.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from datetime import date
from pathlib import Path

import psutil
from timing import Command, quantflow, row, run

from quantflow.data.calendars import sessions

ROUNDS = 3
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


RAY = quantflow("meta", "-m", "many", "--no-progress")
PROCESSES = (*RAY, "--set", "execution.runner=local")
ALONE = (sys.executable, "alone.py")


@dataclass(frozen=True)
class Measured:
    """What a command took.

    Attributes:
        seconds: Wall time.
        memory: The largest sum of the resident memory of its processes, bytes.
        server: CPU time of the API server that it started, seconds; 0 if it started none.
    """

    seconds: float
    memory: float
    server: float


def main() -> None:
    """Print the rows."""
    if sys.argv[1:2] == ["--scale"]:
        few, many = (int(text) for text in sys.argv[2:4])
        (at_few,), (at_many,) = (measured(sleeves, 1, [RAY]) for sleeves in (few, many))
        costs = at_many.seconds / many, at_few.seconds / few
        row(f"meta, seconds per sleeve at {many} sleeves / at {few}", *costs, 1.0)
        row(f"CPU time of the API server per sleeve at {many} / 0.08 s", at_many.server / many, 0.08, 1.0)
        return
    cold = sys.argv[1:2] == ["--cold"]
    sleeves = int(sys.argv[-1]) if len(sys.argv) > 1 + cold else 8
    alone = (*ALONE, str(sleeves))
    ray, processes, floor = measured(sleeves, ROUNDS, [RAY, PROCESSES, alone], warm=not cold)
    server = "started by the run" if cold else "up"
    row(f"meta, {sleeves} sleeves, local Ray, API server {server} / Ray alone", ray.seconds, floor.seconds, 1.1)
    row("memory of all its processes / Ray alone", ray.memory / 2**20, floor.memory / 2**20, 1.3, "MiB")
    row(f"meta, {sleeves} sleeves, processes, API server {server} / Ray alone", processes.seconds, floor.seconds, 0.8)
    row("memory of all its processes / Ray alone", processes.memory / 2**20, floor.memory / 2**20, 1.3, "MiB")


def measured(sleeves: int, rounds: int, commands: Sequence[Command], *, warm: bool = False) -> list[Measured]:
    """Return the medians of each command."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "alone.py").write_text(SCRIPT)
        if warm:
            run(quantflow("server", "start"), home)
        found: list[list[Measured]] = [[] for _ in commands]
        for number in range(-1 if rounds > 1 else 0, rounds):  # the first makes the database and fills the file cache
            for each, (done, command) in enumerate(zip(found, commands, strict=True)):
                settings(home, sleeves, len(commands) * (number + 1) + each)
                done.append(watched(command, home))
        if warm:
            run(quantflow("server", "stop"), home)
    return [median(done[1:] or done) for done in found]


def median(found: Sequence[Measured]) -> Measured:
    """Return the median of each figure."""
    return Measured(*map(statistics.median, zip(*map(astuple, found), strict=True)))


def settings(home: Path, sleeves: int, number: int) -> None:
    """Write profiles whose results no other round has made."""
    starts = sessions("XNYS", date(2013, 1, 2), date(2022, 12, 28))[number * sleeves :]  # other days share a history
    profiles = "".join(PROFILE.format(n=n, start=starts[n]) for n in range(sleeves))
    listed = ", ".join(f'{{ profile = "s{n}" }}' for n in range(sleeves))
    (home / "quantflow.toml").write_text(f'{profiles}[meta.many]\nsleeves = [{listed}]\nallocation.method = "hrp"\n')


def watched(command: Command, home: Path) -> Measured:
    """Run a command, and look at its processes meanwhile."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak, server, over = [0.0], [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.25):
            memory, seconds = looked_at(process.pid)
            peak[0], server[0] = max(peak[0], memory), max(server[0], seconds)

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, stderr = process.communicate()
    over.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(stderr)
    return Measured(time.perf_counter() - begin, peak[0], server[0])


def looked_at(pid: int) -> tuple[float, float]:
    """Return the resident bytes of a process and all below it, and the CPU seconds of the API server among them."""
    memory = seconds = 0.0
    with suppress(psutil.NoSuchProcess):
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                memory += process.memory_info().rss
                if "quantflow.server.process" in process.cmdline():
                    used = process.cpu_times()
                    seconds = used.user + used.system
    return memory, seconds


if __name__ == "__main__":
    main()
