"""The section on signals: how features and score ranked what names earned afterwards."""

from __future__ import annotations

from markupsafe import Markup

from quantflow.pipeline.arrange import SIGNALS
from quantflow.stages.report.facts import Inputs
from quantflow.stages.report.figures import DASH, count, defined, fixed, percent, plural
from quantflow.stages.report.render import Cell, folded, headed, nothing, section, shade, table
from quantflow.stages.signals import score_of
from quantflow.types import Record

SURE = 2.0
"""Size of t from which on a coefficient is shaded: chance alone gives it in 1 of 20."""


def examined(inputs: Inputs) -> list[Markup]:
    """Return the section, where the profile asks for it."""
    record = inputs.get(SIGNALS)
    if record is None:
        return []
    shown = [_coefficients(record), _later(record), _buckets(record), _spreads(record), _alike(record)]
    return [section(SIGNALS, "Signals", *shown, lead=_lead(record))]


def line(inputs: Inputs) -> list[str]:
    """Return the score's coefficient by horizon on a line of plain text; nothing where it is not asked for."""
    record = inputs.get(SIGNALS)
    if record is None:
        return []
    at = score_of(record)["horizons"]
    found = ", ".join(f"{fixed(each['ic']['mean'], 3)} ({fixed(each['ic']['t'], 1)})" for each in at)
    return [f"Score IC (t) after {', '.join(str(each['horizon']) for each in at)} sessions: {found}"]


def _lead(record: Record) -> str:
    tried = len(record["signals"]) * len(record["horizons"])
    return (
        f"How the score and its features, as known at {plural(record['rebalances'], 'rebalance')} from "
        f"{record['first']} to {record['last']}, ranked what {plural(record['names'], 'name')} (median) earned after "
        "the trade. The information coefficient (IC) is the mean rank correlation: 1 is a perfect ranking, 0 none. t "
        "is the mean over its standard error, corrected for horizons that overlap; of "
        f"{plural(tried, 'figure')} about {count(max(1, round(tried / 20)))} will reach 2 in size by chance. Features "
        "count in the direction that a long position prefers. Signals veto nothing."
    )


def _coefficient(ic: Record) -> str:
    return f"{fixed(ic['mean'], 3)} (t {fixed(ic['t'], 1)})"


def _cell(ic: Record) -> Cell:
    t = defined(ic["t"])
    return Cell(_coefficient(ic), shade(t / 5.0) if t is not None and abs(t) >= SURE else "")


def _sessions(horizon: int) -> str:
    return plural(horizon, "session")


def _coefficients(record: Record) -> Markup:
    rows = [
        [found["name"], found["side"] or "high", *(_cell(at["ic"]) for at in found["horizons"])]
        for found in record["signals"]
    ]
    head = ["Signal", "Preferred", *(_sessions(each) for each in record["horizons"])]
    return headed("Information coefficient by sessions after the trade", head, rows, words=frozenset({1}))


def _later(record: Record) -> Markup | None:
    """Return the coefficients of the sessions between horizons: how a signal decays."""
    spans = [(at["later"]["after"] + 1, at["horizon"]) for at in score_of(record)["horizons"]]
    if len(spans) < 2:
        return None
    rows = [[found["name"], *(_cell(at["later"]) for at in found["horizons"])] for found in record["signals"]]
    head = ["Signal", *(f"Session {last}" if first == last else f"{first} to {last}" for first, last in spans)]
    return folded("Decay: IC within spans of sessions", table("Information coefficient within spans", head, rows))


def _buckets(record: Record) -> Markup:
    number = record["buckets"]
    if not number:
        return nothing(f"{plural(record['names'], 'name')} are too few to be divided into buckets.")
    rows = []
    for at in score_of(record)["horizons"]:
        low, high = at["buckets"][0], at["buckets"][-1]
        gap = None if low is None or high is None else high - low
        rows.append(
            [_sessions(at["horizon"]), *(percent(each, 2) for each in at["buckets"]), percent(gap, 2, signed=True)]
        )
    middle = [str(each) for each in range(2, number)]
    head = ["Horizon", "Lowest", *middle, "Highest", "Highest less lowest"]
    return headed(f"Mean return after the trade of {number} buckets of names by score, before costs", head, rows)


def _spreads(record: Record) -> Markup:
    rows = []
    for found in record["signals"]:
        spread = found["spread"] or {}
        earned = [percent(spread.get(each), 1, signed=True) for each in ("gross", "net")]
        traded = percent(spread.get("turnover_annual"), 0) if spread else DASH
        rows.append([found["name"], *earned, fixed(spread.get("sharpe")), traded, fixed(found["rank_autocorrelation"])])
    head = [
        "Signal",
        "Top less bottom per year",
        "After costs",
        "Sharpe after costs",
        "Turnover per year",
        "Rank autocorrelation",
    ]
    title = "Top bucket long and bottom one short, 100% each, from rebalance to rebalance"
    return headed(title, head, rows)


def _alike(record: Record) -> Markup:
    names = [each["name"] for each in record["signals"]]
    rows = [
        [name, *(Cell(fixed(record["correlations"][name][other]), _shade(record, name, other)) for other in names)]
        for name in names
    ]
    return folded("Rank correlation among signals", table("Rank correlation among signals", ["Signal", *names], rows))


def _shade(record: Record, name: str, other: str) -> str:
    return "" if name == other else shade(record["correlations"][name][other])
