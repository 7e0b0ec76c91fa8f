"""A complete run that no stage has made: record and artifacts as a flow would leave them, with figures of choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from quantflow.config.load import load_meta, load_profile
from quantflow.config.meta import Sleeve
from quantflow.data.panel import Panel
from quantflow.runs.create import create_run
from quantflow.runs.header import Header
from quantflow.runs.kinds import open_run
from quantflow.runs.record import RunRecord, StageRecord
from quantflow.runs.run import Run

AS_OF = date(2022, 12, 28)


@dataclass(frozen=True)
class Name:
    """One instrument: its closes up to the as-of (NaN for a hole), and its facts."""

    closes: Sequence[float]
    currency: str = "USD"
    lot: float = 1.0
    min_notional: float = 0.0


def created(home: Path, run_id: str = "one", profile: str = "demo", kind: str = "selection", **header: Any) -> Run:
    """Write a run that has been created and no more; of one stage unless *header* says otherwise."""
    frozen = Header(**{"kind": kind, "profile": profile, "as_of": AS_OF, "stages": ("ingestion",), **header})
    RunRecord(home, run_id).create(frozen)
    return open_run(home, run_id)


def without_stage(run: RunRecord, stage: str) -> None:
    """Remove a stage's record, as if the stage had never run."""
    (found,) = (run.folder / "stages").glob(f"*-{stage}.json")
    found.unlink()


def recorded(
    home: Path, names: Mapping[str, Name], weights: Mapping[str, float], *overrides: str, profile: str = "demo"
) -> Run:
    """Write a selection run of *names* that ended in *weights*; only names with a weight became atoms."""
    record = create_run(load_profile(profile, workspace=home, overrides=overrides), home, AS_OF)
    return written(record, names, weights)


def recorded_meta(
    home: Path, sleeves: Mapping[str, Mapping[str, Name]], weights: Mapping[str, float], *overrides: str
) -> Run:
    """Write a meta run of demo sleeves, each with its names, that ended in *weights*."""
    meta = load_meta("demo_meta", workspace=home, overrides=overrides)
    chosen = tuple(Sleeve(profile="demo", id=name) for name in sleeves)
    demo = load_profile("demo", workspace=home)
    meta = meta.model_copy(update={"sleeves": chosen, "resolved": dict.fromkeys(sleeves, demo)})
    record = create_run(meta, home, AS_OF)
    for sleeve in record.sleeves:
        written(sleeve.run, sleeves[sleeve.name], dict.fromkeys(sleeves[sleeve.name], 0.1))
    return written(record, {}, weights)


def written(record: Run, names: Mapping[str, Name], weights: Mapping[str, float]) -> Run:
    """Write what the stages of a created run would have left."""
    store = record.store
    frame = pd.DataFrame({"weight": list(weights.values())}, index=pd.Index(list(weights), name="symbol"))
    proof = {name: pd.DataFrame({"net": [0.0]}) for name in ("oos_returns", "oos_weights")}
    made = {"weights": frame, "metrics": {"strategy": {"sharpe": None}}, **proof}
    parts = {"ingestion": _ingested(names, record.as_of), "synthesis": _atoms(names, weights)} if names else {}
    last = record.header.stages[-1]
    for stage in record.header.stages:
        outputs = parts.get(stage, {}) | (made if stage == last else {})
        refs = {name: store.put(name, value) for name, value in outputs.items()}
        record.write_stage(StageRecord(stage, "done", outputs=refs))
    record.write_file("weights.csv", frame.to_csv())
    return record.again()


def _ingested(names: Mapping[str, Name], last: date) -> dict[str, object]:
    symbols = tuple(sorted(names))
    closes = np.array([names[symbol].closes for symbol in symbols], dtype=float)
    days = np.busday_offset(np.datetime64(last), np.arange(1 - closes.shape[1], 1), roll="backward")
    currencies = [names[symbol].currency for symbol in symbols]
    instruments = pd.DataFrame({"currency": currencies}, index=pd.Index(symbols, name="symbol"))
    sessions = days.astype("datetime64[D]")
    return {
        "prices": Panel(symbols, sessions, {"close": closes}),
        "past": Panel((), sessions[:0], {"close": np.empty((0, 0))}),
        "roster": pd.DataFrame({"symbol": list(symbols), "from": pd.NaT, "to": pd.NaT}),
        "instruments": instruments,
    }


def _atoms(names: Mapping[str, Name], weights: Mapping[str, float]) -> dict[str, object]:
    held = [symbol for symbol in sorted(names) if symbol in weights]
    facts = {fact: [getattr(names[symbol], fact) for symbol in held] for fact in ("currency", "lot", "min_notional")}
    ids = pd.Index([f"{symbol}_momentum_LONG" for symbol in held], name="atom_id")
    return {"atoms": pd.DataFrame({"symbol": held, **facts}, index=ids)}
