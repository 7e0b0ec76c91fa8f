"""Other engines beside quantflow: the six selection stages by each, and a resume after a failure in the fifth.

``python benchmarks/peers.py FOLDER``: FOLDER keeps an environment per engine, made when it is not there (with ``uv``,
which has to be in this one). How each engine is set up is in ``engines/`` and in README.md.

Every side has a folder of its own and runs the same functions on the same histories, each round on one of its own, so
nothing comes from a cache. A failed run is made once and put back before each resume. In the end the artifacts of all
sides are compared.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path

from engines.sides import PACKAGES, Side, of_prefect, others, own
from timing import Command, kept_server, medians, quantflow, run

HERE = Path(__file__).parent
ENGINES = HERE / "engines"
ROUNDS = 5
NUMERICS = ("numpy", "pandas", "pyarrow", "scipy", "scikit-learn", "numba", "skfolio")
"""What has to be the same on all sides, for the same work."""
QUIET = {
    "DO_NOT_TRACK": "1",
    "KEDRO_DISABLE_TELEMETRY": "1",
    "HAMILTON_TELEMETRY_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "USERNAME": "bench",
    "PYTHONPATH": str(ENGINES),
    "PYTHONDONTWRITEBYTECODE": "",
}
"""For all sides: no telemetry; a slow machine is no failure; Metaflow wants a user; imports are compiled once."""


def main() -> None:
    """Print the table."""
    os.environ.pop("PREFECT_API_URL", None)
    os.environ.update(QUIET)
    folder = Path(sys.argv[1]).resolve()
    missing = {name: reason for name in PACKAGES if (reason := make_environment(folder, name))}
    with (
        tempfile.TemporaryDirectory() as temporary,
        servers(Path(temporary)) as (kept, prefect),
        ThreadPoolExecutor(2) as both_cores,
    ):
        home = Path(temporary)
        found = [side for side in others(folder, home) if side.engine not in missing]
        sides = [*own(kept), *of_prefect(home, prefect), *found]
        list(both_cores.map(lambda side: prepare(side, home), sides))
        whole = medians({side.name: whole_run(side, home) for side in sides}, home, ROUNDS)
        list(both_cores.map(lambda side: last_history(side, home), sides))
        resumed = {side.name: resume_seconds(side, home) for side in sides if side.resume}
        compare(home, sides)
    table(sides, whole, resumed, versions_in(folder, PACKAGES.keys() - missing.keys()))
    for name, reason in missing.items():
        print(f"| {name} | | not measured: {reason} | | | | |")


def make_environment(folder: Path, name: str) -> str:
    """Make or refresh the environment of an engine; return why it cannot be, or nothing.

    quantflow and the engine are resolved together, the numeric packages as they are here.
    """
    uv = (sys.executable, "-m", "uv")
    if not (folder / name).is_dir():
        run((*uv, "venv", "--quiet", "--python", sys.executable, str(folder / name)), HERE)
    same = folder / "numerics.txt"
    same.write_text("".join(f"{package}=={version(package)}\n" for package in NUMERICS))
    into = ("--python", str(folder / name / "bin" / "python"), "--constraint", str(same))
    fresh = ("--upgrade", "--reinstall-package", "quantflow")
    done = subprocess.run(
        (*uv, "pip", "install", "--quiet", *into, *fresh, str(HERE.parent), *PACKAGES[name]),
        env={**os.environ, "UV_COMPILE_BYTECODE": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    return " ".join(done.stderr.split())[:300] if done.returncode else ""


@contextmanager
def servers(home: Path) -> Iterator[tuple[dict[str, str], str]]:
    """Keep quantflow's API server and one of Prefect's own, with its defaults, until the end.

    Yields the variables by which the former is used, and the latter's address.
    """
    place = home / "kept"
    place.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = (sys.executable, "-m", "prefect", "server", "start", "--no-ui", "--port", str(port))
    env = {**os.environ, "PREFECT_HOME": str(home / "prefect_home")}
    server = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        run(quantflow("server", "start"), place)
        wait_for(f"http://127.0.0.1:{port}/api/health", server)
        yield kept_server(place), f"http://127.0.0.1:{port}/api"
    finally:
        run(quantflow("server", "stop"), place)
        server.terminate()
        server.wait()


def wait_for(url: str, server: subprocess.Popen[bytes], patience: float = 180) -> None:
    """Return when *url* answers; fail when its server ends, or after *patience* seconds."""
    until = time.monotonic() + patience
    while time.monotonic() < until and server.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url):
            return
        time.sleep(0.2)
    raise SystemExit(f"{url} does not answer.")


def prepare(side: Side, home: Path) -> None:
    """Make a side's folder and run it once: databases are made, imports and kernels compiled.

    The Kedro project and Dagster's settings lie where their engines look for them.
    """
    place = home / side.name
    if side.engine == "kedro":
        shutil.copytree(ENGINES / "kedro_project", place)
    (place / "dagster").mkdir(parents=True)
    (place / "dagster" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    run(side.at(home, side.command, start(0)), home)


def start(number: int) -> str:
    """Return the first day of a round's history: a week apart, so that each has a first session of its own."""
    return str(date(2010, 1, 6) + timedelta(weeks=number))


def whole_run(side: Side, home: Path) -> Callable[[int], Command]:
    """Return what gives the command of a round; round 0 has been the warm-up."""
    return lambda number: side.at(home, side.command, start(number + 1))


def last_history(side: Side, home: Path) -> None:
    """Run a side on the history after the rounds' ones: to a failure, which is kept, if it can resume."""
    begin = start(ROUNDS + 1)
    if not side.resume:
        run(side.at(home, side.command, begin), home)
        return
    command = side.at(home, side.failing or side.command, begin, PLANTED=side.planted)
    if not subprocess.run(command, cwd=home, capture_output=True, check=False).returncode:
        raise SystemExit(f"{side.label} did not fail.")
    while side.engine == "quantflow" and serves(home / side.name):  # the dead run's server ends itself
        time.sleep(0.2)
    shutil.copytree(home / side.name, failed(side, home), symlinks=True)


def serves(place: Path) -> bool:
    """Say whether an API server of the workspace *place* answers."""
    return not subprocess.run(quantflow("server", "show"), cwd=place, capture_output=True, check=False).returncode


def failed(side: Side, home: Path) -> Path:
    """Return where a side's folder is kept as it was after the failure."""
    return home / f"{side.name}-failed"


def resume_seconds(side: Side, home: Path) -> float:
    """Return the median seconds of resuming the failed run, put back as it was each time.

    A side that does one of the first four stages again fails.
    """
    found = []
    for _ in range(ROUNDS):
        shutil.rmtree(home / side.name)
        shutil.copytree(failed(side, home), home / side.name, symlinks=True)
        since = time.perf_counter()
        run(side.at(home, side.resume, start(ROUNDS + 1), PLANTED="resumed"), home)
        found.append(time.perf_counter() - since)
    return statistics.median(found)


def compare(home: Path, sides: list[Side]) -> None:
    """Fail unless every side has made what the plain script has; the store's files are named by their content."""
    expected = artifacts(home / sides[0].name)
    for side in sides:
        if lacks := expected - artifacts(home / side.name):
            raise SystemExit(f"{side.label} lacks {len(lacks)} of {len(expected)} artifacts.")


def artifacts(place: Path) -> set[str]:
    """Return the names of the artifacts that a side has made."""
    return {path.name for path in (place / ".quantflow" / "artifacts").rglob("*") if path.is_file()}


def table(
    sides: list[Side], whole: Mapping[str, float], resumed: Mapping[str, float], versions: Mapping[str, str]
) -> None:
    """Print a row per side, each against the plain script of as many stages."""
    print("| engine | version | whole run | / plain script | added | resume | / plain script |")
    print("|---|---|---|---|---|---|---|")
    for side in sides:
        plain = whole["nine" if "nine stages" in side.label else "six"]
        cells = [side.label, versions.get(side.engine, ""), *compared(whole[side.name], plain)]
        cells += [f"{whole[side.name] - plain:.2f} s", *compared(resumed.get(side.name), plain)]
        print(f"| {' | '.join(cells)} |", flush=True)


def compared(seconds: float | None, plain: float) -> tuple[str, str]:
    """Return seconds and their ratio to the plain script's, as the table has them."""
    return (f"{seconds:.3g} s", f"{seconds / plain:.2f}") if seconds else ("", "")


def versions_in(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the versions of the engines: those of this environment, and of *names* in their own."""
    ask = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
    found = {name: version(name) for name in ("quantflow", "prefect")}
    for name in names:
        distribution = PACKAGES[name][0]
        found[name] = run((str(folder / name / "bin/python"), "-c", ask, distribution), folder).strip()
    return found


if __name__ == "__main__":
    main()
