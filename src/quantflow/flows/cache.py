"""The stage cache as Prefect sees it: result storage that hands on verified JSON, locks that die with their owner."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from prefect.filesystems import WritableFileSystem
from prefect.locking.protocol import LockManager

from quantflow.data.cache import StageCache
from quantflow.data.store import ArtifactStore, private_folder
from quantflow.locks import FileLock
from quantflow.server.prefect_internals import as_result_record, from_result_record


class CacheStorage(WritableFileSystem):
    """Prefect's result storage over ``StageCache``.

    What lies on disk is quantflow's own record, never Prefect's: a file cannot choose the serializer that reads
    it, so it cannot run code. A missing, malformed or damaged entry raises, which Prefect takes as a cache miss.
    """

    _block_type_name: ClassVar[str] = "quantflow stage cache"
    cache_uri: str
    store_uri: str

    def _resolve_path(self, path: str) -> None:
        """Keep the key as it is: Prefect would take it for a path below the current folder."""

    def _cache(self) -> StageCache:
        return StageCache(self.cache_uri, ArtifactStore(self.store_uri))

    def read_path(self, path: str, _sync: bool = True) -> bytes:  # type: ignore[override]
        """Return the record *path* (a cache key) in Prefect's form."""
        return as_result_record(path, self._cache().read(path))

    def write_path(self, path: str, content: bytes, _sync: bool = True) -> None:  # type: ignore[override]
        """Store the result that Prefect's record *content* carries."""
        self._cache().write(path, from_result_record(content))


class KernelLocks(LockManager):
    """One computation per cache key at a time, across processes: file locks that the kernel frees at death.

    Args:
        folder: Where the lock files lie; on this machine or on a file system with ``flock``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: dict[tuple[str, str], FileLock] = {}

    def acquire_lock(
        self, key: str, holder: str, acquire_timeout: float | None = None, hold_timeout: float | None = None
    ) -> bool:
        """Take the lock of *key*; wait at most *acquire_timeout* seconds (None: for ever)."""
        if (key, holder) in self._held:
            return True
        private_folder(self.folder)
        lock = FileLock(self._path(key))
        if not lock.take(seconds=acquire_timeout):
            lock.close()
            return False
        self._held[key, holder] = lock
        return True

    async def aacquire_lock(
        self, key: str, holder: str, acquire_timeout: float | None = None, hold_timeout: float | None = None
    ) -> bool:
        """Take the lock, as ``acquire_lock``."""
        return self.acquire_lock(key, holder, acquire_timeout, hold_timeout)

    def release_lock(self, key: str, holder: str) -> None:
        """Free the lock of *key*; nothing if *holder* does not hold it.

        Prefect releases a committed transaction's lock again when the transaction around it commits.
        """
        lock = self._held.pop((key, holder), None)
        if lock is not None:
            lock.close()

    def is_locked(self, key: str) -> bool:
        """Whether anybody holds the lock of *key*."""
        return not self.wait_for_lock(key, timeout=0)

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Whether *holder*, in this process, holds the lock of *key*."""
        return (key, holder) in self._held

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until nobody holds the lock of *key*; False when *timeout* seconds were not enough."""
        if not self._path(key).exists():
            return True
        with FileLock(self._path(key), create=False) as lock:
            return lock.take(seconds=timeout)

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait, as ``wait_for_lock``."""
        return self.wait_for_lock(key, timeout)

    def _path(self, key: str) -> Path:
        return self.folder / f"{Path(key).name}.lock"

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "_held": {}}
