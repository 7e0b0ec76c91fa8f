"""Credentials of a run: its record has none, so a process that continues it takes them from the profile again."""

from __future__ import annotations

import contextlib

from quantflow.config.credentials import missing
from quantflow.config.load import load_meta, load_profile
from quantflow.errors import ConfigError
from quantflow.runs.record import RunRecord
from quantflow.runs.sleeves import links


def recall(record: RunRecord) -> None:
    """Put the credentials that the run's addresses need into the environment, where the workspace still has them.

    What is missing afterwards is told by the stage that needs it; a run whose data are fetched needs none.
    """
    if not _lacks(record):
        return
    load = load_meta if record.header["kind"] == "meta" else load_profile
    with contextlib.suppress(ConfigError):
        load(record.header["profile"], workspace=record.workspace)


def _lacks(record: RunRecord) -> bool:
    if record.header["kind"] != "meta":
        return missing(record.header["settings"])
    sleeves = [RunRecord(record.workspace, link.run_id) for link in links(record)]
    return any(_lacks(sleeve) for sleeve in sleeves if sleeve.exists)
