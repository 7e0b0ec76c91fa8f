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
            kind = _kind(report.nodeid)
            if kind is None or (outcome == "passed" and report.when != "call"):
                continue
            tried[kind] += 1
            survived[kind] += outcome == "passed"
    if not tried:
        return
    terminalreporter.write_line(f"\n{'fault × place':<44}{'tried':>6}{'survived, byte-equal':>22}")
    for kind in sorted(tried):
        terminalreporter.write_line(f"{kind:<44}{tried[kind]:>6}{survived[kind]:>22}")
    terminalreporter.write_line(f"{'all':<44}{sum(tried.values()):>6}{sum(survived.values()):>22}")


def _kind(nodeid: str) -> str | None:
    """Return what a cell is counted as; None for a test that is none."""
    _, _, rest = nodeid.rpartition("::")
    test, _, name = rest.rstrip("]").partition("[")
    if "tests/faults" not in nodeid:
        return _EDGES[test].format(name) if test in _EDGES else None
    meta = "meta: " if "test_meta_faults" in nodeid else ""
    if "worker_dies" in test or "process_of_ray" in test:
        what, _, runner = name.split("-")
        return f"meta: {what} in each stage, {runner}" if "worker" in what else f"meta: kill -9 of {what}"
    if "planted" in test:
        place, when, what = name.rsplit("-", 2)
        step = "report" if place.startswith("report") else f"{place.split(':')[0]} write"
        return f"{meta}{what} {when} {step}"
    return _NAMES[test].format(name) if test in _NAMES else nodeid  # such as a file that cannot be collected


_EDGES = {
    "test_the_book_is_whole_whatever_happens_to_its_publishers": "publishers: {}",
    "test_gc_in_a_loop_beside_runs_loses_nothing": "gc beside forty runs, --keep {}",
    "test_a_ray_that_does_not_come_up_ends_the_run_in_words": "Ray {} while it starts",
    "test_a_run_that_hangs_inside_ray_is_ended_from_outside": "Ray hangs when it is joined",
    "test_with_auto_processes_take_its_place": "Ray refuses, runner auto",
    "test_a_node_with_other_code_is_refused_before_any_sleeve_runs": "worker of another version",
    "test_another_user_changes_nothing_on_any_server": "another user at the API server of {}",
}
"""Tests of the integration suite that are cells of the table too."""

_NAMES = {
    "test_damage_on_disk_is_found_and_mended": "damage on disk: {}",
    "test_a_clock_that_jumps_is_survived": "clock wrong by {}, then right",
    "test_a_kill_at_any_moment_is_survived": "kill -9 at a random moment",
    "test_a_sweep_killed_at_any_moment_is_survived": "sweep: kill -9 at a random moment",
    "test_ctrl_c_ends_all_processes_of_a_sweep": "sweep: Ctrl-C in a terminal",
    "test_many_runs_at_once_share_a_workspace": "sixteen runs at once",
    "test_the_head_of_a_cluster_dies": "meta: kill -9 of a cluster's head, {}",
    "test_the_head_of_a_cluster_is_started_again_at_once": "meta: a cluster's head started again, {}",
    "test_a_node_that_does_not_see_the_workspace_is_named": "meta: a node without the workspace",
    "test_a_node_without_quantflow_is_named_and_can_be_given_it": "meta: a node without quantflow",
    "test_the_store_refuses_for_a_minute": "meta: S3 answers 503 for a minute",
    "test_the_users_own_api_server_is_restarted": "meta: the user's API server restarted",
    "test_another_user_in_the_same_workspace_changes_nothing": "meta: another user in the workspace",
}
