"""The JSON files that others read, made of a book: of what passed its gates, and of nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from quantflow.data.store import write_atomic
from quantflow.errors import ConfigError
from quantflow.pipeline.foreign_values import value_of
from quantflow.runs.book import current
from quantflow.runs.find import find_run
from quantflow.runs.run import Run
from quantflow_tradingview.stages import Context

PORTFOLIO, WINNERS = "portfolio_optimized.json", "portfolio_candidates.json"


def export(workspace: Path, profile: str, folder: Path) -> list[Path]:
    """Write the files of a profile's book; return them.

    Raises:
        ConfigError: If the profile has no book.
    """
    book = current(workspace, profile)
    if book is None:
        raise ConfigError(f"{profile} has no book in {workspace}.", hint=f"quantflow select --profile {profile}")
    written = []
    for name, document in documents(find_run(workspace, book.run_id)).items():
        path = folder.absolute() / name
        write_atomic(path, json.dumps(document, indent=2).encode())
        written.append(path)
    return written


def documents(run: Run) -> dict[str, Any]:
    """Return the documents of a run by file name: its weights, and its winners as their policy gave them."""
    about = {"run_id": run.id, "profile": run.profile, "as_of": run.as_of.isoformat()}
    weights = run.load("weights").reset_index()
    assets = [
        {
            "Symbol": row["symbol"],
            "Weight": abs(row["weight"]),
            "Direction": row["direction"],
            "Net_Weight": row["weight"],
        }
        for row in weights.to_dict("records")
    ]
    held = Context.model_fields["winners"].annotation
    winners = to_jsonable_python(value_of(run.load("tv_winners"), held)) if "tv_winners" in run.outputs else []
    return {PORTFOLIO: {**about, "assets": assets}, WINNERS: {**about, "data": winners}}
