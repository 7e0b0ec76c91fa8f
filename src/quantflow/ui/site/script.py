"""What the page's folder consists of: data as scripts, the page's own files, and plotly's, written where they differ.

A page that is opened from a folder may not read files, but it may run scripts beside it: data are scripts that hand
over one value.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Mapping
from datetime import date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from quantflow.data.store import private_folder
from quantflow.errors import InfrastructureError

PLOTLY = "plotly.min.js"
_TEMPORARY = ".writing"


def plain(value: Any) -> Any:
    """Return *value* as JSON knows it: numbers that are not finite become null, dates their ISO form."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(each) for each in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, datetime | date | np.datetime64):
        return str(value)[:10]
    return value if value is None or isinstance(value, int | str) else str(value)


def as_script(name: str, value: Any) -> str:
    """Return the script that hands *value*, which is ``plain``, to the page under *name*.

    The value travels as a string of JSON: as an object of the script's own, a key ``__proto__`` would not be a key.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"quantflow.data({json.dumps(name)}, '{quoted}');\n"


def write_data(folder: Path, name: str, value: Any) -> None:
    """Write ``data/NAME.js`` below the page's folder, unless it holds just that; *value* is ``plain``."""
    _put(folder / "data" / f"{name}.js", as_script(name, value).encode())


def write_static(folder: Path) -> None:
    """Write the page, its style, its scripts and plotly's, where they are not there yet or differ."""
    own = files("quantflow.ui.site") / "static"
    for inner in ("", "views"):
        for each in (own / inner if inner else own).iterdir():
            if each.is_file():
                _put(folder / inner / each.name, each.read_bytes())
    plotly = Path(str(files("plotly") / "package_data" / PLOTLY))
    if not _is_copy(folder / PLOTLY, plotly):
        _put(folder / PLOTLY, plotly.read_bytes())
        shutil.copystat(plotly, folder / PLOTLY)  # its time, by which it is known the next time
        (folder / PLOTLY).chmod(0o600)


def write_text(path: Path, text: str) -> None:
    """Write a file, unless it holds just that."""
    _put(path, text.encode())


def _is_copy(path: Path, source: Path) -> bool:
    try:
        one, two = path.stat(), source.stat()
    except OSError:
        return False
    return (one.st_size, int(one.st_mtime)) == (two.st_size, int(two.st_mtime))


def _put(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old or the new one; it can be made again, so that no disk is waited for.

    Raises:
        InfrastructureError: If it cannot be written.
    """
    try:
        if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
            return
        private_folder(path.parent)
        temporary = path.with_name(f"{path.name}{_TEMPORARY}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        temporary.replace(path)
    except OSError as error:
        raise InfrastructureError(
            f"{path} cannot be written: {error.strerror or error}.",
            hint="Free space or fix the folder's permissions, or choose another folder: quantflow ui --output DIR",
        ) from error
