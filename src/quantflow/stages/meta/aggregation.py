"""Aggregation: the sleeves' out-of-sample streams side by side, on the sessions that all of them have."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from quantflow.config.meta import SleeveName
from quantflow.errors import DataError
from quantflow.pipeline.stage import BasePipelineStage, Inputs, Kind, Outputs, StageConfig, Summary
from quantflow.quant.sleeves import DateArray, FloatArray, join_streams

if TYPE_CHECKING:
    import pandas as pd

    Stream = tuple[DateArray, FloatArray]

MIN_SESSIONS = 60
"""Sessions that the joined streams must have: as many as a method that estimates risk needs."""
HISTORY = "Give that sleeve more history (data.start, validation.min_history), or take it out of the meta profile."


class AggregationStageConfig(StageConfig):
    """What aggregation reads: which sleeves there should be, and whether one may be missing."""

    sleeves: tuple[SleeveName, ...]
    allow_partial: bool


class AggregationStage(BasePipelineStage[AggregationStageConfig]):
    """Joins the streams of all sleeves.

    Sessions are calendar days in UTC, and those stay that every sleeve has. What a sleeve earned in between counts
    on the next session that stays (a market without weekends beside one with weekends), so nothing is lost.
    """

    id = "meta.aggregation"
    kind = Kind.COMPUTE
    needs = ("sleeve_streams",)
    makes = ("streams", "benchmarks")
    Config = AggregationStageConfig

    def run(self, inputs: Inputs, config: AggregationStageConfig) -> Outputs:
        """Return ``streams`` and ``benchmarks``: index ``date``, one column per sleeve, in the profile's order.

        They are simple returns after costs, of the sleeves and of the equal weight of their universes.

        Raises:
            DataError: Naming the sleeve whose stream is missing, is not finite, has a session twice or a return below
                -100 %, or leaves fewer than 60 sessions in common.
        """
        import pandas as pd

        streams, pools = (_streams(inputs["sleeve_streams"], config, name) for name in ("net", "equal_weight"))
        (days, returns), (_, equal) = map(_joined, (streams, pools))
        if len(days) < MIN_SESSIONS:
            raise _too_few(streams, len(days))
        index = pd.DatetimeIndex(days, name="date")
        return {
            "streams": pd.DataFrame(returns, index, list(streams)),
            "benchmarks": pd.DataFrame(equal, index, list(streams)),
        }

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return how many sleeves were joined, and on how many sessions."""
        frame = outputs["streams"]
        note = f"{len(frame)} common sessions, {frame.index[0]:%Y-%m-%d} to {frame.index[-1]:%Y-%m-%d}"
        return Summary(inputs["sleeve_streams"]["sleeve"].nunique(), frame.shape[1], note)


def _joined(streams: dict[str, Stream]) -> Stream:
    return join_streams([days for days, _ in streams.values()], [returns for _, returns in streams.values()])


def _streams(frame: pd.DataFrame, config: AggregationStageConfig, column: str) -> dict[str, Stream]:
    """Return the sessions and returns of each sleeve, checked, in the order of the profile."""
    declared = [sleeve.id for sleeve in config.sleeves]
    if strangers := sorted(set(frame["sleeve"]) - set(declared)):
        raise DataError(
            f"There is a stream of {strangers[0]!r}, which is not a sleeve of the meta profile.",
            hint=f"Its sleeves: {', '.join(declared)}. Resume the run: the streams are gathered again.",
        )
    found = {name: rows for name in declared if len(rows := frame[frame["sleeve"] == name])}
    missing = [name for name in declared if name not in found]
    if missing and not (config.allow_partial and found):
        raise DataError(f"Sleeve {missing[0]!r} has no out-of-sample session.", hint=HISTORY)
    return {name: _stream(name, rows, column) for name, rows in found.items()}


def _stream(name: str, rows: pd.DataFrame, column: str) -> Stream:
    days = _utc_days(name, rows["date"])
    order = np.argsort(days, kind="stable")
    days, returns = days[order], rows[column].to_numpy(dtype=np.float64)[order]
    if (twice := np.flatnonzero(days[1:] == days[:-1])).size:
        raise DataError(f"Sleeve {name!r} has two returns on {days[twice[0]]} (UTC).", hint="Run the sleeve again.")
    if (bad := np.flatnonzero(~(np.isfinite(returns) & (returns >= -1.0)))).size:
        raise DataError(
            f"Sleeve {name!r} has the return {returns[bad[0]]} on {days[bad[0]]}; finite ones from -1 up are needed.",
            hint="Look at that sleeve's report, fix its data, and run it again.",
        )
    return days, returns


def _utc_days(name: str, dates: pd.Series) -> DateArray:
    import pandas as pd

    stamps = pd.DatetimeIndex(dates)
    if stamps.hasnans:
        raise DataError(f"Sleeve {name!r} has a return without a date.", hint="Run the sleeve again.")
    if stamps.tz is not None:
        stamps = stamps.tz_convert("UTC").tz_localize(None)
    return np.asarray(stamps.to_numpy().astype("datetime64[D]"))


def _too_few(streams: dict[str, Stream], common: int) -> DataError:
    """Return the error for a join that is too short, naming the sleeve without which it would be longest."""

    def without(name: str) -> int:
        others = [days for other, (days, _) in streams.items() if other != name]
        return len(reduce(np.intersect1d, others)) if others else 0

    worst = max(streams, key=without)
    days = streams[worst][0]
    rest = f"; without it there are {without(worst)}" if len(streams) > 1 else ""
    return DataError(
        f"The streams have {common} sessions in common, {MIN_SESSIONS} are needed. Sleeve {worst!r} is in the way "
        f"({len(days)} sessions, {days[0]} to {days[-1]}){rest}.",
        hint=HISTORY,
    )
