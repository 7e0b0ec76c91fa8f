"""Sections on the run itself: timings and provenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from markupsafe import Markup

from quantflow.stages.report.facts import Inputs
from quantflow.stages.report.figures import DASH, count, fixed
from quantflow.stages.report.render import folded, nothing, section, table
from quantflow.types import Record

NAMES = (
    ("run_id", "Run"),
    ("parent", "Parent run"),
    ("profile", "Profile"),
    ("as_of", "As of"),
    ("created", "Created"),
    ("cpu", "CPU"),
)


def timings(inputs: Inputs) -> Markup:
    """Return how long each stage took and how it ended."""
    stages = inputs["run"].get("stages", [])
    if not stages:
        return section("timings", "Timings", nothing("No stage was timed."))
    rows = [
        [
            s.get("id", "?"),
            s.get("state", DASH),
            "yes" if s.get("cached") else "no",
            fixed(s.get("seconds"), 2),
            count(s.get("attempt")),
            s.get("note") or "",
        ]
        for s in stages
    ]
    total = fixed(sum(float(s.get("seconds") or 0.0) for s in stages), 1)
    shown = table("Timings", ["Stage", "State", "Reused", "Seconds", "Attempt", "Note"], rows, words=frozenset({1, 5}))
    return section("timings", "Timings", shown, lead=f"{total} s in the stages before this report.")


def provenance(inputs: Inputs) -> Markup:
    """Return what would be needed to make the same run again: ids, artifacts, versions, config."""
    run = inputs["run"]
    rows = [[label, run.get(key) or DASH] for key, label in NAMES]
    artifacts = [[name, sha] for stage in run.get("stages", []) for name, sha in stage.get("made", {}).items()]
    words = frozenset({1})
    return section(
        "provenance",
        "Provenance",
        table("Run", ["What", "Value"], rows, words=words),
        folded("Artifacts", table("Artifacts", ["Artifact", "sha256"], artifacts, words=words)),
        folded("Versions", table("Versions", ["Package", "Version"], flattened(run.get("versions", {})), words=words)),
        folded(
            "Configuration", table("Configuration", ["Key", "Value"], flattened(run.get("config", {})), words=words)
        ),
    )


def flattened(config: Record, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted key, value) of nested *config*, keys sorted."""
    for key in sorted(config, key=str):
        value = config[key]
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", DASH if value is None else str(value)
