"""Gather: the sleeves' results brought together, after checking that each is what it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.data.store import ArtifactRef
from quantflow.errors import DataError, IntegrityError
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, SelectionContext, StageConfig, Summary
from quantflow.stages.meta.assets import ASSETS, frames, held_quotes, trades
from quantflow.types import Record

if TYPE_CHECKING:
    import pandas as pd

READ = ("oos_returns", "oos_weights", "weights", "metrics")
"""What is read of each sleeve."""
BOOK_COLUMNS = ("sleeve", "symbol", "weight", "direction", "cluster", "sector", "alpha_score")


class GatherStage(BasePipelineStage[StageConfig]):
    """Checks the sleeves' results and puts their streams and books into one table each.

    The sleeves come as facts of the run (``run["sleeves"]``: the link and the result of each that ended well;
    ``run["failed"]``: the others), since which artifacts there are depends on the meta profile.
    """

    id = "meta.gather"
    kind = Kind.CONTROL
    needs = ("run",)
    makes = ("sleeve_streams", "sleeve_books", "sleeves", "sleeve_trades", *ASSETS)
    Config = StageConfig

    def execute(self, context: SelectionContext) -> SelectionContext:
        """Load each sleeve's artifacts from the store, gather, and store the result.

        Raises:
            IntegrityError: If a result is not that of its sleeve, or was made under other settings.
            DataError: If the sleeves' as-of sessions differ, or a stream is empty.
        """
        store = context.store()
        facts = context.facts
        sleeves = [
            {**sleeve, **{name: store.get(ArtifactRef(**sleeve["outputs"][name])) for name in READ}}
            for sleeve in facts["sleeves"]
        ]
        traded = {sleeve["id"]: set(sleeve["oos_weights"]["symbol"]) for sleeve in sleeves}
        inputs = {
            "sleeves": sleeves,
            "failed": facts["failed"],
            "quotes": held_quotes(store, facts["sleeves"], traded),
        }
        outputs = self.run(inputs, StageConfig())
        refs = {name: store.put(name, outputs[name]) for name in self.makes}
        summaries = {**context.summaries, self.id: self.summary({}, outputs)}
        return replace(context, artifacts={**context.artifacts, **refs}, summaries=summaries)

    def run(self, inputs: Inputs, config: StageConfig) -> Outputs:
        """Return the tables of all sleeves, and what can be traded of the assets that they trade.

        ``sleeve_streams``: ``sleeve``, ``date``, ``net``, ``equal_weight``. ``sleeve_trades``: ``sleeve``, ``date``,
        ``symbol``, ``weight``, all targets of the walk-forwards. ``asset_returns``, ``asset_tradable`` and
        ``asset_costs``: see ``assets.frames``. ``sleeve_books``: what each holds now. ``sleeves``: a record of each.

        Args:
            inputs: ``sleeves``: per sleeve its link (id, run_id, profile, kind, config_hash, pinned), what its
                result says of itself (``sleeve``, ``made_under``, ``as_of``, ``degraded``) and its artifacts;
                ``failed``: sleeve, stage and message of those that have no result; ``quotes``: of all assets.
            config: Nothing.
        """
        import pandas as pd

        sleeves: Sequence[Record] = inputs["sleeves"]
        for sleeve in sleeves:
            _check_identity(sleeve)
        _check_as_of(sleeves)
        failed = [dict(item) for item in inputs["failed"]]
        return {
            "sleeve_streams": pd.concat([_stream(sleeve) for sleeve in sleeves], ignore_index=True),
            "sleeve_books": pd.concat([_book(sleeve) for sleeve in sleeves], ignore_index=True),
            "sleeves": {"sleeves": [_fact(s) for s in sleeves], "failed": failed, "partial": bool(failed)},
            "sleeve_trades": pd.concat([trades(sleeve) for sleeve in sleeves], ignore_index=True),
            **frames(inputs["quotes"]),
        }

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return how many sleeves there are; degraded when one is missing or is degraded itself."""
        found = outputs["sleeves"]
        ended, failed = len(found["sleeves"]), len(found["failed"])
        note = f"{ended} sleeves" + (f", {failed} missing" if failed else "")
        return Summary(note=note, degraded=bool(failed) or any(s["degraded"] for s in found["sleeves"]))


def _check_identity(sleeve: Record) -> None:
    if sleeve["sleeve"] != sleeve["id"]:
        raise IntegrityError(
            f"The result of sleeve {sleeve['id']!r} (run {sleeve['run_id']}) says that it is {sleeve['sleeve']!r}.",
            hint="Start the meta run again with a new --run-id.",
        )
    if sleeve["made_under"] != sleeve["config_hash"]:
        raise IntegrityError(
            f"Sleeve {sleeve['id']!r} (run {sleeve['run_id']}) was made under other settings than were asked for.",
            hint="Start the meta run again with a new --run-id.",
        )


def _check_as_of(sleeves: Sequence[Record]) -> None:
    if len({sleeve["as_of"] for sleeve in sleeves}) > 1:
        ends = ", ".join(f"{sleeve['id']} {sleeve['as_of']}" for sleeve in sleeves)
        raise DataError(
            f"The sleeves do not end on the same session: {ends}.",
            hint="Give --as-of a session that all of them have, or pin runs of one session.",
        )


def _stream(sleeve: Record) -> pd.DataFrame:
    stream = sleeve["oos_returns"][["net", "equal_weight"]]
    if stream.empty:
        raise DataError(
            f"Sleeve {sleeve['id']!r} (run {sleeve['run_id']}) has no out-of-sample returns.",
            hint="Give it more history (data.start, validation.min_history).",
        )
    return stream.rename_axis("date").reset_index().assign(sleeve=sleeve["id"])[["sleeve", "date", *stream.columns]]


def _book(sleeve: Record) -> pd.DataFrame:
    """Return a sleeve's weights in the common columns; a nested portfolio has neither cluster nor score."""
    book = sleeve["weights"].reset_index()
    book["sleeve"] = sleeve["id"]
    if "direction" not in book:
        book["direction"] = np.where(book["weight"] < 0, "SHORT", "LONG")
    for name, value in (("cluster", 0), ("alpha_score", np.nan)):
        if name not in book:
            book[name] = value
    return book[list(BOOK_COLUMNS)]


def _fact(sleeve: Record) -> dict[str, Any]:
    return {
        "id": sleeve["id"],
        sleeve["kind"]: sleeve["profile"],
        "run_id": sleeve["run_id"],
        "as_of": sleeve["as_of"],
        "config_hash": sleeve["config_hash"],
        "reused": sleeve["pinned"],
        "degraded": sleeve["degraded"],
        "metrics": sleeve["metrics"]["strategy"],
    }
