"""Why a stage that is executed again gives another result: what its record names and has changed since."""

from __future__ import annotations

from collections.abc import Iterator

from quantflow.pipeline.code_version import NUMERIC_PACKAGES
from quantflow.pipeline.keys import Fingerprint, fingerprint
from quantflow.pipeline.stage import Kind, SelectionContext, Stage
from quantflow.review.reproduction import Row, Verdict
from quantflow.runs.record import StageRecord, cpu_kernel, versions
from quantflow.runs.run import Run


def likely_cause(run: Run, stage: Stage, context: SelectionContext, row: Row, *, refetched: bool) -> str:
    """Return why *stage* does not give what the run's record has of it, most likely, in one line.

    Args:
        run: The run.
        stage: The first stage that differs.
        context: What it was given here; it may be executed once more on that.
        row: What came of it.
        refetched: Whether data were fetched again.
    """
    found = run.stages[stage.id]
    assert found is not None  # the run is complete
    if row.verdict is Verdict.DIFFERS and row.reproduced in (row.recorded, {}):
        return "data: the stored file was damaged or changed after the run had written it"
    if refetched and stage.kind is Kind.NETWORK:
        if row.verdict is Verdict.FAILED:
            return "data: the provider does not give the data now"
        return f"data: the provider gives other data than on {run.header.created[:10]}"
    if stage.kind is Kind.CONTROL:
        return "data: a sleeve has other results than when they were gathered, or the record was changed"
    named = list(_named(run, found, fingerprint(stage, run.scope, context.settings, context.artifacts)))
    return "; ".join(named) or _unnamed(stage, context, row, found)


def _named(run: Run, found: StageRecord, want: Fingerprint) -> Iterator[str]:
    """Yield what the record names and differs here."""
    had = found.fingerprint
    if others := [name for name, sha in want.inputs.items() if had["inputs"].get(name) != sha]:
        yield f"inputs: it was made of other {', '.join(others)}"
    if had["config"] != want.config:
        yield "settings: those of the run are not those that this stage ran with"
    if read := [name for name, mark in want.reads.items() if had.get("reads", {}).get(name) != mark]:
        yield f"reads: {', '.join(read)} is not what it was"
    if had["code"] != want.code:
        old, new = run.header.versions, versions()
        packages = [f"{name} {old.get(name)} → {new[name]}" for name in NUMERIC_PACKAGES if old.get(name) != new[name]]
        yield f"packages: {', '.join(packages)}" if packages else "code: of the stage, or of what it imports"
    if run.header.cpu != cpu_kernel():
        yield f"CPU: {run.header.cpu} → {cpu_kernel()}"


def _unnamed(stage: Stage, context: SelectionContext, row: Row, found: StageRecord) -> str:
    if row.verdict is Verdict.FAILED:
        return "nothing that is recorded differs; the error has a cause outside, such as a file or the environment"
    again = stage.execute(context)
    if {name: again.artifacts[name].sha256 for name in stage.makes} != row.reproduced:
        return "the stage is not deterministic: executed twice on the same inputs, it gave two results; please report"
    where = "the result was taken from the cache: computed elsewhere, or changed" if found.cached else "it was changed"
    return f"nothing that is recorded differs, and the stage gives the same twice: {where}; or please report"
