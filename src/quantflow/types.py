"""Names for the shapes of plain data that pass between modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, object]
"""A JSON object to be written; what is read back has a class of its own."""

Settings: TypeAlias = Mapping[str, Any]
"""A profile's sections by name, as JSON values; ``quantflow.config`` has their models."""

Record: TypeAlias = Mapping[str, Any]
"""A JSON object that was read, such as an artifact without a table."""
