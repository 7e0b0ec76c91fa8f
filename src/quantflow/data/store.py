"""The artifact store: immutable files named by the sha256 of their bytes, written atomically, verified when read."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from quantflow.data.artifacts import decode, encode, latest_date
from quantflow.errors import DataError, InfrastructureError, IntegrityError

_verified: set[str] = set()


@dataclass(frozen=True)
class ArtifactRef:
    """Where an artifact lies and what it is.

    Attributes:
        name: The artifact's name in the pipeline, e.g. ``"prices"``.
        uri: Path or fsspec URL of the file.
        sha256: Hex digest of its bytes.
        rows: Number of rows; None for records and text.
        schema: Column names and Arrow types; empty for records and text.
    """

    name: str
    uri: str
    sha256: str
    rows: int | None = None
    schema: dict[str, str] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """Return the ref as JSON values."""
        return asdict(self)


def write_atomic(path: Path, data: bytes) -> None:
    """Write *data* to *path* so that a reader sees the old file or the new one, also after a power cut.

    Raises:
        InfrastructureError: If the disk is full or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tmp-", suffix=path.suffix)
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _fsync_folder(path.parent)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _cannot_write(path, error) from error
        raise


def _fsync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _cannot_write(path: Path, error: OSError) -> InfrastructureError:
    return InfrastructureError(
        f"{path.parent} cannot be written: {error.strerror or error}.",
        hint="Free space or mend the folder's permissions, then resume.",
    )


class ArtifactStore:
    """Artifacts below one folder or fsspec URL.

    Args:
        uri: A local folder, or any fsspec URL (``s3://bucket/prefix``).
        as_of: When given, nothing dated later is ever handed out.
    """

    def __init__(self, uri: str | os.PathLike[str], *, as_of: date | None = None) -> None:
        self.uri = str(uri).rstrip("/")
        self.as_of = as_of

    @property
    def is_local(self) -> bool:
        """Whether the store is a folder of this machine."""
        return "://" not in self.uri

    def put(self, name: str, value: Any) -> ArtifactRef:
        """Store *value*; the same bytes are stored once.

        Raises:
            DataError: If the value cannot be an artifact, or is dated after ``as_of``.
            InfrastructureError: If it cannot be written.
        """
        self._refuse_future(name, value)
        data, suffix, rows, schema = encode(value)
        digest = hashlib.sha256(data).hexdigest()
        uri = f"{self.uri}/{digest[:2]}/{digest}{suffix}"
        if not self._holds(uri, digest):
            self._write(uri, data)
        _verified.add(uri)
        return ArtifactRef(name, uri, digest, rows, schema)

    def get(self, ref: ArtifactRef) -> Any:
        """Return the artifact in memory.

        Raises:
            IntegrityError: If it is missing or its bytes are not those that were written.
            DataError: If it holds a date after ``as_of``.
        """
        data = self._read(ref.uri)
        if ref.uri not in _verified:
            _check_digest(ref, data)
            _verified.add(ref.uri)
        value = decode(data, os.path.splitext(ref.uri)[1])
        self._refuse_future(ref.name, value)
        return value

    def verify(self, ref: ArtifactRef) -> bool:
        """Return whether the artifact is there with the right bytes; the hash is taken once per process."""
        if ref.uri in _verified and self._exists(ref.uri):
            return True
        try:
            _check_digest(ref, self._read(ref.uri))
        except IntegrityError:
            return False
        _verified.add(ref.uri)
        return True

    def set_aside(self, ref: ArtifactRef) -> None:
        """Move a damaged artifact out of the way, so that it can be made again and still be looked at."""
        _verified.discard(ref.uri)
        if self.is_local and Path(ref.uri).exists():
            os.replace(ref.uri, f"{ref.uri}.damaged")

    def _refuse_future(self, name: str, value: Any) -> None:
        latest = latest_date(value) if self.as_of is not None else None
        if latest is not None and latest > np.datetime64(self.as_of, "D"):
            raise DataError(
                f"Artifact {name!r} holds data of {latest}, after the as-of session {self.as_of}.",
                hint="A stage or provider looked ahead; nothing was used.",
            )

    def _holds(self, uri: str, digest: str) -> bool:
        if uri in _verified and self._exists(uri):
            return True
        return self._exists(uri) and hashlib.sha256(self._read(uri)).hexdigest() == digest

    def _exists(self, uri: str) -> bool:
        if self.is_local:
            return Path(uri).is_file()
        import fsspec

        fs, path = fsspec.core.url_to_fs(uri)
        return bool(fs.exists(path))

    def _read(self, uri: str) -> bytes:
        try:
            if self.is_local:
                return Path(uri).read_bytes()
            import fsspec

            with fsspec.open(uri, "rb") as file:
                return bytes(file.read())
        except FileNotFoundError as error:
            raise IntegrityError(f"Artifact {uri} is missing.", hint="Resume the run: it is made again.") from error
        except OSError as error:
            raise InfrastructureError(f"Artifact {uri} cannot be read: {error}.") from error

    def _write(self, uri: str, data: bytes) -> None:
        if self.is_local:
            write_atomic(Path(uri), data)
            return
        import fsspec

        try:
            with fsspec.open(uri, "wb") as file:
                file.write(data)
        except OSError as error:
            raise InfrastructureError(f"Artifact {uri} cannot be written: {error}.") from error


def _check_digest(ref: ArtifactRef, data: bytes) -> None:
    if hashlib.sha256(data).hexdigest() != ref.sha256:
        raise IntegrityError(
            f"Artifact {ref.name!r} is damaged: {ref.uri} does not have the bytes that were written.",
            hint="Resume the run: it is made again.",
        )


