"""What a team sees of a run in Prefect's own UI: funnel, winners, weights, sleeves, and a link to the report."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from typing import Any

from prefect.artifacts import Artifact, LinkArtifact, TableArtifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from quantflow.data.store import is_local
from quantflow.errors import shortened
from quantflow.runs.kinds import open_run
from quantflow.runs.outcome import Outcome, outcome
from quantflow.runs.run import Run
from quantflow.server.prefect_internals import data_of
from quantflow.server.server import is_own

PATIENCE_SECONDS = 5.0
_PLAIN = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


def show_in_prefect(record: Run) -> None:
    """Attach the results of a run whose stages are done to the flow run that this is called in.

    Nothing is attached on the workspace's own server, which has no UI. A server that refuses them, or is slow, costs
    the run nothing else; the run's events and log say so.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or is_own(record.workspace, PREFECT_API_URL.value()):
        return
    try:
        with (
            temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
            get_client(sync_client=True, httpx_settings={"timeout": PATIENCE_SECONDS}) as client,
        ):
            for made in artifacts_of(record):
                client.create_artifact(
                    ArtifactCreate(
                        type=made.type,
                        key=made.key,
                        description=made.description,
                        data=data_of(made),
                        flow_run_id=context.flow_run.id,
                    )
                )
    except Exception as error:  # noqa: BLE001  # a view of the run must not fail it, whatever is wrong with the view
        message = f"{type(error).__name__}: {shortened(str(error), 300)}"
        record.event("artifacts.refused", error=message)
        logging.getLogger("prefect").warning("the API server did not take the run's artifacts: %s", message)


def artifacts_of(run: Run) -> Iterator[Artifact]:
    """Yield what is to be seen of a complete run; keys are the profile's, so that its runs line up."""
    found = outcome(run)
    about = f"Run {run.id}, as-of {run.as_of}."
    for name, rows in _tables(found).items():
        if rows:
            yield TableArtifact(key=key_of(run, name), description=about, table=rows)
    if "report.html" in found.files:
        yield LinkArtifact(
            key=key_of(run, "report"),
            description=f"{about} {found.files['report.html']}",
            link=_report(run),
            link_text=f"report of {run.id}",
        )


def _tables(found: Outcome) -> dict[str, list[dict[str, Any]]]:
    """Return the tables by name; in a portfolio the weights are net, beside the part of each sleeve."""
    names = [sleeve["id"] for sleeve in found.sleeves]
    net = [
        {"symbol": row["symbol"], "weight": row["weight"], **{name: row["by_sleeve"].get(name) for name in names}}
        for row in found.contributions
    ]
    return {"funnel": found.funnel, "winners": found.winners, "sleeves": found.sleeves, "weights": net or found.weights}


def _report(run: Run) -> str:
    """Return where the report lies: in a store that others reach by its URL, else in the run's folder."""
    store = run.layout.store
    made = [stage.outputs["report"] for stage in run.stages.values() if stage and "report" in stage.outputs]
    if is_local(store) or not made:
        return (run.folder / "report.html").absolute().as_uri()
    return f"{store}/{made[-1].uri}"


def key_of(record: Run, name: str) -> str:
    """Return an artifact's key, as ``us-core-weights``: Prefect allows small letters, digits and dashes.

    A sleeve's is ``all-weather-sleeve-us-core-weights``. A name that other names could be taken for has a mark.
    """
    parent = record.header.parent
    if parent is None:
        return f"{_slug(record.profile)}-{name}"
    return key_of(open_run(record.workspace, parent.run_id), f"sleeve-{_slug(parent.sleeve)}-{name}")


def _slug(name: str) -> str:
    mark = "" if _PLAIN.fullmatch(name) else f"-{hashlib.sha256(name.encode()).hexdigest()[:4]}"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") + mark
