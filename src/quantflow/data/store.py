"""The artifact store: immutable files named by the sha256 of their bytes, written atomically, verified when read."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from quantflow.config.credentials import revealed
from quantflow.errors import DataError, InfrastructureError, IntegrityError

_verified: set[str] = set()
_PROBE_BYTES = 1 << 20  # a database that has no room for a page may leave room for a small file
_PREFIX = ".tmp-{}-{}-"
"""How an unfinished file or a temporary folder is called: host and process that write it."""


@dataclass(frozen=True)
class ArtifactRef:
    """Where an artifact lies and what it is.

    Attributes:
        name: The artifact's name in the pipeline, e.g. ``"prices"``.
        uri: The file's place below the store's root, so that a moved or mirrored store stays valid.
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
        private_folder(path.parent)
        fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=_PREFIX.format(socket.gethostname(), os.getpid()))
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _publish(Path(temporary), path)
        fsync_folder(path.parent)
    except BaseException as error:  # whatever stops the write, a signal too, leaves no unfinished file
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _cannot_write(path, error) from error
        raise


def _publish(temporary: Path, path: Path) -> None:
    """Put a finished file in its place: the one moment at which a write becomes visible."""
    temporary.replace(path)


def write_trouble(folder: Path) -> str | None:
    """Return why nothing can be written in *folder*, found by writing a little; None when it can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.strerror or str(error)
    return None


def temporary_folder(parent: Path) -> Path:
    """Return a new folder in *parent*, which ``sweep`` removes when this process is dead."""
    return Path(tempfile.mkdtemp(dir=parent, prefix=_PREFIX.format(socket.gethostname(), os.getpid())))


def sweep(folders: Iterable[Path]) -> None:
    """Remove the unfinished files and temporary folders that dead processes of this machine have left in *folders*."""
    ours = _PREFIX.format(socket.gethostname(), "")[:-1]
    for folder in folders:
        for path in folder.glob(f"{ours}*"):
            owner = path.name.removeprefix(ours).partition("-")[0]
            if owner.isdigit() and not Path(f"/proc/{owner}").exists():
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def private_folder(folder: Path) -> None:
    """Make a folder and its missing parents, for this user's eyes only.

    Raises:
        InfrastructureError: If the disk is full or a parent cannot be written.
    """
    try:
        for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def fsync_folder(folder: Path) -> None:
    """Have the kernel write down which names are in a folder, so that they are there after a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _cannot_write(path: Path, error: OSError) -> InfrastructureError:
    return InfrastructureError(
        f"{path} cannot be written: {error.strerror or error}.",
        hint="Free space or fix the folder's permissions, then resume.",
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

    def put(self, name: str, value: Any) -> ArtifactRef:
        """Store *value*; the same bytes are stored once.

        Raises:
            DataError: If the value cannot be an artifact, or is dated after ``as_of``.
            InfrastructureError: If it cannot be written.
        """
        from quantflow.data.artifacts import encode  # seconds of libraries, for who reads or writes tables alone

        self._refuse_future(name, value)
        data, suffix, rows, schema = encode(value)
        digest = hashlib.sha256(data).hexdigest()
        ref = ArtifactRef(name, f"{digest[:2]}/{digest}{suffix}", digest, rows, schema)
        if not self.verify(ref):
            write_bytes(self.path(ref), data)
            _verified.add(self.path(ref))
        return ref

    def get(self, ref: ArtifactRef) -> Any:
        """Return the artifact in memory.

        Raises:
            IntegrityError: If it is missing or its bytes are not those that were written.
            DataError: If it holds a date after ``as_of``.
        """
        from quantflow.data.artifacts import decode

        value = decode(self._read(ref), PurePosixPath(ref.uri).suffix)
        self._refuse_future(ref.name, value)
        return value

    def rows(self, ref: ArtifactRef) -> list[dict[str, Any]]:
        """Return a small table as its rows, by column, index included; what is undefined is None.

        It is for who only shows a table: pandas takes longer to import than that.

        Raises:
            IntegrityError: As ``get``.
            DataError: As ``get``.
        """
        from quantflow.data.artifacts import decode_rows

        rows = decode_rows(self._read(ref))
        self._refuse_later(ref.name, max((day for row in rows for day in days_of(row.values())), default=None))
        return rows

    def _read(self, ref: ArtifactRef) -> bytes:
        path = self.path(ref)
        data = read_bytes(path)
        if path not in _verified:
            _check_digest(ref, data)
            _verified.add(path)
        return data

    def verify(self, ref: ArtifactRef) -> bool:
        """Return whether the artifact is there with the right bytes; the hash is taken once per process."""
        path = self.path(ref)
        if path in _verified and exists(path):
            return True
        try:
            _check_digest(ref, read_bytes(path))
        except IntegrityError:
            return False
        _verified.add(path)
        return True

    def path(self, ref: ArtifactRef) -> str:
        """Return the full path or URL of an artifact."""
        return f"{self.uri}/{ref.uri}"

    def set_aside(self, ref: ArtifactRef) -> bool:
        """Move a damaged artifact out of the way, to be looked at; return whether there was one."""
        path = self.path(ref)
        _verified.discard(path)
        if is_local(path) and Path(path).exists():
            Path(path).replace(f"{path}.damaged")
            return True
        return False

    def _refuse_future(self, name: str, value: Any) -> None:
        from quantflow.data.artifacts import latest_date

        latest = latest_date(value) if self.as_of is not None else None
        self._refuse_later(name, None if latest is None else latest.astype("datetime64[D]").item())

    def _refuse_later(self, name: str, latest: date | None) -> None:
        if latest is not None and self.as_of is not None and latest > self.as_of:
            raise DataError(
                f"Artifact {name!r} holds data of {latest}, after the as-of session {self.as_of}.",
                hint="A stage or provider looked ahead; nothing was used.",
            )


def days_of(values: Iterable[object]) -> Iterator[date]:
    """Yield the dates among some values, those of times too."""
    return (value.date() if isinstance(value, datetime) else value for value in values if isinstance(value, date))


def is_local(path: str) -> bool:
    """Whether *path* is a path of this machine, not a URL."""
    return "://" not in path


def exists(path: str) -> bool:
    """Whether there is a file at the path or fsspec URL."""
    if is_local(path):
        return Path(path).is_file()
    import fsspec

    fs, inner = fsspec.core.url_to_fs(revealed(path))
    return bool(fs.exists(inner))


def read_bytes(path: str) -> bytes:
    """Return the bytes at a path or fsspec URL.

    Raises:
        IntegrityError: If there is no such file.
        InfrastructureError: If it cannot be read.
    """
    try:
        if is_local(path):
            return Path(path).read_bytes()
        import fsspec

        with fsspec.open(revealed(path), "rb") as file:
            return bytes(file.read())
    except FileNotFoundError as error:
        raise IntegrityError(f"{path} is missing.", hint="Resume the run: it is made again.") from error
    except OSError as error:
        raise InfrastructureError(f"{path} cannot be read: {error}.") from error


def write_bytes(path: str, data: bytes) -> None:
    """Write a whole file at a path or fsspec URL; a reader never sees half of it.

    Raises:
        InfrastructureError: If it cannot be written.
    """
    if is_local(path):
        write_atomic(Path(path), data)
        return
    import fsspec

    try:
        with fsspec.open(revealed(path), "wb") as file:
            file.write(data)
    except OSError as error:
        raise InfrastructureError(f"{path} cannot be written: {error}.") from error


def _check_digest(ref: ArtifactRef, data: bytes) -> None:
    if hashlib.sha256(data).hexdigest() != ref.sha256:
        raise IntegrityError(
            f"Artifact {ref.name!r} is damaged: {ref.uri} does not have the bytes that were written.",
            hint="Resume the run: it is made again.",
        )
