"""Run records on disk: the truth about what ran, readable with no server and no workflow engine."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class _Package(ModuleType):
    """This package, which is also a function: ``quantflow.runs()``, for notebooks."""

    def __call__(self, *, workspace: Path | None = None) -> pd.DataFrame:
        """Return the runs of a workspace as a table, newest last; see ``quantflow.runs.research.table``."""
        from quantflow.runs.research.table import table_of  # a command line needs no pandas for it

        return table_of(workspace)


sys.modules[__name__].__class__ = _Package
