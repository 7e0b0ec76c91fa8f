"""Whether workers compute with the code that this process has: other versions give other weights, and say nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quantflow.config.plugins import importable, specs_of
from quantflow.errors import InfrastructureError
from quantflow.execution.ray import ask_each_node
from quantflow.pipeline.arrange import pipeline_of
from quantflow.pipeline.code_version import NUMERIC_PACKAGES, code_version, package_version
from quantflow.runs.kinds import Sleeve
from quantflow.runs.record import versions
from quantflow.runs.run import Run

SHOWN = 3
HINT = "Install the same versions on all nodes of the cluster, then resume the run."


def code_here(workspace: str, settings: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the versions of what computes in this process: quantflow, numeric packages, stages of other packages.

    Args:
        workspace: The folder beside whose ``quantflow.toml`` modules may lie.
        settings: The profiles' sections whose stages are to run.
    """
    found = {name: made for name, made in versions().items() if name in NUMERIC_PACKAGES}
    found["quantflow"] = package_version()
    importable(Path(workspace))
    for sections in settings:
        for spec in specs_of(sections):
            found |= {f"{spec} ({stage.id})": code_version(stage)[:12] for stage in pipeline_of(sections)}
    return found


def refuse_other_versions(record: Run) -> None:
    """Compare this process's code with that of each node of the cluster that it is connected to.

    Raises:
        InfrastructureError: Naming the node and both versions where one differs, or a node that has no quantflow.
    """
    settings = [part.settings for part in record.due()]
    here = code_here(str(record.workspace), settings)
    for node, there in ask_each_node(code_here, str(record.workspace), settings).items():
        if differing := differences(here, there):
            raise InfrastructureError(f"Ray node {node} has other code than this process: {differing}.", hint=HINT)


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """Return what differs between two answers of ``code_here``, in words; empty when nothing does."""
    names = sorted(name for name in {*here, *there} if here.get(name) != there.get(name))
    names.sort(key=lambda name: name != "quantflow")
    parts = [f"{name} {there.get(name, 'absent')}, not {here.get(name, 'absent')}" for name in names]
    more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return "; ".join(parts[:SHOWN]) + more


def refuse_foreign_results(sleeves: Sequence[Sleeve]) -> None:
    """Check by the records of sleeves that were just run that this process's code has made each stage.

    Raises:
        InfrastructureError: Naming sleeve, stage and both versions.
    """
    for leaf in sleeves:
        run = leaf.run
        for stage in run.pipeline():
            made = run.stages[stage.id]
            if made is None or made.state != "done":
                continue
            code = made.fingerprint.get("code") or ""
            if made.made_by != package_version() or (code and code != code_version(stage)):
                raise InfrastructureError(
                    f"Stage {stage.id} of sleeve {leaf.name} was run by quantflow {made.made_by} (code {code[:12]}), "
                    f"which is not this process's {package_version()} (code {code_version(stage)[:12]}).",
                    hint=HINT,
                )
