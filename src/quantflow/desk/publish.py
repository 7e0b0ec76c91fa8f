"""Which run becomes a profile's current book: the newest session whose weights pass the gates."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from quantflow.config.operation import PublishConfig
from quantflow.config.source import changes_weights
from quantflow.data.track import promised, text_of
from quantflow.errors import ConfigError, DegradedError, InfrastructureError, Interrupted, LockedError, said
from quantflow.runs.book import (
    FACTS,
    TRACK,
    Book,
    current,
    holds,
    place_of,
    publishing,
    put,
    stale_file,
    tidy,
    track,
    write_stale,
)
from quantflow.runs.decision import POSITION, current_position
from quantflow.runs.exports import EXPORTS, REPORT
from quantflow.runs.kinds import Sweep, Trial
from quantflow.runs.lock import no_removal
from quantflow.runs.run import Run

TOLERANCE = 1e-9
MOST_SHARPE = 10.0
"""No strategy in daily bars has it; one that shows it has seen the future, or divides by next to nothing."""
MOST_CAGR = 5.0
"""500 % a year, six times the capital: nobody has kept that up; prices that jump by a change of units show it."""
MOST_VOLATILITY = 3.0
"""300 % a year, 19 % on an ordinary day: beyond any portfolio of daily bars; one false price a hundred times too large
shows it even in ten years."""


def publish(run: Run) -> Path | None:
    """Make the weights of a complete run the profile's current book, one run at a time per profile.

    The book stays as it is, without a word, when the profile says so, when the run was made with settings that are not
    the profile's (``--set``, the environment), or is of an older session than the book.

    Returns:
        The folder of the book, which is this run now or was before; None when the book is not this run.

    Raises:
        ConfigError: If the run was removed.
        DegradedError: If a gate holds the run back: the former book stays, with a file ``STALE`` beside it.
        InfrastructureError: If the book cannot be written.
        LockedError: If another publisher of the profile did not end in time.
    """
    config = _config(run)
    if not config.enabled or _is_experiment(run):
        return None
    with no_removal(run.workspace), publishing(run.workspace, run.profile):
        if not run.exists:
            raise ConfigError(f"Run {run.id} was removed.", hint="Run the profile again.")
        try:
            return _published(run, config)
        except OSError as error:
            raise InfrastructureError(
                f"The book of {run.profile} cannot be written: {said(error)}.",
                hint=f"Fix that, then: quantflow publish {run.id}",
            ) from error


def _published(run: Run, config: PublishConfig) -> Path | None:
    workspace, profile = run.workspace, run.profile
    tidy(workspace, profile)
    there, mark = current(workspace, profile), stale_file(workspace, profile)
    if there and there.as_of > run.as_of.isoformat():
        return None
    files = _files(run, there)
    same = files is None or holds(workspace, profile, files)
    if same and not mark.exists():
        return place_of(workspace, profile)
    if reasons := list(held_back(run, config, there)):
        _mark_stale(run, there, reasons)
        raise DegradedError(
            f"Run {run.id} is complete, but not published: {'; '.join(reasons)}.",
            hint=f"The book of {there.run_id if there else 'no run'} stays; see quantflow inspect {run.id}",
        )
    if files is not None and not same:
        put(workspace, profile, run.id, files)
    mark.unlink(missing_ok=True)
    return place_of(workspace, profile)


def _files(run: Run, there: Book | None) -> dict[str, bytes] | None:
    """Return the files of the book that a run makes; None where it is that run's already.

    The book of a session without a decision keeps the report of the run that decided it.
    """
    if there is not None and there.run_id == run.id:
        return None
    from quantflow.desk.advance import advanced  # with what reads tables, for a book that is new

    place = place_of(run.workspace, run.profile)
    own = current_position(run.workspace, run.profile)
    before = own if own is not None and own.session < run.as_of.isoformat() else run.header.position
    lines, after = advanced(run, before)
    old = track(run.workspace, run.profile)
    new = [line for line in lines if not old or line.date > old[-1].date]
    held = run.header.decision.hold
    facts = {
        "run_id": run.id,
        "profile": run.profile,
        "as_of": run.as_of.isoformat(),
        "decided": after.decided,
        "next": run.header.decision.next,
        "weights": after.target,
        "promised": there.promised if held and there else _promised(run),
    }
    files = {name: (run.folder / name).read_bytes() for name in EXPORTS.values() if not (held and name == REPORT)}
    return {
        REPORT: files[REPORT] if REPORT in files else (place / REPORT).read_bytes(),
        **files,
        FACTS: json.dumps(facts, indent=1).encode(),
        POSITION: json.dumps(after.json(), indent=1).encode(),
        TRACK: text_of([*old, *new]).encode(),
    }


def _promised(run: Run) -> dict[str, float]:
    """Return what the walk-forward of a run promises; a run without one promises nothing."""
    if "oos_returns" not in run.outputs:
        return {}
    return promised(run.load("oos_returns")["net"].to_numpy(dtype=float))


def mark_stale(run: Run, reasons: list[str]) -> None:
    """Write beside a profile's book, when there is one, that a newer run did not replace it, and why."""
    if run.header.parent or _is_experiment(run) or current(run.workspace, run.profile) is None:
        return
    with publishing(run.workspace, run.profile):
        _mark_stale(run, current(run.workspace, run.profile), reasons)


def _mark_stale(run: Run, there: Book | None, reasons: list[str]) -> None:
    if there is not None and there.as_of <= run.as_of.isoformat():
        write_stale(run.workspace, run.profile, there, run.id, reasons)


@contextmanager
def stale_when_it_fails(run: Run) -> Iterator[None]:
    """Mark the book as stale when the block, in which the run is executed, fails or is interrupted; not another's run.

    Raises:
        BaseException: What the block raised.
    """
    try:
        yield
    except LockedError:
        raise
    except (Interrupted, Exception) as error:
        mark_stale(run, [f"it was {said(error)}" if isinstance(error, Interrupted) else f"it failed: {said(error)}"])
        raise


def held_back(run: Run, config: PublishConfig, there: Book | None) -> Iterator[str]:
    """Yield why the weights of *run* must not become the book; nothing when they may."""
    weights = run.weights
    if run.header.decision.hold:
        return  # what was published has drifted; nothing is decided
    settings = run.header.settings
    budget = settings.get("budget") or settings["allocation"]["budget"]
    if not weights:
        yield "it has no weights"
    for name, weight in weights.items():
        if not math.isfinite(weight):
            yield f"the weight of {name} is {weight}"
        elif config.max_weight is not None and abs(weight) > config.max_weight + TOLERANCE:
            yield f"the weight of {name} is {weight:.2%}, beyond publish.max_weight {config.max_weight:.2%}"
    gross = sum(abs(weight) for weight in weights.values())
    if gross > budget + TOLERANCE:
        yield f"the weights sum to {gross:.4f} in absolute terms, beyond the budget {budget:.4f}"
    if there is not None and config.max_turnover is not None:
        from quantflow.quant.turnover import traded

        turnover = traded(there.weights, weights)
        if turnover > config.max_turnover + TOLERANCE:
            yield f"the turnover is {turnover:.2%}, beyond publish.max_turnover {config.max_turnover:.2%}"
    yield from _impossible(run.load("metrics")["strategy"])
    yield from _jumps(run)
    yield from _old_sleeves(run)


def doubts(run: Run) -> Iterator[str]:
    """Yield why the weights of a complete run would not become its profile's book as they are."""
    if run.degraded:
        yield "the run is degraded: it completed with fallbacks"
    if _is_experiment(run):
        yield "the run is an experiment: made with settings that are not its profile's"
    for reason in held_back(run, _config(run), current(run.workspace, run.profile)):
        yield f"the run would not be published: {reason}"


def _impossible(figures: Mapping[str, float | None]) -> Iterator[str]:
    for name, value in figures.items():
        if isinstance(value, float) and not math.isfinite(value):
            yield f"its {name} is {value}"
    if abs(figures.get("sharpe") or 0.0) > MOST_SHARPE:
        yield f"its Sharpe ratio is {figures['sharpe']:.1f}"
    if not 0.0 <= (figures.get("max_drawdown") or 0.0) <= 1.0:
        yield f"its largest drawdown is {figures['max_drawdown']:.2%}"
    for name, words, most in (("cagr", "return a year", MOST_CAGR), ("volatility", "volatility", MOST_VOLATILITY)):
        if most < (value := figures.get(name) or 0.0) < math.inf:
            yield f"its {words} is {value:.0%}, beyond {most:.0%}, which no portfolio of daily bars has"


def _jumps(run: Run) -> Iterator[str]:
    """Yield each jump of a price, left in by its data, that the stages up to the weights look back on."""
    for sleeve in run.sleeves:
        yield from (f"sleeve {sleeve.name}: {reason}" for reason in _jumps(sleeve.run))
    if "quality" not in run.outputs or run.header.settings["data"]["on_jump"] != "hold":
        return
    quality = run.load("quality")
    found = quality[quality["check"] == "jump"]
    if not len(found):
        return
    from quantflow.pipeline.replay import ancestors, reach_of

    chain, _ = ancestors(run.pipeline(), "weights", ("prices", "instruments"))
    reach, prices = reach_of(chain, run.settings, ("prices",)), run.load("prices")
    first = str(prices.sessions[0 if reach is None else -min(reach, len(prices.sessions))])
    for row in found[(found["date"] >= first) & found["symbol"].isin(prices.symbols)].itertuples():
        yield (
            f"{row.symbol}: {row.reason} Fix the price; or, if it is real, "
            f'add "{row.symbol} {row.date}" to data.real_moves'
        )


def _old_sleeves(run: Run) -> Iterator[str]:
    for sleeve in run.sleeves:
        if (found := sleeve.result) is not None and found.as_of < run.as_of.isoformat():
            yield f"sleeve {sleeve.name} is of {found.as_of}"


def _config(run: Run) -> PublishConfig:
    return PublishConfig(**run.header.settings.get("publish", {}))


def _is_experiment(run: Run) -> bool:
    """Whether the run, or a sleeve of it, was made with other settings than its profile's that can change weights.

    A sweep and its trials are nothing but that, and a run of part of the stages has no proof.
    """
    if isinstance(run, Sweep | Trial) or run.header.until:
        return True
    sleeves = (sleeve.run for sleeve in run.sleeves if not sleeve.link.pinned)
    return changes_weights(run.header.sources) or any(_is_experiment(sleeve) for sleeve in sleeves)
