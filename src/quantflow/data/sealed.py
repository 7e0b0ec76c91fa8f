"""Small JSON records that carry a hash of themselves: a changed byte is noticed, and the record is not believed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from quantflow.errors import NewerRecordError
from quantflow.types import Record

SEAL = "seal"


def refuse_newer(found: Any, version: int, what: str) -> None:
    """Refuse a record that a newer quantflow has written, whether or not its seal is one of ours.

    Args:
        found: What was read.
        version: The newest ``schema_version`` that is known here.
        what: The record, for the error.

    Raises:
        NewerRecordError: If its ``schema_version`` is a larger number.
    """
    schema = found.get("schema_version") if isinstance(found, dict) else None
    if isinstance(schema, int) and schema > version:
        raise NewerRecordError(
            f"{what} was written by a newer quantflow (schema {schema}); this one reads up to {version}.",
            hint="Upgrade quantflow; nothing was changed.",
        )


def sealed(value: Record) -> dict[str, Any]:
    """Return *value*, which is plain JSON, with its seal: the sha256 of its canonical text."""
    return {**value, SEAL: _seal(value)}


def unsealed(value: Any) -> dict[str, Any]:
    """Return a sealed record without its seal.

    Raises:
        ValueError: If it is not a record, or not the one that was sealed.
    """
    if not isinstance(value, dict):
        raise ValueError("it is not a record")
    plain = {name: inner for name, inner in value.items() if name != SEAL}
    if value.get(SEAL) != _seal(plain):
        raise ValueError("it is not what was written")
    return plain


def _seal(plain: Record) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
