"""How long ``pip install`` takes where the wheels are cached, and what it weighs; with ``uv``, which has to be here."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from timing import row, run

ROUNDS = 2
HERE = Path(__file__).parents[1]
UV = (sys.executable, "-m", "uv")


def main() -> None:
    """Print the rows."""
    found = [installed(number) for number in range(-1, ROUNDS)][1:]  # the first fills the cache
    seconds, packages, size, ray = (statistics.median(each) for each in zip(*found, strict=True))
    print(f"| installing quantflow, {packages:.0f} packages, wheels cached | {seconds:.0f} s | | | | |", flush=True)
    row("what that weighs / the same without Ray", size, size - ray, unit="MB")


def installed(number: int) -> tuple[float, int, float, float]:
    """Install into a new environment; return seconds, how many packages, and the megabytes of all and of Ray."""
    with tempfile.TemporaryDirectory() as folder:
        run((*UV, "venv", "--quiet", "--python", sys.executable, folder), HERE)
        program = ("--python", f"{folder}/bin/python")
        begin = time.perf_counter()
        run((*UV, "pip", "install", "--quiet", *program, "."), HERE)
        seconds = time.perf_counter() - begin
        packages = len(json.loads(run((*UV, "pip", "list", "--format", "json", *program), HERE)))
        return seconds, packages, megabytes(Path(folder)), sum(map(megabytes, Path(folder).rglob("site-packages/ray")))


def megabytes(folder: Path) -> float:
    """Return what the files below a folder weigh."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6


if __name__ == "__main__":
    main()
