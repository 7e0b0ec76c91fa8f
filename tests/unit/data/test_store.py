"""The artifact store: same bytes once, atomic writes, damage noticed, nothing later than the as-of."""

from __future__ import annotations

import shutil
import threading
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quantflow.data.panel import Panel
from quantflow.data.store import ArtifactRef, ArtifactStore, write_atomic
from quantflow.errors import DataError, InfrastructureError, IntegrityError

AS_OF = date(2020, 1, 3)


def until(last: str) -> Panel:
    """Return a panel of one symbol from 2020-01-01 to *last*."""
    days = np.arange("2020-01-01", np.datetime64(last) + 1, dtype="datetime64[D]")
    return Panel(("A",), days, {"close": np.ones((1, len(days)))})


def moved(store: ArtifactStore, to: Path) -> ArtifactStore:
    """Return a copy of *store* elsewhere, whose files this process has not verified."""
    shutil.copytree(store.uri, to)
    return ArtifactStore(to)


def test_what_is_put_can_be_got(tmp_path: Path) -> None:
    """Tables, records and text come back; the ref says what they are."""
    store = ArtifactStore(tmp_path)
    table = pd.DataFrame({"w": [0.5, 0.5]}, index=pd.Index(["A", "B"], name="symbol"))
    ref = store.put("weights", table)
    pd.testing.assert_frame_equal(store.get(ref), table)
    assert (ref.name, ref.rows, ref.schema["w"]) == ("weights", 2, "double")
    assert store.get(store.put("allocation", {"used": "hrp"})) == {"used": "hrp"}
    assert store.get(store.put("brief", "text")) == "text"
    assert ArtifactRef(**ref.json()) == ref


def test_same_value_is_one_file(tmp_path: Path) -> None:
    """Equal values share a file whatever they are called; another value gets another."""
    store = ArtifactStore(tmp_path)
    first, second, third = store.put("a", {"x": 1}), store.put("b", {"x": 1}), store.put("a", {"x": 2})
    assert first.sha256 == second.sha256 != third.sha256
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 2


def test_a_moved_store_stays_valid(tmp_path: Path) -> None:
    """Refs hold no absolute path: a store copied elsewhere serves them."""
    store = ArtifactStore(tmp_path / "a")
    ref = store.put("x", {"x": 1})
    assert moved(store, tmp_path / "b").get(ref) == {"x": 1}


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone"])
def test_damage_is_noticed(tmp_path: Path, damage: str) -> None:
    """A flipped byte, a cut, empty or missing file is an IntegrityError and fails verification."""
    ref = (store := ArtifactStore(tmp_path / "a")).put("prices", until("2020-01-03"))
    copy = moved(store, tmp_path / "b")
    path = Path(copy.path(ref))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"flip": bytes(data), "cut": bytes(data[:-1]), "empty": b""}[damage])
    assert not copy.verify(ref)
    with pytest.raises(IntegrityError) as caught:
        copy.get(ref)
    assert caught.value.hint


def test_a_damaged_file_is_replaced_and_kept_for_a_look(tmp_path: Path) -> None:
    """Putting the value again fixes the store; setting aside keeps the damaged bytes beside it."""
    ref = (store := ArtifactStore(tmp_path / "a")).put("x", {"x": 1})
    copy = moved(store, tmp_path / "b")
    Path(copy.path(ref)).write_bytes(b"{}")
    assert copy.set_aside(ref)
    assert not copy.set_aside(ref)
    assert copy.put("x", {"x": 1}) == ref
    assert copy.get(ref) == {"x": 1}
    assert Path(f"{copy.path(ref)}.damaged").read_bytes() == b"{}"


def test_put_mends_a_damaged_file(tmp_path: Path) -> None:
    """A file that is there with wrong bytes is written again, not trusted by its name."""
    ref = (store := ArtifactStore(tmp_path / "a")).put("x", {"x": 1})
    copy = moved(store, tmp_path / "b")
    Path(copy.path(ref)).write_bytes(b"{}")
    copy.put("x", {"x": 1})
    assert copy.get(ref) == {"x": 1}


def test_nothing_after_the_as_of_goes_in_or_out(tmp_path: Path) -> None:
    """The store refuses to keep or hand out a session after the as-of, and allows the as-of itself."""
    late = until("2020-01-04")
    ref = ArtifactStore(tmp_path).put("prices", late)
    store = ArtifactStore(tmp_path, as_of=AS_OF)
    with pytest.raises(DataError, match="2020-01-04, after the as-of session 2020-01-03"):
        store.get(ref)
    with pytest.raises(DataError, match="after the as-of"):
        store.put("prices", late)
    returns = pd.DataFrame({"net": [0.0]}, index=pd.DatetimeIndex(["2020-01-06"], name="date"))
    with pytest.raises(DataError, match="oos_returns"):
        store.put("oos_returns", returns)
    ref = ArtifactStore(tmp_path).put("oos_returns", returns)
    with pytest.raises(DataError, match="2020-01-06, after the as-of"):
        store.rows(ref)
    assert store.get(store.put("prices", until("2020-01-03"))).last_session == np.datetime64("2020-01-03")


def test_the_rows_of_a_table_are_plain_values(tmp_path: Path) -> None:
    """By column, index included; NaN is None; damage is noticed, and only a table has rows."""
    store = ArtifactStore(tmp_path)
    table = pd.DataFrame({"w": [0.5, np.nan], "n": [1, 2]}, index=pd.Index(["A", "B"], name="symbol"))
    ref = store.put("weights", table)
    assert store.rows(ref) == [{"symbol": "A", "w": 0.5, "n": 1}, {"symbol": "B", "w": None, "n": 2}]
    for other in (until("2020-01-03"), {"used": "hrp"}):
        with pytest.raises(IntegrityError):
            store.rows(store.put("prices", other))
    elsewhere = moved(store, tmp_path / "moved")
    Path(elsewhere.path(ref)).write_bytes(b"PAR1")
    with pytest.raises(IntegrityError, match="damaged"):
        elsewhere.rows(ref)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """When the rename cannot happen the target is as before and no temporary file stays."""
    target = tmp_path / "run.json"
    target.mkdir()
    (target / "keep").write_text("old")
    with pytest.raises(InfrastructureError, match="cannot be written"):
        write_atomic(target, b"new")
    assert (target / "keep").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    """A store below a file cannot be used, and the error says where."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InfrastructureError) as caught:
        ArtifactStore(tmp_path / "file" / "store").put("x", {"x": 1})
    assert str(tmp_path / "file") in caught.value.message


def test_readers_see_old_or_new_never_half(tmp_path: Path) -> None:
    """While a file is rewritten many times, every read is one whole version."""
    target = tmp_path / "state"
    versions = [bytes([value]) * 50_000 for value in range(8)]
    write_atomic(target, versions[0])
    writer = threading.Thread(target=lambda: [write_atomic(target, version) for version in versions])
    writer.start()
    seen = set()
    while writer.is_alive():
        seen.add(target.read_bytes())
    writer.join()
    assert seen <= set(versions)


def test_files_are_private_and_folders_are_made(tmp_path: Path) -> None:
    """Artifacts hold positions: other users of the machine cannot read them."""
    ref = (store := ArtifactStore(tmp_path / "deep" / "store")).put("x", {"x": 1})
    assert Path(store.path(ref)).stat().st_mode & 0o077 == 0


def test_urls_work_like_folders() -> None:
    """Any fsspec URL is a store: put, get, verify, damage."""
    import fsspec

    store = ArtifactStore("memory://bucket/store")
    ref = store.put("x", {"x": 1})
    assert store.get(ref) == {"x": 1}
    assert store.verify(ref)
    other = ArtifactStore("memory://bucket/other")
    assert not other.verify(ref)
    with fsspec.open(other.path(ref), "wb") as file:
        file.write(b"{}")
    with pytest.raises(IntegrityError, match="damaged"):
        other.get(ref)
