"""Publishers and readers of a book as processes of their own; some are killed. ``python publishers.py --help``.

A publisher is forked from a process that has everything imported, so that hundreds take seconds, and two that start
together are at it together.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

from quantflow.config.load import load_profile
from quantflow.desk.publish import mark_stale, publish
from quantflow.runs.book import FILES, broken, current, place_of, stale
from quantflow.runs.create import create_run
from quantflow.runs.header import RunOptions
from quantflow.runs.kinds import open_run
from recorded import Name, written

FIRST = date(2000, 1, 3)
PROFILE = "demo"


def ready(home: Path, number: int) -> str:
    """Make a complete run of the session *number* days after the first; return its id."""
    day = FIRST + timedelta(days=number)
    record = create_run(
        load_profile(PROFILE, workspace=home), home, day, f"run-{number:05d}", options=RunOptions(by_hand=True)
    )
    written(record, {"KO": Name([59.0, 60.0]), "PEP": Name([180.0, 181.0])}, {"KO": 0.25, "PEP": 0.5})
    for file in ("weights.csv", "report.html", "brief.txt"):
        record.write_file(file, f"{record.id}\n" * 200)
    return record.id


def forked(work: Callable[[], object]) -> int:
    """Do *work* in a child process; return its id."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException as error:  # noqa: BLE001  # a child must never return into its parent's test
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        os._exit(1)
    os._exit(0)


def code_of(child: int) -> int:
    """Wait for a child; return its exit code, negative for the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def publisher(home: Path, run_id: str) -> Callable[[], object]:
    """Return what publishes a run."""
    return lambda: publish(open_run(home, run_id))


def killed_at(number: int, work: Callable[[], object]) -> Callable[[], object]:
    """Return *work* that is killed before its file operation *number* in the folder of the books."""
    left = number

    def count(event: str, arguments: Sequence[object]) -> None:
        nonlocal left
        if any("/current/" in str(argument) for argument in arguments) and event in OPERATIONS:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def planted() -> None:
        sys.addaudithook(count)
        work()

    return planted


OPERATIONS = ("open", "os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.utime", "shutil.rmtree")


def wrong(home: Path, allowed: Sequence[str], *, leftovers: bool = False) -> list[str]:
    """Return what is wrong with the book: not one of the runs *allowed*, not whole, called stale, leftovers."""
    book = current(home, PROFILE)
    found = [] if book and book.run_id in allowed else [f"the book is {book and book.run_id}, not of {allowed}"]
    found += [each.problem for each in broken(home)]
    if (text := stale(home, PROFILE)) is not None:
        found.append(f"it is called stale: {text}")
    folders = list((home / "current" / ".books" / PROFILE).iterdir())
    if leftovers:
        live = place_of(home, PROFILE).resolve()
        others = [p.name for p in folders if p.resolve() != live and not (p / ".replaced").exists()]
        found += [f"left over: {name}" for name in others]
        found += [f"left over: {path.name}" for path in (home / "current").iterdir() if path.name.startswith(".tmp")]
        found += ["STALE is left over"] * (home / "current" / f"{PROFILE}.STALE").exists()
    return found


def races(home: Path, count: int) -> list[str]:
    """Let four publishers of two sessions start together, *count* times; return all that went wrong."""
    found: list[str] = []
    for number in range(count):
        older, newer = ready(home, 2 * number), ready(home, 2 * number + 1)
        at = time.monotonic() + 0.005

        def together(run_id: str, at: float = at) -> Callable[[], object]:
            def work() -> None:
                time.sleep(max(0.0, at - time.monotonic()))
                publisher(home, run_id)()

            return work

        children = [forked(together(run_id)) for run_id in (newer, older, newer, older)]
        codes = [code_of(child) for child in children]
        found += [f"race {number}: a publisher ended with {code}" for code in codes if code]
        found += [f"race {number}: {each}" for each in wrong(home, [newer])]
    return found


def kills(home: Path, count: int, seed: int) -> list[str]:
    """Kill *count* publishers at random moments, each followed by a sound one; return all that went wrong.

    A publisher takes some milliseconds, more on a busy machine: the moment is drawn from a span that shrinks with each
    publisher that ended before its kill, and grows with each that did not.
    """
    dice, found, hits, span = random.Random(seed), list[str](), 0, 0.02
    ready(home, 0)
    code_of(forked(publisher(home, "run-00000")))
    for number in range(1, 20 * count):
        before, run_id = f"run-{number - 1:05d}", ready(home, number)
        child = forked(publisher(home, run_id))
        time.sleep(dice.uniform(0.0, span))
        os.kill(child, signal.SIGKILL)
        hit = code_of(child) == -signal.SIGKILL
        span *= 1.2 if hit else 0.8
        hits += hit
        found += [f"kill {number}: {each}" for each in wrong(home, [before, run_id])]
        found += _repaired(home, run_id, f"kill {number}")
        if hits == count:
            return found
    return [*found, f"only {hits} kills hit a publisher"]


def steps(home: Path) -> list[str]:
    """Kill a publisher at each of its file operations; return all that went wrong.

    The book before is called stale each time, so that removing that mark is among the operations.
    """
    found: list[str] = []
    ready(home, 0)
    code_of(forked(publisher(home, "run-00000")))
    for number in range(1000):
        before, failed, run_id = (f"run-{n:05d}" for n in (3 * number, 3 * number + 2, 3 * number + 3))
        ready(home, 3 * number + 2)
        ready(home, 3 * number + 3)
        mark_stale(open_run(home, failed), ["it failed: no"])
        code = code_of(forked(killed_at(number, publisher(home, run_id))))
        book = current(home, PROFILE)
        if stale(home, PROFILE) is None and book and book.run_id == before:
            found.append(f"operation {number}: the mark is gone before the book")
        found += [f"operation {number}: {e}" for e in wrong(home, [before, run_id]) if "called stale" not in e]
        found += _repaired(home, run_id, f"operation {number}")
        if code == 0:
            sys.stderr.write(f"{number} operations\n")
            return found if number > 20 else [*found, f"only {number} operations were seen"]
    return [*found, "a publisher never ends"]


def _repaired(home: Path, run_id: str, where: str) -> list[str]:
    """Publish soundly; return what is wrong then."""
    code = code_of(forked(publisher(home, run_id)))
    failed = [f"{where}: the next publisher ended with {code}"] if code else []
    return failed + [f"{where}, then published: {each}" for each in wrong(home, [run_id], leftovers=True)]


def read(home: Path) -> dict[str, int]:
    """Read the book a thousand times a second until ``stop`` is there; return how often, and what was wrong."""
    seen = {"reads": 0, "missing": 0, "mixed": 0}
    place = place_of(home, PROFILE)
    while not (home / "stop").exists():
        if place.is_symlink():
            seen["reads"] += 1
            try:
                folder = place.parent / place.readlink()
                whole = {name: (folder / name).read_text() for name in FILES}
                run_id = json.loads(whole["book.json"])["run_id"]
                seen["mixed"] += any(whole[name] != f"{run_id}\n" * 200 for name in FILES if name != "book.json")
                for name in FILES:
                    (place / name).read_bytes()
            except (OSError, ValueError) as error:
                sys.stderr.write(f"reader: {error}\n")
                seen["missing"] += 1
        time.sleep(0.001)
    return seen


def main() -> None:
    """Do one of these in a workspace; print what came of it as JSON."""
    what, home, number = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    found = {
        "races": lambda: races(home, number),
        "kills": lambda: kills(home, number, seed=number),
        "steps": lambda: steps(home),
        "read": lambda: read(home),
    }[what]()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
