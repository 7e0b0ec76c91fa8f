"""JSON for machines on standard output: one document or line per event, all of one schema."""

from __future__ import annotations

import json
import sys

SCHEMA_VERSION = 1


def emit(event: str, **facts: object) -> None:
    """Write one line of ``--json`` output: ``schema_version`` and ``event`` first, then *facts*."""
    sys.stdout.write(json.dumps({"schema_version": SCHEMA_VERSION, "event": event, **facts}, default=str) + "\n")
    sys.stdout.flush()
