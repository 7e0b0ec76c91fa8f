"""Memory of ingestion: thousands of CSV files to the ``prices`` artifact, in a process of its own.

``python benchmarks/ingest.py [--symbols 5000] [--years 10] [--fields close]`` writes the files into a temporary folder
and prints the peak resident memory, less that after the imports and a run on two files, over the bytes of the dense
float64 matrix of all fields.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

AS_OF = "2022-12-28"
FIELDS = ("open", "high", "low", "close", "volume")


def write_files(folder: Path, symbols: int, years: int, fields: tuple[str, ...]) -> None:
    """Write a CSV file per symbol: random walks on the sessions of the last *years* years."""
    import exchange_calendars
    import numpy as np
    import pyarrow as pa
    from pyarrow import csv

    start = f"{int(AS_OF[:4]) - years}{AS_OF[4:]}"
    days = exchange_calendars.get_calendar("XNYS", start=start, end=AS_OF).sessions
    dates = pa.array(days.strftime("%Y-%m-%d").tolist())
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(symbols):
        close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, len(days))))
        bars = {
            "open": close * 0.999,
            "high": close * 1.01,
            "low": close * 0.99,
            "close": close,
            "volume": rng.integers(1_000, 1_000_000, len(days)).astype(float),
        }
        table = pa.table({"date": dates, **{name: pa.array(np.round(bars[name], 4)) for name in fields}})
        csv.write_csv(table, folder / f"S{number:04d}.csv")


def measure(folder: Path, warm: Path, store: Path) -> dict[str, Any]:
    """Run ingestion on *warm*, then on *folder*; return peak memory before and after, and what the matrix has."""
    from dataclasses import replace
    from datetime import date

    from quantflow.config.profile import Profile
    from quantflow.pipeline.stage import SelectionContext
    from quantflow.runs.record import peak_rss_mb
    from quantflow.stages.ingestion import IngestionStage

    def context(path: Path) -> SelectionContext:
        profile = Profile.model_validate({"name": "bench", "data": {"provider": "files", "path": str(path)}})
        settings = {**profile.settings(), "as_of": AS_OF}
        return SelectionContext("bench", "bench", date.fromisoformat(AS_OF), settings, str(store))

    IngestionStage().execute(context(warm))
    before, clock = peak_rss_mb(), time.monotonic()
    after = IngestionStage().execute(context(folder))
    found = {"before": before, "peak": peak_rss_mb(), "seconds": time.monotonic() - clock}
    prices = replace(after).load("prices")
    matrix = sum(values.nbytes for values in prices.fields.values()) / 2**20
    return {**found, "read": peak_rss_mb(), "shape": prices.close.shape, "fields": len(prices.fields), "matrix": matrix}


def main() -> None:
    """Write the files, measure in a process of its own, print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=5000)
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument("--fields", choices=("close", "ohlcv"), default="close")
    parser.add_argument("--measure", nargs=3, type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measure(*asked.measure)))
        return
    fields = FIELDS if asked.fields == "ohlcv" else ("close",)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        write_files(home / "all", asked.symbols, asked.years, fields)
        write_files(home / "warm", 2, asked.years, fields)
        command = [sys.executable, __file__, "--measure", *(str(home / part) for part in ("all", "warm", "store"))]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    writing, reading = ((found[key] - found["before"]) / found["matrix"] for key in ("peak", "read"))
    n, t = found["shape"]
    print(
        f"{n:,} symbols x {t:,} sessions x {found['fields']} fields: matrix {found['matrix']:.0f} MiB, before "
        f"{found['before']:.0f} MiB, peak {found['peak']:.0f} MiB, {writing:.2f} x the matrix "
        f"({reading:.2f} x with the artifact read back); {found['seconds']:.0f} s"
    )


if __name__ == "__main__":
    main()
