"""Who hears of what happened."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from quantflow.config.load import load_meta, load_profile
from quantflow.config.profile import Profile
from quantflow.data.track import Band
from quantflow.desk.publish import publish
from quantflow.errors import ConfigError, DataError, DegradedError, Interrupted, LockedError
from quantflow.ops import notify
from quantflow.ops.notify import notifying, send
from ran import ran
from receiver import receiving


def profile(home: Path, address: str, on: str = "") -> Profile:
    """A profile that notifies an address."""
    text = f'[profiles.p]\nextends = "demo"\n[profiles.p.notify]\nto = ["{address}"]\n{on}\n'
    (home / "quantflow.toml").write_text(text)
    return load_profile("p", workspace=home)


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (DataError("The feed has stopped.", hint="Look at it."), "failed"),
        (DegradedError("Not published: a gate."), "stale"),
        (Interrupted(signal.SIGTERM), "failed"),
    ],
)
def test_an_error_is_sent_and_goes_on(tmp_path: Path, error: BaseException, event: str) -> None:
    """What ended a run arrives, with the hint, and ends it as before."""
    with receiving() as there:
        loaded = profile(tmp_path, there.address)
        with pytest.raises(type(error)), notifying(loaded, tmp_path):
            raise error
    assert there.titles == [f"quantflow p: {event}"]
    assert str(error) in there.posts[0]["message"]


@pytest.mark.parametrize("error", [LockedError("Another has it."), Interrupted(signal.SIGINT)])
def test_what_a_person_does_is_no_news(tmp_path: Path, error: BaseException) -> None:
    """Ctrl-C, and a run that another process is at work on, notify nobody."""
    with receiving() as there:
        loaded = profile(tmp_path, there.address)
        with pytest.raises(type(error)), notifying(loaded, tmp_path):
            raise error
    assert there.posts == []


def test_only_what_is_asked_for_is_sent(tmp_path: Path) -> None:
    """``on`` chooses."""
    with receiving() as there:
        loaded = profile(tmp_path, there.address, 'on = ["published"]')
        with pytest.raises(DataError), notifying(loaded, tmp_path):
            raise DataError("The feed has stopped.")
    assert there.posts == []


def test_a_new_book_is_news_once(tmp_path: Path) -> None:
    """A book of another decision is published, and late, if it is; the same again is not said twice."""
    with receiving() as there:
        loaded = profile(tmp_path, there.address)
        run = ran(tmp_path, profile="p")
        for _ in range(2):
            with notifying(loaded, tmp_path):
                publish(run)
    assert there.titles == ["quantflow p: published", "quantflow p: late"]
    assert there.posts[0]["message"].startswith("Book of 2022-12-28: 10 names")


def test_a_track_outside_its_band_is_news(tmp_path: Path, mocker: MockerFixture) -> None:
    """The band is that of `status`."""
    loaded = profile(tmp_path, "json://localhost/x")
    publish(ran(tmp_path, profile="p"))
    mocker.patch.object(notify, "band_of", return_value=Band(5, -0.3, 0.0, -0.1, 0.1))
    found = {notice.event: notice.text for notice in notify.notices(loaded, tmp_path, None)}
    assert found["out_of_band"] == "The track: -30.00% in 5 sessions, outside the promised -10.00% to +10.00%."


def test_settings_of_one_s_own_notify_nobody(tmp_path: Path) -> None:
    """An experiment is its author's business."""
    with receiving() as there:
        profile(tmp_path, there.address)
        loaded = load_profile("p", workspace=tmp_path, overrides=["policy.top_n=1"])
        with pytest.raises(DataError), notifying(loaded, tmp_path):
            raise DataError("no")
    assert there.posts == []


def test_an_address_that_cannot_be_reached_costs_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """Refused, unknown and misspelt ones are named by their scheme, without what is secret, and nothing fails."""
    with receiving(500) as there:
        send([there.address, "nonsense://x", "${NOT_SET_ANYWHERE}"], "t", "b", bad=True)
    said = capsys.readouterr().err
    assert said.count("warning: ") == 3
    assert "NOT_SET_ANYWHERE" in said
    assert "s3cret" not in said


def test_no_answer_is_waited_for_only_so_long(mocker: MockerFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """A receiver that hangs holds nothing up."""
    mocker.patch.object(notify, "PATIENCE_SECONDS", 0.3)
    with receiving(answers=False) as there:
        began = time.monotonic()
        send([there.address], "t", "b", bad=True)
        assert time.monotonic() - began < 3.0
    assert "no answer" in capsys.readouterr().err


def test_an_address_is_in_no_record(tmp_path: Path) -> None:
    """Settings of a run have no addresses, and what is shown of a profile hides them."""
    loaded = profile(tmp_path, "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ")
    run = ran(tmp_path, profile="p")
    assert "TIiajkdnl" not in (run.folder / "run.json").read_text()
    assert "TIiajkdnl" not in json.dumps(loaded.model_dump(mode="json"))
    assert loaded.notify.to[0].startswith("slack://${QUANTFLOW_SECRET_")


def test_a_list_of_addresses_is_short_for_the_section(tmp_path: Path) -> None:
    """`notify = […]` in a profile or a meta profile; what is no address is refused."""
    text = '[profiles.p]\nextends = "demo"\nnotify = ["json://h/x"]\n'
    text += '[meta.m]\nsleeves = [{ profile = "p" }]\nnotify = ["${HOOK}"]\n'
    (tmp_path / "quantflow.toml").write_text(text)
    assert len(load_profile("p", workspace=tmp_path).notify.to) == 1
    assert load_meta("m", workspace=tmp_path).notify.to == ("${HOOK}",)
    (tmp_path / "quantflow.toml").write_text('[profiles.p]\nextends = "demo"\nnotify = ["me"]\n')
    with pytest.raises(ConfigError, match="must match"):
        load_profile("p", workspace=tmp_path)
