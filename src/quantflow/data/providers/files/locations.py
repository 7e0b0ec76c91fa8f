"""Local files and fsspec URLs: list them and open them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit
from zipfile import ZipFile

from quantflow.config.credentials import revealed
from quantflow.errors import ConfigError, DataError, DataUnavailableError, QuantflowError, shortened, whose

TEXT: tuple[str, ...] = tuple(f"{name}{packed}" for name in (".csv", ".tsv", ".txt") for packed in ("", ".gz"))
SUFFIXES: tuple[str, ...] = (*TEXT, ".parquet", ".pq")
"""The file names that can be read end in one of these, also in a ``.zip``; Parquet brings its own compression."""

ZIP = ".zip/"
"""Separates a zip file from the name of a member in its path."""

_MAY_HEAL = {408, 425, 429}
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "http": "aiohttp", "https": "aiohttp", "abfs": "adlfs"}


def is_url(path: str) -> bool:
    """Whether *path* is an fsspec URL, not a path of this machine."""
    return "://" in path


def shown(path: str) -> str:
    """Return *path* as it may be printed: a URL without credentials and query."""
    if not is_url(path):
        return path
    parts = urlsplit(path)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def suffix(path: str) -> str:
    """Return which of ``SUFFIXES`` the file name ends in; empty for any other."""
    name = (urlsplit(path).path if is_url(path) else path).lower()
    return next((end for end in SUFFIXES if name.endswith(end)), "")


def is_text(path: str) -> bool:
    """Whether the file name is that of a CSV file."""
    return suffix(path) in TEXT


def folder_keys(path: str) -> dict[str, str]:
    """Return the partition values in a file's folders: ``symbol=AAPL``, as pandas, Spark and DuckDB write them."""
    parts = path.replace("\\", "/").split("/")[:-1]
    pairs = (part.partition("=") for part in parts if "=" in part)
    return {key: unquote(value) for key, _, value in pairs}


def stem(path: str) -> str:
    """Return the file's name without folder and suffix."""
    name = (urlsplit(path).path if is_url(path) else path).replace("\\", "/").rpartition("/")[2]
    return name[: len(name) - len(suffix(path))]


def list_files(path: str) -> list[str]:
    """Return the files that *path* stands for, sorted.

    Args:
        path: One file, a folder (its files with a known suffix; where it has none, those of its folders that are
            called ``key=value``) or a glob; local, or at any fsspec URL. In a URL only ``*`` makes a glob. Of a zip
            file the files in it.

    Raises:
        ConfigError: If there is none, or the URL's kind is unknown or needs a package that is not installed.
        DataUnavailableError: If a remote place does not answer now.
        DataError: If it refuses.
    """
    with explained(path):
        names = _list_remote(path) if is_url(path) else _list_local(path)
        names = [inner for name in names for inner in (_zipped(name) if name.lower().endswith(".zip") else [name])]
    found = sorted(name for name in names if suffix(name) and not stem(name).startswith((".", "_")))
    if not found:
        raise ConfigError(
            f"data.path = {shown(path)!r}: there is no such file, or none that can be read.",
            hint=f"Name a file, a folder or a glob of files that end in {', '.join(SUFFIXES)} or .zip.",
        )
    return found


def _list_local(path: str) -> list[str]:
    place = Path(path).expanduser()
    if place.is_dir():
        files = [str(child) for child in place.iterdir() if child.is_file()]
        data = [name for name in files if _readable(name)]
        tables = [name for name in data if not name.lower().endswith((".txt", ".txt.gz"))]  # a readme is not a table
        return tables or data or _partitioned(place)
    if place.is_file():
        return [str(place)]
    fixed = Path(*(part for part in _before_glob(place.parts)))
    pattern = "/".join(place.parts[len(fixed.parts) :])
    return [str(child) for child in fixed.glob(pattern) if child.is_file()] if pattern else []


def _readable(name: str) -> bool:
    return bool(suffix(name)) or name.lower().endswith(".zip")


def _partitioned(place: Path) -> list[str]:
    """Return the files below folders that are all called ``key=value``; none where there are others."""
    below = [child for child in place.rglob("*") if child.is_file() and _readable(str(child))]
    named = all("=" in part for child in below for part in child.relative_to(place).parts[:-1])
    return [str(child) for child in below] if named else []


def _zipped(path: str) -> list[str]:
    with ZipFile(_raw(path)) as archive:
        return [f"{path}/{name}" for name in archive.namelist() if suffix(name) and not name.startswith("__MACOSX/")]


def local_marks(path: str) -> list[tuple[str, int, int]]:
    """Return name, size and time of change (ns) of the local files that *path* stands for; none at a URL.

    Raises:
        DataError: If they cannot be looked at.
    """
    if is_url(path):
        return []
    with explained(path):
        stats = [(name, Path(name).stat()) for name in sorted(_list_local(path))]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _before_glob(parts: tuple[str, ...]) -> Iterator[str]:
    for part in parts:
        if re.search(r"[*?\[]", part):
            return
        yield part


def _list_remote(path: str) -> list[str]:
    import fsspec

    fs, inner = fsspec.core.url_to_fs(revealed(path))
    if "*" in inner:
        return [str(fs.unstrip_protocol(name)) for name in fs.glob(inner)]
    if _readable(path):
        return [path]
    there = [str(fs.unstrip_protocol(name)) for name in fs.ls(inner, detail=False)]
    if any(_readable(name) for name in there):
        return there
    return [str(fs.unstrip_protocol(name)) for name in fs.find(inner) if "=" in name[len(inner) :]]


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Open one file for reading; a remote one is fetched whole. ``.gz`` is unpacked on the way.

    Raises:
        QuantflowError: See ``explained``.
    """
    with explained(path), _raw(path) as file:
        if not suffix(path).endswith(".gz"):
            yield file
            return
        import gzip

        yield cast(BinaryIO, gzip.GzipFile(fileobj=file))


def _raw(path: str) -> BinaryIO:
    outer, inside, inner = path.partition(ZIP)
    if inside:
        with _raw(outer + ZIP[:-1]) as file, ZipFile(file) as archive:
            return io.BytesIO(archive.read(inner))
    if not is_url(path):
        return Path(path).open("rb")
    import fsspec

    fs, inner = fsspec.core.url_to_fs(revealed(path))
    return io.BytesIO(fs.cat_file(inner))


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Turn any error of reading *path* into one with a hint.

    Raises:
        ConfigError: If the URL's kind is unknown or needs a package that is not installed.
        DataUnavailableError: If a remote place broke off, timed out or is overloaded.
        DataError: If the file is missing, forbidden or damaged.
    """
    try:
        yield
    except (QuantflowError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  # every fsspec back end and every damaged file has errors of its own
        raise _translated(path, error) from None  # the cause may print credentials of the URL


def _translated(path: str, error: Exception) -> QuantflowError:
    if is_url(path) and (isinstance(error, ImportError) or "Protocol not known" in str(error)):
        scheme = path.partition("://")[0]
        package = _PACKAGES.get(scheme, "the fsspec package for it")
        return ConfigError(
            f"data.path = {shown(path)!r}: {scheme} files cannot be read here.", hint=f"Install {package}."
        )
    if isinstance(error, FileNotFoundError):
        return DataError(
            f"{shown(path)} is not there.", hint="Look at data.path, data.instruments and universe.members."
        )
    if isinstance(error, PermissionError) and not is_url(path):
        return DataError(
            f"{path} cannot be read: permission denied{whose(error)}.",
            hint="Let this user read it (chmod, chgrp), or run as its owner.",
        )
    status = getattr(error, "status", None)
    if is_url(path) and _heals(error, status):
        what = f"answered {status}" if status else f"did not answer ({type(error).__name__})"
        wait = retry_after(getattr(error, "headers", None) or {})
        return DataUnavailableError(f"{shown(path)} {what}.", hint="Try again later.", retry_after=wait)
    if isinstance(status, int):
        return DataError(f"{shown(path)} answered {status}.", hint="Look at the address, and whether it needs a key.")
    reason = shortened(str(error).splitlines()[0], 200) if str(error) and not is_url(path) else type(error).__name__
    return DataError(f"{shown(path)} cannot be read: {reason}.", hint="Fix the file, or take it out of data.path.")


def _heals(error: Exception, status: Any) -> bool:
    if isinstance(status, int):
        return status >= 500 or status in _MAY_HEAL
    broken = isinstance(error, (ConnectionError, TimeoutError)) or "Timeout" in type(error).__name__
    return broken or type(error).__module__.split(".")[0] in ("aiohttp", "urllib3", "requests")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, given as such or as a date; None without one."""
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
