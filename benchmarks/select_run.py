"""A whole run of the demo's six selection stages and all nine, against a plain script of the same functions.

Each round has a start of history of its own, so nothing comes from the cache; both sides do the same work. A resume
right after a kill finds the killed run's API server, a later one starts its own.
"""

from __future__ import annotations

import secrets
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

from timing import Command, kept_server, medians, quantflow, row, run

PLANTED = Path(__file__).parents[1] / "tests" / "planted.py"

SIX = ("ingestion", "features", "inference", "clustering", "policy", "synthesis")
SCRIPT = """
import sys
from quantflow import QuantSDK
context = QuantSDK.context("demo", overrides=[sys.argv[1]])
QuantSDK.run_pipeline(context, sys.argv[2].split(",")) if len(sys.argv) > 2 else QuantSDK.run_pipeline(context)
"""
PREFECT = """
import sys
from prefect import flow, task
from quantflow import QuantSDK
@flow
def by_the_book():
    context = QuantSDK.context("demo", overrides=[sys.argv[1]])
    for name in sys.argv[2].split(","):
        context = task(name=name)(QuantSDK.run_stage)(name, context)
by_the_book()
"""


def start(side: int, number: int) -> str:
    """Return a setting that no other round and no other side has; those of a round differ by weeks at most.

    A week apart: the days of a weekend begin one and the same history.
    """
    return f"data.start={date(2010, 1, 6) + timedelta(weeks=14 * number + side)}"


def main() -> None:
    """Print the rows."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "plain.py").write_text(SCRIPT)
        (home / "book.py").write_text(PREFECT)
        run(select("data.start=2010-01-04"), home)  # the first of this user: compiles, and makes an API database
        run(plain("data.start=2010-01-05"), home)
        first = medians(
            {"first": lambda n: select(start(7, n), home / f"new-{n}"), "later": lambda n: select(start(8, n))}, home
        )
        cold = medians(
            {
                "plain": lambda n: plain(start(0, n)),
                "cold": lambda n: select(start(1, n)),
                "cold again": lambda n: again(start(1, n)),
            },
            home,
        )
        compiled = medians(
            {
                "first": lambda n: without_kernels(select(start(10, n)), home / f"kernels-{n}"),
                "later": lambda n: select(start(11, n)),
            },
            home,
        )
        fail = medians(
            {
                "fail": lambda n: failing(n, "at-once"),
                "at once": lambda n: quantflow("resume", f"at-once-{n}"),
                "fail again": lambda n: failing(n, "later"),
                "wait": lambda _: ("sleep", "5"),  # the killed run's server ends itself
                "later": lambda n: quantflow("resume", f"later-{n}"),
            },
            home,
        )
        run(quantflow("server", "start"), home)
        warm = medians(
            {
                "plain": lambda n: plain(start(3, n)),
                "warm": lambda n: select(start(4, n)),
                "again": lambda n: again(start(4, n)),
                "six": lambda n: plain(start(5, n), SIX),
                "book": lambda n: book(start(6, n), SIX),
            },
            home,
            env=kept_server(home),
        )
        run(select(start(9, 0)), home)
        done = medians({"done": lambda _: select(start(9, 0))}, home)
        run(quantflow("server", "stop"), home)
    row("select, nine stages, nothing cached, API server up / plain script", warm["warm"], warm["plain"], 3.0)
    row("the same, all cached", warm["again"], warm["plain"], 3.0)
    row("six stages as a plain Prefect flow, API server up / plain script", warm["book"], warm["six"])
    row("select, nothing cached, server started by the run / plain script", cold["cold"], cold["plain"], 7.0)
    row("the same, all cached", cold["cold again"], cold["plain"], 7.0)
    row("first run in a new folder / a later one, each with its own server", first["first"], first["later"], 1.25)
    row("the same settings, session and data again: already done / plain script", done["done"], warm["plain"])
    row("resume after a kill in stage 5, server started by it / plain script", fail["later"], cold["plain"], 1.5)
    row("the same right after the kill", fail["at once"], cold["plain"], 1.5)
    added = max(compiled["first"] - compiled["later"], 0.0)
    row("what the first run of a machine adds, which compiles kernels / 2 s", added, 2.0, 1.0)


def plain(setting: str, stages: tuple[str, ...] = ()) -> Command:
    """Return the plain script's command."""
    return (sys.executable, "plain.py", setting, *([",".join(stages)] if stages else []))


def book(setting: str, stages: tuple[str, ...]) -> Command:
    """Return the command of the plain Prefect flow."""
    return (sys.executable, "book.py", setting, ",".join(stages))


def select(setting: str, folder: Path | None = None) -> Command:
    """Return quantflow's command, in a *folder* of its own if one is given."""
    if folder is not None:
        folder.mkdir()
    where = ("--workspace", str(folder)) if folder else ()
    return quantflow("select", "-p", "demo", "--no-progress", "--set", setting, *where)


def again(setting: str) -> Command:
    """Return quantflow's command for a run whose results are all in the cache, which it would name and leave alone."""
    return (*select(setting), "--run-id", f"again-{secrets.token_hex(4)}")


def without_kernels(command: Command, folder: Path) -> Command:
    """Return the command as on a machine where no kernel has been compiled."""
    return ("env", f"NUMBA_CACHE_DIR={folder}", *command)


def failing(number: int, name: str) -> Command:
    """Return a command that makes a run and kills it in its fifth stage."""
    kill = f"{PLANTED} record:policy:running after kill --"
    side = {"at-once": 2, "later": 12}[name]
    run_it = f"select -p demo --no-progress --run-id {name}-{number} --set {start(side, number)}"
    return ("bash", "-c", f"{sys.executable} {kill} {run_it}; test $? = 137")


if __name__ == "__main__":
    main()
