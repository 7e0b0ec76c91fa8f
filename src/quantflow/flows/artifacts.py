"""What a team sees of a run in Prefect's own UI: its weights and why, and a report in Markdown."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from typing import Any

from prefect.artifacts import Artifact, MarkdownArtifact, TableArtifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from quantflow.data.store import is_local
from quantflow.errors import said, shortened
from quantflow.runs.kinds import open_run
from quantflow.runs.outcome import Outcome, outcome
from quantflow.runs.run import Run
from quantflow.server.prefect_internals import data_of
from quantflow.server.server import has_pages

PATIENCE_SECONDS = 5.0
_PLAIN = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


def show_in_prefect(record: Run) -> None:
    """Attach the results of a run whose stages are done to the flow run that this is called in.

    Nothing is attached on the workspace's own server where it has no pages. A server that refuses them, or is slow,
    costs the run nothing else; the run's events and log say so.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    if not has_pages(record.workspace, PREFECT_API_URL.value()):
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
        message = f"{type(error).__name__}: {shortened(said(error), 300)}"
        record.event("artifacts.refused", error=message)
        logging.getLogger("prefect").warning("the API server did not take the run's artifacts: %s", message)


def artifacts_of(run: Run) -> Iterator[Artifact]:
    """Yield what is to be seen of a complete run; keys are the profile's, so that its runs line up."""
    found = outcome(run)
    about = f"Run {run.id}, as-of {run.as_of}."
    if rows := _weights(found):
        yield TableArtifact(key=key_of(run, "weights"), description=about, table=rows)
    if "report.html" in found.files:
        yield MarkdownArtifact(key=key_of(run, "report"), description=about, markdown=_markdown(run, found))


def _weights(found: Outcome) -> list[dict[str, Any]]:
    """Return a row per name: why it is held; in a portfolio its net weight, beside the part of each sleeve."""
    if found.contributions:
        names = [sleeve["id"] for sleeve in found.sleeves]
        return [
            {"symbol": row["symbol"], "weight": row["weight"], **{name: row["by_sleeve"].get(name) for name in names}}
            for row in found.contributions
        ]
    chosen = {row["symbol"]: row for row in found.winners}
    facts = ("direction", "alpha_score", "rank", "cluster", "sector", "why")
    return [{**row, **{fact: chosen.get(row["symbol"], {}).get(fact) for fact in facts}} for row in found.weights]


def _markdown(run: Run, found: Outcome) -> str:
    """Return a report in Markdown: the verdict, figures, sleeves, what each stage found, and where the whole lies."""
    where = _report(run)
    parts = [f"**{_cell(found.funnel[-1]['note'])}**" if found.funnel else "", _figures(found)]
    if found.sleeves:
        of = [(each["id"], f"{each['weight']:.2%}", each["as_of"], each["run_id"]) for each in found.sleeves]
        parts.append(_table(("sleeve", "weight", "as-of", "run"), of))
    rows = [tuple(_said(row[name]) for name in ("stage", "entered", "left", "note")) for row in found.funnel]
    parts += [_table(("stage", "in", "out", "found"), rows), f"[The whole report]({where}) of run {run.id}: `{where}`"]
    return "\n\n".join(part for part in parts if part)


def _figures(found: Outcome) -> str:
    names = {"cagr": "{:.2%}", "volatility": "{:.2%}", "sharpe": "{:.2f}", "max_drawdown": "{:.2%}"}
    blocks = {name: block for name, block in found.metrics.items() if isinstance(block, dict) and "sharpe" in block}
    order = sorted(blocks, key=lambda name: (name != "strategy", name))
    rows = [
        (name.replace("_", " "), *(_said(blocks[name].get(key), form) for key, form in names.items())) for name in order
    ]
    return _table(("out of sample, after costs", *(name.replace("_", " ") for name in names)), rows) if rows else ""


def _said(value: Any, form: str = "{}") -> str:
    return "" if value is None else form.format(value)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    """Return a text that Markdown shows as it is, in one cell."""
    return re.sub(r"([\\`*_{}\[\]<>|])", r"\\\1", text).replace("\n", " ")


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
