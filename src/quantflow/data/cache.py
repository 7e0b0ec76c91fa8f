"""Results of stages by cache key: small JSON records that name artifacts, checked before they are believed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from quantflow.data.sealed import sealed, unsealed
from quantflow.data.store import ArtifactRef, ArtifactStore, exists, read_bytes, write_bytes
from quantflow.errors import IntegrityError
from quantflow.types import Record

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class StageCache:
    """The cached results below one folder or fsspec URL.

    Attributes:
        uri: Where the records lie.
        store: Where the artifacts lie that they name.
    """

    uri: str
    store: ArtifactStore

    def path(self, key: str) -> str:
        """Return the full path or URL of a record."""
        return f"{self.uri}/{key}.json"

    def read(self, key: str) -> dict[str, Any]:
        """Return the result under *key*: ``outputs`` (refs as JSON) and ``summary`` (plain values).

        Only data of exactly this form is handed on, so nothing in the file can name code to run.

        Raises:
            IntegrityError: If there is none, it is not of this form, or it names a damaged artifact, which is
                set aside.
        """
        result = _parse(self.path(key), read_bytes(self.path(key)))
        for ref in refs(result).values():
            if not self.store.verify(ref):
                self.store.set_aside(ref)
                raise IntegrityError(f"Artifact {ref.name!r} ({ref.sha256[:12]}) is missing or damaged.")
        return result

    def write(self, key: str, result: Record) -> None:
        """Store a result."""
        record = {"schema_version": SCHEMA_VERSION, "outputs": result["outputs"], "summary": result["summary"]}
        write_bytes(self.path(key), json.dumps(sealed(record), sort_keys=True).encode())

    def lookup(self, key: str) -> dict[str, Any] | None:
        """Return the result under *key*; None when there is none that may be used."""
        if not exists(self.path(key)):
            return None
        try:
            return self.read(key)
        except IntegrityError:
            return None


def refs(result: Record) -> dict[str, ArtifactRef]:
    """Return the artifacts that a stage's result names."""
    return {name: ArtifactRef(**ref) for name, ref in result["outputs"].items()}


def _parse(path: str, data: bytes) -> dict[str, Any]:
    try:
        record = unsealed(json.loads(data))
        if record["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema version {record['schema_version']!r}")
        outputs = {str(name): ref.json() for name, ref in refs(record).items()}
        summary = {str(name): value for name, value in record["summary"].items()}
        if not all(value is None or isinstance(value, (str, int, float)) for value in summary.values()):
            raise ValueError("the summary is not flat")
        if not all(_is_plain(ref) for ref in outputs.values()):
            raise ValueError("a ref is not plain")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IntegrityError(f"The cached result {path} is refused: {error}.") from error
    return {"outputs": outputs, "summary": summary}


def _is_plain(ref: Record) -> bool:
    texts = all(isinstance(ref[name], str) for name in ("name", "uri", "sha256"))
    rows = ref["rows"] is None or isinstance(ref["rows"], int)
    schema = ref["schema"]
    return texts and rows and isinstance(schema, dict) and all(isinstance(v, str) for v in schema.values())
