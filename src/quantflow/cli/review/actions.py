"""What the commands that explain, check and compare runs do; see ``look`` for those that only show them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import typer

from quantflow.config.load import find_workspace, load_meta, load_profile, meta_names, profile_names
from quantflow.config.profile import MetaProfile, Profile
from quantflow.errors import ConfigError
from quantflow.pipeline.stage import PROFILE, Artifacts, SelectionContext
from quantflow.review.bridge import bridge_of
from quantflow.review.checks import checks_of
from quantflow.review.compare import compare, previous
from quantflow.review.lookahead import Lookahead, check_lookahead
from quantflow.review.lookahead_sleeves import check_sleeves
from quantflow.review.purity.check import check_purity, fetched, fetching
from quantflow.review.reproduce import parts_of, scratch_folder
from quantflow.review.reproduce import reproduce as execute_again
from quantflow.review.restated import restatement
from quantflow.review.trials import trials_of
from quantflow.review.why.path import path_of
from quantflow.runs.as_of import leaf_profiles, resolve_as_of
from quantflow.runs.find import find_portfolio
from quantflow.runs.kinds import Meta
from quantflow.runs.recall import recall
from quantflow.runs.run import Run
from quantflow.ui.checks import print_checks, print_lookahead, print_purity, telling
from quantflow.ui.compare import print_comparison, print_trials
from quantflow.ui.emit import emit
from quantflow.ui.reproduce import print_reproduction
from quantflow.ui.why import print_path

Subject = tuple[SelectionContext, Callable[[], Artifacts]]
"""A profile with its settings, and what gives the data that it has fetched."""


def _found(run: str, workspace: Path | None) -> Run:
    return find_portfolio(find_workspace(Path.cwd(), workspace), run)


def why(symbol: str, run: str, workspace: Path | None, *, as_json: bool) -> None:
    """Show the path of one name."""
    path = path_of(_found(run, workspace), symbol)
    if as_json:
        emit("why", **path.json())
    else:
        print_path(path)


def diff(before: str | None, after: str, workspace: Path | None, *, as_json: bool) -> None:
    """Compare two runs."""
    new = _found(after, workspace)
    old = _found(before, workspace) if before else previous(new)
    found = compare(old, new)
    with telling(quiet=as_json) as tell:
        bridge = bridge_of(old, new, tell) if found.weights else None
    if as_json:
        emit("diff", **found.json(), bridge=bridge and bridge.json())
    else:
        print_comparison(found, bridge)


def checks(run: str, workspace: Path | None, *, as_json: bool) -> None:
    """Show the data checks of a run."""
    found = _found(run, workspace)
    record = checks_of(found)
    changed = restatement(found)
    if as_json:
        emit("checks", run_id=found.id, **record, restated=changed and changed.json())
    else:
        print_checks(found, record, changed)


def trials(profile: str | None, workspace: Path | None, *, as_json: bool) -> None:
    """Show what was tried beside a profile's newest run."""
    found = trials_of(find_workspace(Path.cwd(), workspace), profile)
    if as_json:
        emit("trials", **found.json())
    else:
        print_trials(found)


def lookahead(
    profile: str,
    workspace: Path | None,
    sets: Sequence[str],
    as_of: date | None,
    probes: int,
    seed: int,
    *,
    quiet: bool,
    as_json: bool,
) -> bool:
    """Check a profile, or the sleeves of a meta profile, for look-ahead; return whether nothing differs."""
    home = find_workspace(Path.cwd(), workspace)
    loaded = _profile_or_meta(profile, home, sets)
    same = True
    with telling(quiet=quiet) as tell:
        session = resolve_as_of(loaded, as_of).session
        for found in _lookahead(loaded, session, probes, seed, tell):
            if as_json:
                emit("lookahead", **found.json())
            else:
                print_lookahead(found)
            same &= not found.differences
    return same


def _lookahead(
    loaded: Profile | MetaProfile, as_of: date, probes: int, seed: int, tell: Callable[[str], None]
) -> Iterator[Lookahead]:
    if isinstance(loaded, Profile):
        return iter([check_lookahead(loaded, as_of, probes, seed, tell)])
    return check_sleeves(loaded, as_of, probes, seed, tell)


def purity(
    target: str, workspace: Path | None, sets: Sequence[str], as_of: date | None, *, quiet: bool, as_json: bool
) -> bool:
    """Check the stages of a profile or of a run, or of its sleeves, for purity; return whether nothing was found."""
    home = find_workspace(Path.cwd(), workspace)
    named = target in profile_names(home) or target in meta_names(home)
    if not named and (sets or as_of):
        raise ConfigError(
            f"{target!r} is not a profile: --set and --as-of change nothing of a run.",
            hint="Leave them out, or name the run's profile.",
        )
    pure = True
    with telling(quiet=quiet) as tell:
        for context, given in (
            _of_profile(target, home, sets, as_of) if named else _of_run(find_portfolio(home, target))
        ):
            with scratch_folder(home, keep=False) as folder:
                found = check_purity(context, given(), folder, home, tell)
            if as_json:
                emit("purity", **found.json())
            else:
                print_purity(found)
            pure &= not found.found
    return pure


def _of_profile(name: str, home: Path, sets: Sequence[str], as_of: date | None) -> Iterator[Subject]:
    loaded = _profile_or_meta(name, home, sets)
    session = resolve_as_of(loaded, as_of).session
    for leaf in {leaf.name: leaf for leaf in leaf_profiles(loaded)}.values():
        settings = {**leaf.settings(), "as_of": session.isoformat(), PROFILE: leaf.name}
        yield SelectionContext("", leaf.name, session, settings, ""), partial(fetched, settings)


def _of_run(run: Run) -> Iterator[Subject]:
    for each in [leaf.run for leaf in run.leaves()] or [run]:
        names = {name for stage in fetching(each.pipeline()) for name in stage.makes}
        yield each.context(), partial(_loaded, each, names)


def _loaded(run: Run, names: set[str]) -> Artifacts:
    return {name: run.load(name) for name in names}


def _profile_or_meta(name: str, home: Path, sets: Sequence[str]) -> Profile | MetaProfile:
    if name in meta_names(home) and name not in profile_names(home):
        return load_meta(name, workspace=home, overrides=sets)
    return load_profile(name, workspace=home, overrides=sets)


@dataclass(frozen=True)
class Reproducing:
    """How a run is reproduced and shown.

    Attributes:
        refetch: Whether data are fetched again.
        sleeves: Whether the runs of a meta run's sleeves are reproduced first.
        keep: Whether the folder with what was made stays.
        quiet: Whether no progress is shown.
        as_json: Whether the result is JSON.
    """

    refetch: bool
    sleeves: bool
    keep: bool
    quiet: bool
    as_json: bool


def reproduce(run: str, workspace: Path | None, how: Reproducing) -> bool:
    """Execute a run again, and those of its sleeves if asked; return whether all is the same."""
    chosen = _found(run, workspace)
    if how.refetch and not how.sleeves and isinstance(chosen, Meta):
        raise ConfigError(
            f"{chosen.id} is a meta run: only its sleeves fetch data.",
            hint=f"quantflow reproduce {chosen.id} --sleeves --refetch",
        )
    runs, without = parts_of(chosen) if how.sleeves else ([chosen], [])
    for name in without:
        typer.echo(f"sleeve {name} is excluded: it failed, and the portfolio was built without it", err=True)
    same = True
    for each in runs:
        recall(each)
        with telling(quiet=how.quiet) as tell:
            same &= _reproduced(each, how, tell)
    return same


def _reproduced(run: Run, how: Reproducing, tell: Callable[[str], None]) -> bool:
    with scratch_folder(run.workspace, keep=how.keep) as folder:
        found = execute_again(run, folder, refetch=how.refetch, tell=tell)
    kept = str(folder) if how.keep else None
    if how.as_json:
        emit("reproduce", **found.json(), kept=kept)
    else:
        print_reproduction(found, with_sleeves=how.sleeves, kept=kept)
    return found.same
