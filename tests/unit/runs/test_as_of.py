"""How old prices may be: research on old ones goes on and says so, a feed that has stopped is an error."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quantflow.config.load import load_profile
from quantflow.config.profile import Profile
from quantflow.data import calendars
from quantflow.errors import DataError
from quantflow.review.facts import facts_of
from quantflow.runs.as_of import AsOf, refuse_stale, resolve_as_of
from quantflow.runs.create import create_run

OVER = calendars.last_completed("XNYS", datetime.now(UTC))
SESSIONS = calendars.sessions("XNYS", date(OVER.year - 2, 1, 1), OVER)


def workspace(home: Path, behind: int, **settings: object) -> Profile:
    """Write a profile over prices that end so many sessions before the last completed one."""
    days = SESSIONS[: len(SESSIONS) - behind]
    frame = pd.DataFrame({name: 100.0 + np.arange(len(days)) % 7 for name in ("AAA", "BBB")}, index=days)
    frame.rename_axis("date").to_csv(home / "prices.csv")
    lines = "".join(f"{name} = {value!r}\n" for name, value in settings.items()).replace("'", '"')
    (home / "quantflow.toml").write_text(f'[profiles.p.data]\nprovider = "files"\npath = "prices.csv"\n{lines}')
    return load_profile("p", workspace=home)


def test_fresh_prices_are_nothing_to_speak_of(tmp_path: Path) -> None:
    """Up to three sessions behind the last completed one are fresh."""
    found = resolve_as_of(workspace(tmp_path, 3), None)
    assert found == AsOf(SESSIONS[-4].item())
    refuse_stale(found, "p", tmp_path)


def test_old_prices_say_since_when(tmp_path: Path) -> None:
    """The last date, how many sessions that is behind, and behind which; the run is degraded with that reason."""
    profile = workspace(tmp_path, 4)
    found = resolve_as_of(profile, None)
    assert found.stale == f"prices end on {SESSIONS[-5]}, 4 sessions behind the last completed one ({OVER})"
    refuse_stale(found, "p", tmp_path)
    run = create_run(profile, tmp_path, found)
    assert run.degraded
    assert found.stale in facts_of(run)["notes"]


def test_a_feed_that_has_stopped_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a run had fresh prices, older ones end the next with exit code 21, also where nothing new is to be done."""
    profile = workspace(tmp_path, 10)
    night = datetime.combine(SESSIONS[-10].item(), datetime.min.time(), UTC).isoformat()
    monkeypatch.setattr("quantflow.runs.record.now", lambda: night)
    create_run(profile, tmp_path, SESSIONS[-11].item())
    found = resolve_as_of(profile, None)
    with pytest.raises(DataError, match=r"^p: prices end on .* 10 sessions behind") as caught:
        refuse_stale(found, "p", tmp_path)
    assert caught.value.exit_code == 21
    assert f"--as-of {found.session}" in str(caught.value.hint)
    refuse_stale(found, "another", tmp_path)


@pytest.mark.parametrize(
    ("settings", "blocks"),
    [({"on_age": "block"}, True), ({"on_age": "warn"}, False), ({"max_age": 20}, None), ({"max_age": "off"}, None)],
)
def test_the_profile_decides(settings: dict[str, object], blocks: bool | None, tmp_path: Path) -> None:
    """It may want no run on old prices at all, a degraded one in any case, or call older ones fresh."""
    found = resolve_as_of(workspace(tmp_path, 10, **settings), None)
    assert (found.blocks, bool(found.stale)) == (blocks, blocks is not None)
    if blocks:
        with pytest.raises(DataError):
            refuse_stale(found, "p", tmp_path)


def test_who_asks_for_a_session_has_it(tmp_path: Path) -> None:
    """With ``--as-of`` the past is meant; the sample's prices have ended for everybody."""
    profile = workspace(tmp_path, 10, on_age="block")
    assert resolve_as_of(profile, SESSIONS[-11].item()) == AsOf(SESSIONS[-11].item())
    assert resolve_as_of(load_profile("demo", workspace=tmp_path / "none"), None).stale == ""


def test_a_start_after_the_session_says_who_set_it_and_what_there_is(tmp_path: Path) -> None:
    """Before a run is made: the value, its layer, the as-of, and the days that the data have."""
    late = OVER.isoformat()
    profile = workspace(tmp_path, 10, start=late)
    for asked in (None, SESSIONS[-20].item()):
        with pytest.raises(DataError) as caught:
            resolve_as_of(profile, asked)
        session = asked or SESSIONS[-11].item()
        assert caught.value.message == (
            f"p: data.start = {late} (quantflow.toml [profiles.p.data]) is after the as-of {session}, "
            f"and the data are of {SESSIONS[0]} to {SESSIONS[-11]}."
        )
    flagged = load_profile("p", workspace=tmp_path, overrides=[f"data.start={late}"])
    with pytest.raises(DataError, match=r"\(--set\) is after the as-of"):
        resolve_as_of(flagged, None)
