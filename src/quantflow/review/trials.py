"""The trials on a run's data, by family and cluster, and the run's Sharpe ratio deflated for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

from quantflow.config.documents import extends_chain, read_document
from quantflow.errors import ConfigError
from quantflow.quant.research.deflated import Deflated, deflated
from quantflow.quant.significance import estimate, interval, probabilistic_sharpe
from quantflow.runs.find import list_runs
from quantflow.runs.header import Trial
from quantflow.runs.kinds import Selection
from quantflow.runs.research.counted import (
    clustered,
    runs_of,
    settings_hash,
    sharing_names,
    stream_of,
    streams_of,
    swept,
    tried,
    walked,
)
from quantflow.runs.run import Run
from quantflow.types import Json, Settings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Row:
    """One trial.

    Attributes:
        settings: A hash of the settings that change weights.
        run_id: The newest complete run of them with a walk-forward.
        profile: Its profile.
        family: The profile that this one extends in the end; itself if none.
        first: First session of its walk-forward, ISO; empty when that can no longer be read.
        as_of: Its session, ISO.
        sharpe: Its walk-forward's Sharpe ratio after costs, annualised.
        cluster: Number of the cluster of its returns, from 1.
        judged: Whether it is the run that is judged.
    """

    settings: str
    run_id: str
    profile: str
    family: str
    first: str
    as_of: str
    sharpe: float
    cluster: int
    judged: bool


@dataclass(frozen=True)
class Family:
    """The trials of the profiles that extend one base.

    Attributes:
        name: The base.
        trials: How many there are.
        clusters: How many clusters of returns they are in; one may be in several families.
        first: First session of their walk-forwards, ISO; empty when none can be read.
        last: The newest session, ISO.
    """

    name: str
    trials: int
    clusters: int
    first: str
    last: str


@dataclass(frozen=True)
class Trials:
    """A run compared with all trials on the same data.

    Attributes:
        run_id: The run that is judged.
        profile: Its profile.
        trials: Every trial, the highest Sharpe ratio first.
        families: The same by the profiles' common bases, by name.
        elsewhere: Trials of the workspace that are on another source, on dates without overlap, or on other names.
        low: Lower end of the 95 % interval of the run's own ratio, annualised.
        high: Upper end.
        probabilistic_sharpe: Probability that its true ratio is above 0, as if it were the only trial.
        deflated: The same, given that it was chosen among the trials, by their count and by their clusters.
        equivalent: How many independent trials would have as good a best one, without skill.
    """

    run_id: str
    profile: str
    trials: tuple[Row, ...]
    families: tuple[Family, ...]
    elsewhere: int
    low: float
    high: float
    probabilistic_sharpe: float | None
    deflated: Deflated
    equivalent: float

    def json(self) -> Json:
        """Return them as JSON values: the number of trials as ``number``, and each deflated ratio with its number."""
        left = self.deflated
        values = {name: value for name, value in asdict(self).items() if name != "deflated"}
        return {
            **values,
            "number": left.trials,
            "clusters": left.clusters,
            "deflated_sharpe": left.probability,
            "deflated_for": left.number,
            "deflated_by_count": left.by_count,
            "deflated_by_clusters": left.by_clusters,
        }


def trials_of(workspace: Path, profile: str | None = None) -> Trials:
    """Return the trials of a workspace on the data of a profile's newest walk-forward; of any profile when None.

    Raises:
        ConfigError: If the run does not exist, or its Sharpe ratio is undefined; or ``quantflow.toml`` cannot be read.
        IntegrityError: If its results can no longer be read.
    """
    run = _newest(workspace, profile)
    stream = stream_of(run)
    found = estimate(stream.to_numpy(dtype=float))
    if found is None:
        raise ConfigError(f"The walk-forward of run {run.id} took no risk: it has no Sharpe ratio.")
    year = sqrt(run.load("metrics")["annualisation"])
    others = sharing_names(run, tried(run.settings, run.as_of, workspace))
    many = clustered(run, others)
    trials = [Trial(settings_hash(run.settings), run.id, found.ratio), *others]
    rows = _rows(workspace, trials, [stream, *streams_of(workspace, others)], many.labels.tolist(), year)
    low, high = interval(found)
    return Trials(
        run_id=run.id,
        profile=run.profile,
        trials=tuple(sorted(rows, key=lambda row: (-row.sharpe, row.settings))),
        families=_families(rows),
        elsewhere=len(_completed(workspace) - {row.settings for row in rows}),
        low=low * year,
        high=high * year,
        probabilistic_sharpe=probabilistic_sharpe(found),
        deflated=deflated(found, [trial.ratio for trial in trials], many.ratios.tolist()),
        equivalent=many.equivalent,
    )


def _rows(
    workspace: Path, trials: Sequence[Trial], streams: Sequence[pd.Series | None], labels: Sequence[int], year: float
) -> list[Row]:
    """Return a row per trial; the first is the one that is judged."""
    document, rows = read_document(workspace), list[Row]()
    runs = runs_of(workspace, trials)
    for number, (trial, run, stream, label) in enumerate(zip(trials, runs, streams, labels, strict=True)):
        if run is None:
            continue
        row = Row(
            settings=trial.settings,
            run_id=run.id,
            profile=run.profile,
            family=_family(run.profile, document),
            first="" if stream is None else str(stream.index[0])[:10],
            as_of=run.as_of.isoformat(),
            sharpe=trial.ratio * year,
            cluster=label + 1,
            judged=number == 0,
        )
        rows.append(row)
    return rows


def _family(profile: str, document: Settings) -> str:
    """Return the profile that one extends in the end; itself where it is not there any more."""
    try:
        return extends_chain(profile, document)[0][1]
    except ConfigError:
        return profile


def _families(rows: Sequence[Row]) -> tuple[Family, ...]:
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(row.family, []).append(row)
    return tuple(
        Family(
            name=name,
            trials=len(found),
            clusters=len({row.cluster for row in found}),
            first=min((row.first for row in found if row.first), default=""),
            last=max(row.as_of for row in found),
        )
        for name, found in sorted(by_name.items())
    )


def _completed(workspace: Path) -> set[str]:
    """Return the settings that complete walk-forwards of a workspace have, those of sweeps too, by hash."""
    runs = {settings_hash(run.header.settings) for run in walked(workspace) if run.state == "completed"}
    return runs | {result.settings for _, _, result in swept(workspace)}


def _newest(workspace: Path, profile: str | None) -> Run:
    for run in reversed(list_runs(workspace)):
        wanted = isinstance(run, Selection) and profile in (None, run.profile)
        if wanted and run.state == "completed" and not run.header.decision.hold:  # that one has no walk-forward
            return run
    whose = f"run of {profile}" if profile else "selection run"
    raise ConfigError(
        f"There is no complete {whose} with a walk-forward in {workspace}.",
        hint=f"quantflow select --profile {profile or 'demo'}",
    )
