"""Credentials of a run: its record has none, so a process that continues it takes them from the profile again."""

from __future__ import annotations

import contextlib

from quantflow.config.credentials import missing
from quantflow.config.load import load_meta, load_profile
from quantflow.errors import ConfigError
from quantflow.runs.kinds import Meta
from quantflow.runs.run import Run


def recall(run: Run) -> None:
    """Put the credentials that the run's addresses need into the environment, where the workspace still has them.

    The stage that needs one which is missing afterwards reports it; a run whose data are fetched needs none.
    """
    profiles = [leaf.run for leaf in run.leaves()] if isinstance(run, Meta) else [run]
    if any(missing(each.header.settings) for each in profiles if each.exists):
        load = load_meta if isinstance(run, Meta) else load_profile
        with contextlib.suppress(ConfigError):
            load(run.profile, workspace=run.workspace)
