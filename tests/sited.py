"""A workspace with one of everything that the page shows, made without Prefect; and what it wrote, read back."""

from __future__ import annotations

import json
import os
import re
import shutil
from datetime import date
from pathlib import Path
from typing import Any

from processes import TWO_SLEEVES
from quantflow.data.position import Line
from quantflow.data.sealed import sealed, unsealed
from quantflow.data.track import text_of
from quantflow.runs.record import StageRecord
from quantflow.runs.run import Run
from ran import executed, ran, ran_meta
from recorded import Name, created, recorded
from swept import done, sweep

HOSTILE = "</script><img src=x onerror=alert(1)>'\"&=1+1"
"""A text that is markup, a quote and a formula."""
TRACK = [
    Line("2022-12-22", 0.01, 0.011, 0.001, 1.0, 0.005, "first"),
    Line("2022-12-23", -0.02, -0.02, 0.0, 0.0, -0.01, "first"),
    Line("2022-12-27", 0.004, 0.004, 0.0, 0.0, 0.002, "first"),
]
PROMISED = {"mean": 0.0005, "deviation": 0.01}


def everything(home: Path) -> dict[str, str]:
    """Make the runs, and a book with a track; return their ids by what they are."""
    (home / "quantflow.toml").write_text(TWO_SLEEVES)
    first = ran(home, as_of=date(2022, 12, 27))
    made = {"first": first, "second": ran(home), "other": ran(home, "policy.top_n=3"), "meta": ran_meta(home, "two")}
    swept = sweep(home)
    for trial in swept.trials:
        done(swept, trial)
    ids = {name: run.id for name, run in made.items()}
    ids |= {"sweep": executed(swept).id, "hostile": hostile(home).id, "damaged": damaged(home).id}
    book(home, "demo", first)
    return ids | {"failed": failed(home).id, "unreadable": unreadable(home)}


def failed(home: Path, message: str = HOSTILE) -> Run:
    """Make a run whose first stage failed."""
    run = created(home, "failed")
    error: Any = {"type": "DataError", "message": message, "hint": "Fix it.", "exit_code": 21}
    run.write_stage(StageRecord("ingestion", "failed", seconds=0.5, error=error))
    return run.again()


def hostile(home: Path) -> Run:
    """Make a run of a hostile profile that holds a hostile name."""
    run = recorded(home, {HOSTILE: Name([1.0, 2.0])}, {HOSTILE: 0.5})
    change_header(run, profile=HOSTILE)
    return run.again()


def damaged(home: Path) -> Run:
    """Make a run one of whose artifacts has other bytes than were written."""
    run = recorded(home, {"KO": Name([59.0, 60.0])}, {"KO": 0.123456})
    Path(run.store.path(run.outputs["weights"])).write_bytes(b"no parquet")
    return run


def unreadable(home: Path) -> str:
    """Make a run whose header is torn."""
    (home / "runs" / "unreadable").mkdir(parents=True)
    (home / "runs" / "unreadable" / "run.json").write_text('{"run_id": ')
    return "unreadable"


def book(home: Path, profile: str, run: Run) -> None:
    """Publish a book of a run, with a track of three sessions."""
    place = home / "current" / profile
    place.mkdir(parents=True)
    facts = {"run_id": run.id, "as_of": run.as_of.isoformat(), "weights": run.weights, "decided": "2022-12-27"}
    (place / "book.json").write_text(json.dumps({**facts, "next": "2022-12-30", "promised": PROMISED}))
    (place / "track.csv").write_text(text_of(TRACK))
    for name in ("weights.csv", "report.html", "brief.txt"):
        (place / name).write_text("")


def change_header(run: Run, **changes: Any) -> None:
    """Change what a run's header says."""
    path = run.folder / "run.json"
    path.write_text(json.dumps(sealed({**unsealed(json.loads(path.read_bytes())), **changes})))


def copies(home: Path, run: Run, count: int) -> None:
    """Copy a run's folder under other names, as runs that were created after it."""
    for number in range(count):
        name = f"copy-{number:04d}"
        shutil.copytree(run.folder, home / "runs" / name, copy_function=os.link)
        path = home / "runs" / name / "run.json"
        header = {**unsealed(json.loads(path.read_bytes())), "run_id": name, "sequence": 1000 + number}
        path.unlink()
        path.write_text(json.dumps(sealed(header)))


def handed_over(folder: Path, name: str) -> Any:
    """Return what a data file of the page hands over, as the page reads it."""
    text = (folder / "data" / f"{name}.js").read_text(encoding="ascii")
    found = re.fullmatch(r"quantflow\.data\((\".*\"), '(.*)'\);\n", text)
    assert found, text[:200]
    assert json.loads(found[1]) == name
    return json.loads(re.sub(r"\\(.)", r"\1", found[2]))
