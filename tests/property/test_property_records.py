"""Properties of everything that is read back from a workspace: whatever is in the files, quantflow answers in words."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.config.load import load_meta, load_profile
from quantflow.data.cache import StageCache
from quantflow.data.store import ArtifactStore
from quantflow.errors import QuantflowError
from quantflow.ops.garbage import find_garbage
from quantflow.runs.create import create_run
from quantflow.runs.find import find_run, list_runs
from quantflow.runs.kinds import open_run
from quantflow.runs.layout import Layout
from quantflow.runs.outcome import outcome
from quantflow.runs.record import RunRecord, StageRecord

AS_OF = date(2022, 12, 28)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run that has stages, and a meta run."""
    home = tmp_path_factory.mktemp("sound")
    layout = Layout.of(home)
    ref = ArtifactStore(layout.store).put("metrics", {"value": 1})
    record = create_run(load_profile("demo", workspace=home), home, AS_OF, "one")
    for name in ("ingestion", "features"):
        record.write_stage(StageRecord(name, "done", key="k", fingerprint={"config": {}}, outputs={"metrics": ref}))
    record.event("stage.running", stage="inference")
    (record.folder / "lock").write_text(json.dumps({"pid": 1, "host": "here", "start": 1, "boot": "x", "since": "y"}))
    create_run(load_meta("demo_meta", workspace=home), home, AS_OF, "both")
    StageCache(layout.cache, ArtifactStore(layout.store)).write(
        "k", {"outputs": {"metrics": ref.json()}, "summary": {}}
    )
    return home


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """All paths into a JSON value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield from places(below, (*path, key))


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Other bytes in place of a record: cut, changed, or JSON with another value in one place."""
    match draw(st.sampled_from(["cut", "change", "value", "drop"])):
        case "cut":
            return data[: draw(st.integers(0, len(data)))]
        case "change":
            at = draw(st.integers(0, len(data)))
            return data[:at] + draw(st.binary(max_size=6)) + data[at + draw(st.integers(0, 6)) :]
        case how:
            lines = data.decode().splitlines()
            jsonl = all(line.startswith("{") and line.endswith("}") for line in lines)
            number = draw(st.integers(0, len(lines) - 1)) if jsonl else 0
            value = json.loads(lines[number] if jsonl else data)
            *path, last = draw(st.sampled_from([place for place in places(value) if place]))
            holder = value
            for key in path:
                holder = holder[key]
            if how == "drop":
                del holder[last]
            else:
                holder[last] = draw(JSON)
            text = json.dumps(value)
            return "\n".join([*lines[:number], text, *lines[number + 1 :]] if jsonl else [text]).encode()


@settings(max_examples=400)
@given(data=st.data())
def test_damaged_records_are_answered_in_words(sound: Path, data: st.DataObject) -> None:
    """Any change of any record or cache entry: inspect, list, plan, resume's view and gc work or refuse in words."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        shutil.copytree(sound, home)
        files = sorted(path for path in [*home.glob("runs/**/*"), *home.glob(".quantflow/cache/*")] if path.is_file())
        path = data.draw(st.sampled_from(files), label="file")
        path.write_bytes(data.draw(damaged(path.read_bytes()), label="bytes"))
        assert len(list_runs(home)) == 2
        if path.name == "run.json":
            name = path.parent.name
            assert RunRecord(home, name).header == RunRecord(sound, name).header, "the events tell it"
        with suppress(QuantflowError):
            find_garbage(home, keep=1, older_than=None)
        StageCache(Layout.of(home).cache, ArtifactStore(Layout.of(home).store)).lookup("k")
        for name in ("one", "both"):
            with suppress(QuantflowError):
                found = find_run(home, name)
                json.dumps(found.json())
                json.dumps(outcome(found).json())
            with suppress(QuantflowError):
                open_run(home, name).plan()
