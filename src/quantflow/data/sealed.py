"""Small JSON records that carry a hash of themselves: a changed byte is noticed, and the record is not believed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from quantflow.types import Record

SEAL = "seal"


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
