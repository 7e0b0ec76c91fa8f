"""What several commands have in common, in a few words each: the topics of ``quantflow help``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXIT_CODES: Mapping[int, str] = {
    0: "done, or nothing to do",
    1: "an unexpected error, or a check that found something",
    2: "usage or configuration: nothing was started",
    10: "done, and there are orders (orders --detailed-exitcode)",
    20: "a stage failed; the run can be resumed",
    21: "data gate: missing, stale or corrupt data",
    22: "no feasible portfolio",
    23: "done, but not published; degraded (--strict); the book is stale (orders); not all is well (status)",
    30: "infrastructure: API server, Ray or disk",
    75: "another process owns the run",
    130: "interrupted (SIGINT); the run can be resumed",
    143: "interrupted (SIGTERM); the run can be resumed",
}

STATES: Mapping[str, str] = {
    "pending": "not begun",
    "running": "at work",
    "waiting": "it failed, and is tried again after a while",
    "retrying": "tried again, at work",
    "cached": "a result that was computed before was taken",
    "kept": "done before the run was resumed",
    "completed": "done",
    "degraded": "done, with fallbacks or on old prices",
    "failed": "ended by an error",
    "interrupted": "ended by a signal, or its process died",
    "unreadable": "the record of the run is damaged, or a newer quantflow wrote it",
    "late": "of a session: done after the next one had closed",
    "missed": "of a session: no run was begun",
    "closed": "of a weekday: the exchange had no session",
}
"""The states of runs, stages, sleeves, trials and sessions."""

VARIABLES: Mapping[str, str] = {
    "QUANTFLOW_<SECTION>__<KEY>": "override a setting, e.g. QUANTFLOW_POLICY__TOP_N=5",
    "QUANTFLOW_SECRET_<NAME>": "a credential of a provider",
    "QUANTFLOW_LOG": "json: standard error becomes JSON lines, off a terminal",
    "PREFECT_API_URL": "use this API server in place of the workspace's own",
    "NO_COLOR": "text without colors, as --no-color",
    "TTY_INTERACTIVE": "0: progress as lines, on a terminal too",
}
"""The environment variables that quantflow reads."""

TOPICS: Mapping[str, Mapping[Any, str]] = {
    "exit-codes": EXIT_CODES,
    "states": STATES,
    "variables": VARIABLES,
}
