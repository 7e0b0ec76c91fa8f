"""Wheels that a run gives to the nodes of a cluster, which then need not have the packages installed.

Ray would install a wheel by pip, with all its dependencies in whichever versions there are. So wheels are unpacked
here, and Ray is given the folders: a node needs no pip and no package index, and computes with the packages it has.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from quantflow.errors import ConfigError


def found(names: Sequence[str], workspace: Path) -> list[Path]:
    """Return the paths of the wheels that ``execution.ray_wheels`` names.

    Raises:
        ConfigError: Naming one that is not there, or is not a wheel.
    """
    paths = [workspace / name for name in names]
    for path in paths:
        if not zipfile.is_zipfile(path):
            what = f"{path} is not a wheel" if path.exists() else f"There is no wheel {path}"
            raise ConfigError(
                f"{what} (execution.ray_wheels).",
                hint="Build it, or name the one that is there, by its path from the workspace.",
            )
    return paths


@contextmanager
def unpacked(wheels: Sequence[Path]) -> Iterator[list[str]]:
    """Unpack wheels for the block; yield the folders and files of each, which is what Ray's ``py_modules`` takes.

    A wheel's ``.dist-info`` is one of them: by it a package knows its version.
    """
    with tempfile.TemporaryDirectory(prefix="qf-wheels-") as folder:
        for number, wheel in enumerate(wheels):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(Path(folder, str(number)))
        yield [str(path) for path in sorted(Path(folder).glob("*/*"))]
