"""A whole ``select`` of thousands of symbols × ten years, monthly: seconds and memory of its stages.

``python benchmarks/large.py [SYMBOLS ...]`` (default 2,500 and 5,000) writes one Parquet file of closes into a
temporary folder, with twenty sectors that each move together, and prints a row per number of symbols. A rebalance
compares all pairs of symbols, so that its cost grows with their square.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

from kernels import market
from timing import quantflow, run

from quantflow.data.calendars import sessions

SESSIONS = 2520
PROFILE = """
[profiles.large]
extends = "demo"
[profiles.large.data]
provider = "files"
path = "prices.parquet"
start = {start}
"""


def measured(symbols: int) -> dict[str, Any]:
    """Run it once in a folder of its own; return what ``inspect`` has of its stages, and the seconds of the command."""
    close = market(symbols, SESSIONS).round(4)
    close.index = sessions("XNYS", date(2012, 1, 3), date(2022, 12, 28))[-SESSIONS:]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        long = close.rename_axis(index="date", columns="symbol").stack().rename("close").reset_index()
        long.to_parquet(home / "prices.parquet")
        (home / "quantflow.toml").write_text(PROFILE.format(start=close.index[0].date()))
        del long
        last = f"{close.index[-1]:%Y-%m-%d}"
        command = quantflow("select", "--profile", "large", "--run-id", "large", "--as-of", last)
        began = time.perf_counter()
        run(command, home)
        took = time.perf_counter() - began
        return {**json.loads(run(quantflow("inspect", "large", "--json"), home)), "took": took}


def main() -> None:
    """Print the rows."""
    print("| symbols | whole | ingestion | validation | a rebalance | peak memory |")
    print("|---|---|---|---|---|---|")
    for symbols in map(int, sys.argv[1:] or ("2500", "5000")):
        found = measured(symbols)
        stages = {each["stage"]: each for each in found["stages"]}
        walked, note = stages["validation"]["seconds"], stages["validation"]["summary"]["note"]
        rebalances = int(note.rpartition(", ")[2].split()[0])
        print(
            f"| {symbols:,} | {found['took']:.0f} s | {stages['ingestion']['seconds']:.0f} s | {walked:.0f} s "
            f"| {walked / rebalances:.2f} s | {max(each['max_rss_mb'] for each in stages.values()):,.0f} MiB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
