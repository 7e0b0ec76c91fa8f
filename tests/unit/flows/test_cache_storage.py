"""Result storage: JSON only, verified, and locks that die with their owner."""

from __future__ import annotations

import base64
import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect.results import ResultStore
from prefect.serializers import JSONSerializer

from quantflow.data.cache import StageCache
from quantflow.data.sealed import sealed
from quantflow.data.store import ArtifactStore
from quantflow.errors import IntegrityError
from quantflow.flows.cache import CacheStorage, KernelLocks


@pytest.fixture
def cache(tmp_path: Path) -> StageCache:
    return StageCache(f"{tmp_path}/cache", ArtifactStore(f"{tmp_path}/artifacts"))


@pytest.fixture
def result(cache: StageCache) -> dict[str, Any]:
    ref = cache.store.put("metrics", {"sharpe": 1.0})
    return {"outputs": {"metrics": ref.json()}, "summary": {"entered": 1, "left": 1, "note": "", "degraded": False}}


@pytest.fixture
def prefect_store(cache: StageCache) -> ResultStore:
    storage = CacheStorage(cache_uri=cache.uri, store_uri=cache.store.uri)
    return ResultStore(result_storage=storage, serializer=JSONSerializer(), cache_result_in_memory=False)


def test_prefect_reads_what_it_wrote(prefect_store: ResultStore, result: dict[str, Any]) -> None:
    """A result goes through Prefect's store and back unchanged."""
    prefect_store.write(result, key="features-1")
    assert prefect_store.exists("features-1")
    assert prefect_store.read("features-1").result == result


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def payloads(target: Path) -> dict[str, bytes]:
    bomb = pickle.dumps(Bomb(target))
    record = {
        "metadata": {"storage_key": "k", "expiration": None, "serializer": {"type": "pickle"}, "prefect_version": "3"},
        "result": base64.b64encode(bomb).decode(),
    }
    named = {"outputs": {}, "summary": {"__class__": "subprocess.Popen", "data": {}}, "schema_version": 1}
    listed = {"outputs": {"x": {"name": "x", "uri": "u", "sha256": "s", "rows": {"__class__": "os"}}}, "summary": {}}
    return {
        "raw pickle": bomb,
        "record that declares pickle": json.dumps(record).encode(),
        "class in the summary": json.dumps(sealed(named)).encode(),
        "class in a ref": json.dumps(sealed({**listed, "schema_version": 1})).encode(),
        "no json": b"\xff\x00",
        "list": b"[]",
    }


@pytest.mark.parametrize("kind", list(payloads(Path("x"))))
def test_a_planted_payload_does_not_run(
    kind: str, tmp_path: Path, cache: StageCache, prefect_store: ResultStore
) -> None:
    """A file in the cache can neither choose a serializer nor name a class; it is a miss."""
    target = tmp_path / "ran"
    Path(cache.uri).mkdir()
    Path(cache.path("k")).write_bytes(payloads(target)[kind])
    assert not prefect_store.exists("k")
    assert cache.lookup("k") is None
    assert not target.exists()


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_a_damaged_artifact_is_a_miss_and_set_aside(
    damage: str, cache: StageCache, prefect_store: ResultStore, result: dict[str, Any]
) -> None:
    """A cached result whose artifact is not what was written is not believed; the bytes are kept to be looked at."""
    prefect_store.write(result, key="k")
    path = Path(cache.store.uri) / result["outputs"]["metrics"]["uri"]
    data = path.read_bytes()
    path.unlink()
    if damage != "remove":
        path.write_bytes(data[:-1] if damage == "truncate" else bytes([data[0] ^ 1]) + data[1:])
    code = (
        "import sys; from quantflow.data.cache import StageCache; from quantflow.data.store import ArtifactStore;"
        "print(StageCache(sys.argv[1], ArtifactStore(sys.argv[2])).lookup('k'))"
    )
    fresh = subprocess.run(
        [sys.executable, "-c", code, cache.uri, cache.store.uri], capture_output=True, text=True, check=True
    )
    assert fresh.stdout.strip() == "None"
    assert Path(f"{path}.damaged").exists() is (damage != "remove")


def test_a_refused_record_says_why(cache: StageCache) -> None:
    """The error names the file."""
    Path(cache.uri).mkdir()
    Path(cache.path("k")).write_text("{}")
    with pytest.raises(IntegrityError, match=r"k\.json"):
        cache.read("k")


def test_a_lock_is_exclusive_and_is_freed(tmp_path: Path) -> None:
    """One holder at a time; the next gets it when it is released."""
    first, second = KernelLocks(tmp_path), KernelLocks(tmp_path)
    assert first.acquire_lock("k", "a")
    assert first.is_lock_holder("k", "a")
    assert not second.acquire_lock("k", "b", acquire_timeout=0.1)
    assert second.is_locked("k")
    first.release_lock("k", "a")
    first.release_lock("k", "a")  # Prefect does so when transactions are nested
    assert not second.is_locked("k")
    assert second.acquire_lock("k", "b", acquire_timeout=0)
    second.release_lock("k", "b")


def test_a_killed_holder_frees_its_lock(tmp_path: Path) -> None:
    """After kill -9 nobody waits for the dead."""
    code = (
        "import sys, time; from pathlib import Path; from quantflow.flows.cache import KernelLocks;"
        "KernelLocks(Path(sys.argv[1])).acquire_lock('k', 'a'); print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    locks = KernelLocks(tmp_path)
    assert locks.is_locked("k")
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert locks.acquire_lock("k", "b", acquire_timeout=1)
    locks.release_lock("k", "b")
