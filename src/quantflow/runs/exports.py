"""The files of a run that people open: weights, report, brief."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from quantflow.data.cells import table_cells
from quantflow.data.store import ArtifactRef
from quantflow.pipeline.stage import SelectionContext
from quantflow.runs.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd

EXPORTS: Mapping[str, str] = {"weights": "weights.csv", "report": "report.html", "brief": "brief.txt"}
"""Artifacts that are also written as files for people, and are part of a book, by artifact name."""

FILES: Mapping[str, str] = {**EXPORTS, "trials": "trials.csv"}
"""All artifacts that are also written as files."""

REPORT = EXPORTS["report"]


def export(record: RunRecord, context: SelectionContext, made: Mapping[str, ArtifactRef]) -> None:
    """Write those of the newly *made* artifacts that are also files, atomically.

    ``weights.csv`` has ``symbol`` and ``weight`` first, then what explains them; floats are written in full
    (the shortest text that gives the same float64), so equal weights are equal bytes.
    """
    for name, file in FILES.items():
        if name in made:
            record.write_file(file, text_of(context.load(name)))


def text_of(value: str | pd.DataFrame) -> str:
    """Return an artifact as it is written for people; a table as CSV that a spreadsheet computes nothing of."""
    return value if isinstance(value, str) else str(table_cells(value).to_csv(lineterminator="\n"))
