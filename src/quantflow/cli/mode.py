"""What is shown of a run, by its options and where the output goes."""

from __future__ import annotations

import os
import sys

from quantflow.errors import ConfigError
from quantflow.ui.log import JsonLog


def mode(no_progress: bool, as_json: bool, *, quiet: bool = False, verbose: bool = False) -> str:
    """Return what is shown of a run where the output goes.

    That is ``live``, ``lines``, ``verbose`` (lines, and those of its log), ``log``, ``json``, ``none`` (its result
    alone) or ``quiet`` (not even that).

    Raises:
        ConfigError: If two of the options contradict each other.
    """
    if quiet and (verbose or as_json):
        raise ConfigError(
            f"--quiet and --{'verbose' if verbose else 'json'} exclude each other.", hint="Leave one out."
        )
    if as_json:
        return "json"
    if quiet:
        return "quiet"
    if verbose and not isinstance(sys.stderr, JsonLog):
        return "verbose"
    if no_progress:
        return "none"
    if isinstance(sys.stderr, JsonLog):
        return "log"
    interactive = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return "live" if interactive and os.environ.get("TTY_INTERACTIVE", "1") != "0" else "lines"
