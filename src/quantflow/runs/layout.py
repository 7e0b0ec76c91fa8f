"""Where things lie in a workspace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The places below a workspace.

    Attributes:
        workspace: The folder of ``quantflow.toml``; ``runs/`` lies here.
        root: Where artifacts and cached results lie: ``.quantflow`` below the workspace, or an fsspec URL.
    """

    workspace: Path
    root: str

    @classmethod
    def of(cls, workspace: Path, store: str | None = None) -> Layout:
        """Return the layout of *workspace*, with its artifacts below *store* when one is given."""
        return cls(workspace, (store or str(workspace / ".quantflow")).rstrip("/"))

    @property
    def store(self) -> str:
        """The artifact store."""
        return f"{self.root}/artifacts"

    @property
    def cache(self) -> str:
        """The results by cache key."""
        return f"{self.root}/cache"

    @property
    def locks(self) -> Path:
        """One lock file per cache key that is being computed; always on this machine."""
        return self.workspace / ".quantflow" / "locks"
