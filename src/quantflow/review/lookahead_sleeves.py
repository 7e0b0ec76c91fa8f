"""The look-ahead check of a meta profile: its sleeves, and how capital is divided among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from quantflow.config.profile import MetaProfile, Profile
from quantflow.pipeline.arrange import pipeline_of
from quantflow.pipeline.play import in_the_background, play
from quantflow.pipeline.registry import StageRegistry
from quantflow.pipeline.stage import PROFILE
from quantflow.review.differences import Day, up_to
from quantflow.review.lookahead import Lookahead, Probe, Tell, check_lookahead, probe_positions
from quantflow.review.views import Step, count, differences, refuse_broken, steps
from quantflow.runs.as_of import leaf_profiles
from quantflow.types import Settings

if TYPE_CHECKING:
    import pandas as pd

CHECKED = ("meta.aggregation", "meta.optimisation")
"""The stages that sleeves' weights come from."""


def check_sleeves(meta: MetaProfile, as_of: date, probes: int, seed: int, tell: Tell) -> Iterator[Lookahead]:
    """Yield the check of each profile that *meta* has as a sleeve, at any depth, then that of the sleeves' weights.

    Capital is divided at each probe on the sleeves' out-of-sample streams up to there, and on those of the whole
    history cut to it. A meta profile with a sleeve that is not a profile itself has no such check.

    Args:
        meta: The meta profile.
        as_of: The last session of the whole history.
        probes: How many past dates, of each check.
        seed: Draws them.
        tell: Called with the progress.

    Raises:
        QuantflowError: As ``check_lookahead``, and what the sleeves' walk-forwards raise.
    """
    for leaf in {leaf.name: leaf for leaf in leaf_profiles(meta)}.values():
        yield check_lookahead(leaf, as_of, probes, seed, tell)
    sleeves = {name: sleeve for name, sleeve in meta.resolved.items() if isinstance(sleeve, Profile)}
    if len(sleeves) == len(meta.sleeves):
        tell("the sleeves' streams")
        streams = _joined({name: _stream(sleeve, as_of) for name, sleeve in sleeves.items()})
        yield _divisions(meta, streams, as_of, probes, seed)


def _stream(sleeve: Profile, as_of: date) -> pd.Series:
    settings = {**sleeve.settings(), "as_of": as_of.isoformat(), PROFILE: sleeve.name}
    with in_the_background():
        made = play(pipeline_of(settings), {"run": {}}, settings, until="oos_returns")
    stream: pd.Series = made["oos_returns"]["net"]
    return stream


def _joined(streams: dict[str, pd.Series]) -> pd.DataFrame:
    import pandas as pd

    columns = {"date": np.concatenate([stream.index.to_numpy() for stream in streams.values()])}
    names = np.repeat(np.array(list(streams), dtype=object), [len(stream) for stream in streams.values()])
    net = np.concatenate([*streams.values()])
    return pd.DataFrame({"sleeve": names, **columns, "net": net, "equal_weight": 0.0})  # no benchmark is divided


def _divisions(meta: MetaProfile, streams: pd.DataFrame, as_of: date, probes: int, seed: int) -> Lookahead:
    stages = [StageRegistry.get(name) for name in CHECKED]
    settings = {**meta.settings(), "as_of": as_of.isoformat()}
    made = play(stages[:1], {"sleeve_streams": streams}, settings)
    whole = {name: made[name] for name in stages[0].makes}
    days = whole["streams"].index.to_numpy().astype("datetime64[D]")
    positions = probe_positions(len(days), meta.validation.min_history, probes, seed)
    with in_the_background():
        found = [_probe(streams, whole, days[position], settings) for position in positions]
    return Lookahead(meta.name, str(as_of), seed, CHECKED, len(days) - meta.validation.min_history, tuple(found))


def _probe(streams: pd.DataFrame, whole: Mapping[str, pd.DataFrame], day: Day, settings: Settings) -> Probe:
    """Return how capital divided on streams that end on a day differs from that on the whole streams, cut to it."""
    stages, settings = [StageRegistry.get(name) for name in CHECKED], {**settings, "as_of": str(day)}
    cut = steps(stages, {"sleeve_streams": up_to(streams, day)}, settings, replay=False)
    known = {name: up_to(frame, day) for name, frame in whole.items()}
    full = [Step(stages[0], known), *steps(stages[1:], known, settings, replay=True)]
    refuse_broken(cut, full, str(day))
    weights, ended = count(cut, "sleeve_weights"), "" if cut[-1].error is None else cut[-1].words
    return Probe(
        str(day), whole["streams"].shape[1], None, weights, ended, tuple(differences("walk-forward", day, cut, full))
    )
