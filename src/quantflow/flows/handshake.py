"""Whether the nodes of a cluster are fit for a run: they have this process's code, and its workspace.

Other versions give other weights, and say nothing. A sleeve writes its record, its log and its tables into the run's
folder, so a node that does not have it can do nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quantflow.config.plugins import importable, specs_of
from quantflow.errors import InfrastructureError
from quantflow.execution.ray import ask_each_node
from quantflow.locks import FileLock
from quantflow.pipeline.arrange import pipeline_of
from quantflow.pipeline.code_version import NUMERIC_PACKAGES, code_version, package_version
from quantflow.runs.kinds import Sleeve
from quantflow.runs.record import versions
from quantflow.runs.run import Run

SHOWN = 3
HINT = "Install the same versions on all nodes of the cluster, then resume the run."
SHARE = (
    "Mount the workspace at the same path on every node that has CPUs (NFS 4, or a shared volume), then resume the "
    "run; or resume it with --set execution.runner=local."
)


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


def refuse_unfit_nodes(record: Run) -> None:
    """Refuse a cluster of which a node has other code than this process, or not the run's folder.

    Raises:
        InfrastructureError: Naming the node, and both versions, or what is wrong with the folder there.
    """
    _refuse_other_code(record, [])
    _refuse_other_folder(record.folder)
    if plugged := [part.settings for part in record.due() if specs_of(part.settings)]:
        _refuse_other_code(record, plugged)


def _refuse_other_code(record: Run, settings: Sequence[Mapping[str, Any]]) -> None:
    here = code_here(str(record.workspace), settings)
    for node, there in ask_each_node(code_here, str(record.workspace), settings).items():
        if differing := differences(here, there):
            raise InfrastructureError(f"Ray node {node} has other code than this process: {differing}.", hint=HINT)


def _refuse_other_folder(folder: Path) -> None:
    prefix = f".tmp-seen-{secrets.token_hex(8)}"
    try:
        for node, (file, trouble) in ask_each_node(tried, str(folder), prefix).items():
            if file and not (folder / file).exists():
                trouble = f"has another folder at {folder}: what it writes there does not come here"
            if trouble:
                raise InfrastructureError(f"Ray node {node} {trouble}.", hint=SHARE)
    finally:
        for left in folder.glob(f"{prefix}*"):
            left.unlink()


def tried(folder: str, prefix: str) -> tuple[str, str]:
    """Try whether this node can do part of a run: write into its folder, and see the lock of the process that asks.

    Args:
        folder: The run's folder.
        prefix: How the name of the file begins that it leaves there, for the process that asks to find and remove.

    Returns:
        The name of the file, empty without one; and what keeps this node from it in words, empty if nothing does.
    """
    place, file = Path(folder), f"{prefix}-{secrets.token_hex(4)}"
    if not place.is_dir():
        return "", f"does not see the run's folder, {folder}"
    try:
        (place / file).touch(mode=0o600)
        with FileLock(place / "lock", create=False) as lock:
            foreign = lock.take()
    except OSError as error:
        return "", f"cannot use the run's folder, {folder}: {error.strerror}"
    return file, f"does not see locks of other machines in {folder} (flock)" if foreign else ""


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
