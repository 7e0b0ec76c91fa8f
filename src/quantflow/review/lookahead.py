"""The look-ahead check: what the stages decide at a past date must not depend on anything that came later.

At each probe the stages between ingestion and the weights run three times. *Cut*: on a panel that holds nothing after
the probe. *Walk-forward*: as ``validation`` replays them at that date, with the whole history at hand. *History*: once,
on the whole history; of what has a date axis, the rows up to the probe. All cuts come first, in the order of time, so
that no stage can remember later data. What differs from the cut in a single bit looked ahead; so did a stage that asks
a provider for bars after the probe, which is refused.

Of a meta profile each sleeve is checked, and then the division of capital on the sleeves' streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from quantflow.config.profile import Profile
from quantflow.data.panel import Panel
from quantflow.data.quality.history import whole
from quantflow.data.quality.roster import listed
from quantflow.data.quality.usable import usable
from quantflow.errors import DataError
from quantflow.pipeline.arrange import INCUMBENT, pipeline_of
from quantflow.pipeline.play import in_the_background, play
from quantflow.pipeline.replay import seen
from quantflow.pipeline.stage import PROFILE, Artifact, Artifacts, Kind, Stage, check_wiring
from quantflow.review.differences import Day, up_to
from quantflow.review.views import Difference, Step, count, differences, refuse_broken, refused, steps
from quantflow.types import Json, Settings

if TYPE_CHECKING:
    import pandas as pd

Tell = Callable[[str], None]
"""Called with one short line at a time on what is going on."""


@dataclass(frozen=True)
class Probe:
    """What was found at one past date.

    Attributes:
        date: The session.
        symbols: Symbols that could be used on it.
        winners: Names that win on the cut data; None when the stages ended in an error before that.
        held: Names with a weight then; None likewise.
        ended: That error; empty otherwise.
        differences: At most one per view: the first stage that differs, an entry for each of its artifacts.
    """

    date: str
    symbols: int
    winners: int | None
    held: int | None
    ended: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Lookahead:
    """The result of a check.

    Attributes:
        profile: What was checked.
        as_of: The last session of the whole history.
        seed: With which the probes were drawn.
        stages: The stages compared, in order.
        eligible: How many sessions could have been probed.
        probes: One per date, ascending.
    """

    profile: str
    as_of: str
    seed: int
    stages: tuple[str, ...]
    eligible: int
    probes: tuple[Probe, ...]

    @property
    def differences(self) -> tuple[Difference, ...]:
        """All differences, in the order of the probes."""
        return tuple(found for probe in self.probes for found in probe.differences)

    def json(self) -> Json:
        """Return the result as JSON values."""
        return {**asdict(self), "differences": len(self.differences)}


def check_lookahead(profile: Profile, as_of: date, probes: int, seed: int, tell: Tell) -> Lookahead:
    """Return what the stages of *profile* do at past dates with and without the data that came later.

    Args:
        profile: The profile.
        as_of: The last session of the whole history.
        probes: How many past dates; fewer when there are not so many.
        seed: Draws one session from each of *probes* equal stretches of the eligible ones.
        tell: Called with the progress.

    Raises:
        DataError: If no session has enough history before it.
        StageError: If a stage is broken: it raises an unexpected error, on full history too.
        QuantflowError: What ingestion raises.
    """
    settings = {**profile.settings(), "as_of": as_of.isoformat(), PROFILE: profile.name}
    fetching, checked = _split(list(pipeline_of(profile.settings())))
    tell("fetching the whole history")
    given = play(fetching, {}, settings)
    prices = whole(given["prices"], given["past"])
    positions = probe_positions(len(prices.sessions), profile.validation.min_history, probes, seed)
    able = usable(prices, np.array(positions), profile.data, given["roster"])
    found = _Probes(checked, settings, {**given, "prices": prices}, dict(zip(positions, able, strict=True)))
    with in_the_background():
        cuts = [found.cut(position) for position in _announced(positions, prices, "cut", tell)]
        results = [
            found.compared(position, cut)
            for position, cut in zip(_announced(positions, prices, "compared", tell), cuts, strict=True)
        ]
    eligible = len(prices.sessions) - profile.validation.min_history
    names = tuple(stage.id for stage in checked)
    return Lookahead(profile.name, str(prices.last_session), seed, names, eligible, tuple(results))


def probe_positions(sessions: int, min_history: int, probes: int, seed: int) -> list[int]:
    """Return the positions of the sessions to probe, ascending, spread evenly over those that can be.

    A session can be probed when *min_history* sessions lead up to it, itself included, and one comes after it.

    Raises:
        DataError: If there is none.
    """
    first, stop = min_history - 1, sessions - 1
    if stop <= first:
        raise DataError(
            f"The prices have {sessions} sessions: none of them has {min_history} up to it and one after it.",
            hint="Give more history (data.start), or lower validation.min_history.",
        )
    edges = np.linspace(first, stop, min(probes, stop - first) + 1).astype(int).tolist()
    rng = np.random.default_rng(seed)
    return [int(rng.integers(low, high)) for low, high in pairwise(edges)]


def _announced(positions: Sequence[int], prices: Panel, what: str, tell: Tell) -> Iterator[int]:
    for number, position in enumerate(positions, start=1):
        tell(f"{what} {number}/{len(positions)}  {prices.sessions[position]}")
        yield position


Stages = list[Stage]


def _split(stages: Stages) -> tuple[Stages, Stages]:
    """Return the stages that fetch, which come first, and those after them up to the one that makes the weights.

    What is held is given to the stages at each probe, so the stage that takes it from the book is not among them.
    """
    check_wiring(stages)
    fetching = list(takewhile(lambda stage: stage.kind is Kind.NETWORK, stages))
    ends = next(i for i, stage in enumerate(stages) if "weights" in stage.makes)
    return fetching, [stage for stage in stages[len(fetching) : ends + 1] if stage.id != INCUMBENT]


class _Probes:
    """Runs the checked stages on what can be seen at a date."""

    def __init__(
        self, stages: Stages, settings: Settings, given: Artifacts, able: Mapping[int, npt.NDArray[np.bool_]]
    ) -> None:
        self._stages, self._settings, self._given, self._able = stages, settings, given, able
        self._prices: Panel = given["prices"]
        self._histories: dict[tuple[str, ...], list[Step]] = {}

    def cut(self, position: int) -> list[Step]:
        """Return what the stages make where history ends at *position*."""
        day = self._day(position)
        return self._steps(self._seen(position, day), day, replay=False)

    def compared(self, position: int, cut: list[Step]) -> Probe:
        """Return how the walk-forward and the whole history differ from the *cut*."""
        day, values = self._day(position), self._seen(position, self._day(position))
        symbols = values["prices"].symbols
        known = seen(self._prices, position, position + 1, self._able[position])
        replayed = self._steps({**values, "prices": known}, day, replay=True)
        if symbols not in self._histories:
            last = self._prices.last_session
            self._histories[symbols] = self._steps(self._seen(position, last), last, replay=False)
        history = self._histories[symbols]
        refuse_broken(cut, history, str(day))
        views = (("walk-forward", replayed), ("history", history))
        found = refused(day, cut) or [entry for view, full in views for entry in differences(view, day, cut, full)]
        ended = "" if cut[-1].error is None else cut[-1].words
        winners, held = (count(cut, name) for name in ("winners", "weights"))
        return Probe(str(day), len(symbols), winners, held, ended, tuple(found))

    def _day(self, position: int) -> Day:
        return np.datetime64(self._prices.sessions[position], "D")

    def _steps(self, values: dict[str, Artifact], day: Day, *, replay: bool) -> list[Step]:
        settings = {**self._settings, "as_of": str(day)}
        given = {"run": {"as_of": str(day), "config": settings}, INCUMBENT: held(values["prices"].symbols)}
        return steps(self._stages, values | given, settings, replay=replay)

    def _seen(self, position: int, last: Day) -> dict[str, Artifact]:
        """Return what ingestion gave, up to *last*, of the symbols that could be used at *position*."""
        symbols = [symbol for symbol, there in zip(self._prices.symbols, self._able[position], strict=True) if there]
        values = {name: up_to(value, last) for name, value in self._given.items()}
        mine = listed(self._given["roster"]).loc[symbols]
        return {**values, "prices": values["prices"].select(symbols), "instruments": mine}


def held(symbols: Sequence[str]) -> pd.DataFrame:
    """Return the ``incumbent`` of a probe, the same in all views: each of *symbols* at equal weight."""
    import pandas as pd

    index = pd.Index(sorted(symbols), name="symbol", dtype=object)
    return pd.DataFrame({"weight": np.full(len(index), 1.0 / max(len(index), 1))}, index=index)
