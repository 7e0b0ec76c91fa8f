"""Prints the table of faults when all have been tried."""

from __future__ import annotations

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count, per kind of fault, the cells that were tried and those that were survived with equal bytes."""
    tried: Counter[str] = Counter()
    survived: Counter[str] = Counter()
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.getreports(outcome):
            if "faults" not in report.nodeid or (outcome == "passed" and report.when != "call"):
                continue
            kind = _kind(report.nodeid)
            tried[kind] += 1
            survived[kind] += outcome == "passed"
    if not tried:
        return
    terminalreporter.write_line(f"\n{'fault × place':<44}{'tried':>6}{'survived, byte-equal':>22}")
    for kind in sorted(tried):
        terminalreporter.write_line(f"{kind:<44}{tried[kind]:>6}{survived[kind]:>22}")
    terminalreporter.write_line(f"{'all':<44}{sum(tried.values()):>6}{sum(survived.values()):>22}")


def _kind(nodeid: str) -> str:
    name = nodeid.rpartition("[")[2].rstrip("]")
    if "any_moment" in nodeid:
        return "kill -9 at a random moment"
    if "clock" in nodeid:
        return "clock wrong, then right"
    if "many_runs" in nodeid:
        return "sixteen runs at once"
    if "damage" in nodeid:
        return f"damage on disk: {name}"
    if "planted" not in nodeid:
        return name
    place, when, what = name.rsplit("-", 2)
    return f"{what} {when} {place.split(':')[0]} write" if not place.startswith("report") else f"{what} {when} report"
