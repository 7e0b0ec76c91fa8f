"""A run's settings become a profile's: exactly those, with what is at stake, and with a record of who decided."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from quantflow.config.load import load_profile
from quantflow.desk.promote import candidate_of, plan, promote
from quantflow.desk.promotions import promotions
from quantflow.errors import ConfigError, InfrastructureError
from quantflow.runs.header import Decided, Kind
from quantflow.runs.research.counted import UNWEIGHTED
from quantflow.runs.run import Run
from recorded import Name, created, recorded, without_stage

STARTER = (files("quantflow.config") / "starter.toml").read_bytes()
NAMES = {"KO": Name([1.0, 2.0, 3.0]), "AAPL": Name([1.0, 2.0, 3.0])}
TRIED = ("policy.top_n=3", "scores.weights={trend=1.0}", "policy.max_volatility='off'", "publish.max_turnover=0.1")


def tried(home: Path, *overrides: str, profile: str = "core") -> Run:
    """Return a complete run of a starter workspace with some settings."""
    if not (home / "quantflow.toml").exists():
        (home / "quantflow.toml").write_bytes(STARTER)
    return recorded(home, NAMES, {"KO": 0.6, "AAPL": 0.4}, *overrides, profile=profile)


def promoted(home: Path, run: Run, profile: str) -> Any:
    """Promote a run; return what was planned."""
    planned = plan(home, candidate_of(home, run.id), profile)
    promote(home, planned)
    return planned


def same(home: Path, profile: str, run: Run) -> bool:
    """Whether a profile has the settings of a run that change weights or figures."""
    found = load_profile(profile, workspace=home).settings()
    sections = found.keys() - UNWEIGHTED
    return {name: found[name] for name in sections} == {name: run.header.settings[name] for name in sections}


@pytest.mark.parametrize("profile", ["core", "calm", "fresh", "demo"])
def test_the_profile_has_the_settings_of_the_run(tmp_path: Path, profile: str) -> None:
    """Of an existing profile, one that extends it, a new one and a built-in name: exactly those of the run."""
    run = tried(tmp_path, *TRIED)
    planned = promoted(tmp_path, run, profile)
    assert same(tmp_path, profile, run)
    assert planned.created == (profile in ("fresh", "demo"))
    assert planned.extends == ("core" if planned.created else "")
    again = plan(tmp_path, candidate_of(tmp_path, run.id), profile)
    assert (again.needed, again.changes, again.diff) == (False, {}, "")


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    """A new profile has what differs from the one that it extends; the rest of the file stays to the byte."""
    run = tried(tmp_path, *TRIED)
    planned = promoted(tmp_path, run, "fresh")
    text = (tmp_path / "quantflow.toml").read_text()
    block = text.removeprefix(STARTER.decode()).splitlines()
    assert block[1].startswith(f"# Promoted from run {run.id} by ")
    assert block[2:] == [
        "[profiles.fresh]",
        'extends = "core"',
        "",
        "[profiles.fresh.scores]",
        "weights = {trend = 1.0}",
        "",
        "[profiles.fresh.policy]",
        'max_volatility = "off"',
        "top_n = 3",
    ]
    assert planned.changes["policy.top_n"] == (2, 3)
    assert "+top_n = 3" in planned.diff


def test_how_a_profile_is_published_stays_its_own(tmp_path: Path) -> None:
    """The gates of the desk are not those of an experiment: publish, orders, report and execution are not promoted."""
    run = tried(tmp_path, "policy.top_n=3", "publish.max_turnover=9", "report.top=3", "execution.runner=local")
    assert promoted(tmp_path, run, "core").changes.keys() == {"policy.top_n"}
    assert load_profile("core", workspace=tmp_path).publish.max_turnover is None


def test_a_limit_that_is_switched_off_and_one_that_is_its_own_again(tmp_path: Path) -> None:
    """What a base limits is switched off; what the profile itself set is taken out again."""
    run = tried(tmp_path, "policy.max_volatility='off'", "universe.symbols=['KO', 'AAPL']")
    promoted(tmp_path, run, "calm")
    assert same(tmp_path, "calm", run)
    back = tried(tmp_path)
    promoted(tmp_path, back, "calm")
    assert same(tmp_path, "calm", back)
    assert 'symbols = ["KO"' not in (tmp_path / "quantflow.toml").read_text()


def test_other_data_and_paths_beside_the_file(tmp_path: Path) -> None:
    """A run on another provider is written with what that needs, without what it does not know; paths stay short."""
    run = tried(tmp_path, "data.provider=sample")
    promoted(tmp_path, run, "core")
    assert same(tmp_path, "core", run)
    other = tried(tmp_path, "data.provider=files", "data.path=elsewhere/prices.csv", "data.start=2016-01-04")
    promoted(tmp_path, other, "fresh")
    assert same(tmp_path, "fresh", other)
    text = (tmp_path / "quantflow.toml").read_text()
    assert 'path = "elsewhere/prices.csv"\n' in text
    assert "start = 2016-01-04\n" in text


def test_a_run_of_a_profile_that_is_gone_stands_alone(tmp_path: Path) -> None:
    """Without the profile that it was of, a new one extends nothing and says all that is not a default."""
    (tmp_path / "quantflow.toml").write_text('[profiles.old]\nextends = "demo"\npolicy.top_n = 4\n')
    run = tried(tmp_path, profile="old")
    (tmp_path / "quantflow.toml").write_text("")
    planned = promoted(tmp_path, run, "fresh")
    assert (planned.created, planned.extends) == (True, "")
    assert same(tmp_path, "fresh", run)


def test_a_workspace_without_a_file_gets_one(tmp_path: Path) -> None:
    """The built-in profiles need no file; a promotion makes it."""
    run = recorded(tmp_path, NAMES, {"KO": 1.0}, "policy.top_n=4")
    promoted(tmp_path, run, "demo")
    assert (tmp_path / "quantflow.toml").read_text().splitlines()[1:] == [
        "[profiles.demo]",
        'extends = "demo"',
        "",
        "[profiles.demo.policy]",
        "top_n = 4",
    ]
    assert same(tmp_path, "demo", run)


def test_what_is_at_stake_is_shown(tmp_path: Path) -> None:
    """Turnover against the profile's book on both sides, what its gates would say, and who else changes."""
    run = tried(tmp_path, *TRIED)
    book = tmp_path / "current" / "core"
    book.mkdir(parents=True)
    facts = {"run_id": "before", "as_of": "2022-12-27", "weights": {"KO": 0.5, "XOM": 0.5}}
    (book / "book.json").write_text(json.dumps(facts))
    text = STARTER.decode().replace("#max_turnover = 1.0", "max_turnover = 0.5")
    (tmp_path / "quantflow.toml").write_text(text)
    planned = plan(tmp_path, candidate_of(tmp_path, run.id), "core")
    assert planned.turnover == pytest.approx(0.1 + 0.5 + 0.4)
    assert planned.book == "before"
    assert planned.gates == ("the turnover is 100.00%, beyond publish.max_turnover 50.00%",)
    assert planned.also == ("calm",)
    fresh = plan(tmp_path, candidate_of(tmp_path, run.id), "fresh")
    assert (fresh.turnover, fresh.book, fresh.gates, fresh.also) == (pytest.approx(1.0), None, (), ())
    assert (tmp_path / "quantflow.toml").read_text() == text, "planning writes nothing"


def test_who_decided_is_recorded(tmp_path: Path) -> None:
    """Each promotion is a line: who, when, of which run, what changed; a torn line hides no other."""
    run = tried(tmp_path, *TRIED)
    promoted(tmp_path, run, "core")
    with (tmp_path / ".quantflow" / "promotions.jsonl").open("a") as file:
        file.write('{"profile": "co\n')
    promoted(tmp_path, tried(tmp_path, "policy.top_n=9"), "core")
    first, second = promotions(tmp_path, "core")
    assert (first.run_id, first.of_profile, first.created) == (run.id, "core", False)
    assert first.changes["policy.top_n"] == [2, 3]
    assert second.changes["policy.top_n"] == [3, 9]
    assert "@" in first.who
    assert first.at < second.at
    assert promotions(tmp_path, "calm") == []


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    """Between showing and writing somebody edits the file: the edit stays, and nothing is recorded."""
    run = tried(tmp_path, *TRIED)
    planned = plan(tmp_path, candidate_of(tmp_path, run.id), "core")
    with (tmp_path / "quantflow.toml").open("a") as file:
        file.write("# mine\n")
    with pytest.raises(ConfigError, match="changed meanwhile"):
        promote(tmp_path, planned)
    assert (tmp_path / "quantflow.toml").read_bytes() == STARTER + b"# mine\n"
    assert promotions(tmp_path) == []


def test_mode_link_mark_and_line_ends_stay(tmp_path: Path) -> None:
    """The file keeps its mode, a link stays a link, a byte order mark and Windows line ends stay."""
    content = b"\xef\xbb\xbf" + STARTER.replace(b"\n", b"\r\n")
    real = tmp_path / "elsewhere.toml"
    real.write_bytes(content)
    real.chmod(0o640)
    (tmp_path / "quantflow.toml").symlink_to(real)
    promoted(tmp_path, tried(tmp_path, "policy.top_n=3", "features.lookback=400"), "core")
    assert (tmp_path / "quantflow.toml").is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    after = real.read_bytes()
    assert after.startswith(b"\xef\xbb\xbf")
    assert after.count(b"\n") == after.count(b"\r\n")
    assert len(after) == len(content) + len(b"\r\n[profiles.core.features]\r\nlookback = 400\r\n")


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    """An unfinished run, a meta run, a run without a decision, an unknown one, and names that no profile may have."""
    run = tried(tmp_path)
    part = tried(tmp_path, "policy.top_n=3")
    without_stage(part, "validation")
    hold = created(tmp_path, "held", decision=Decided(Kind.HOLD, "2023-01-31", ""), stages=())
    meta = created(tmp_path, "blended", profile="blend", kind="meta")
    refused = {part.id: "not complete", hold.id: "decided nothing", meta.id: "meta profile", "nothing": "nothing"}
    for name, words in refused.items():
        with pytest.raises(ConfigError, match=words):
            candidate_of(tmp_path, name)
    for name, words in {"blend": "meta profile", "demo_meta": "meta profile", "a b": "cannot be"}.items():
        with pytest.raises(ConfigError, match=words):
            plan(tmp_path, candidate_of(tmp_path, run.id), name)


def test_settings_that_mean_nothing_today_are_refused(tmp_path: Path) -> None:
    """A run of an older version with a setting that is gone is not promoted in part."""
    run = tried(tmp_path)
    run.update(settings={**run.header.settings, "policy": {**run.header.settings["policy"], "gone": 1}})
    with pytest.raises(ConfigError, match=r"not valid today.*gone"):
        plan(tmp_path, candidate_of(tmp_path, run.id), "core")


def test_what_would_break_others_is_refused(tmp_path: Path) -> None:
    """A portfolio whose sleeves must be decided together keeps another rhythm out of one of them."""
    run = tried(tmp_path, "rebalance.every='weekly'")
    with pytest.raises(ConfigError, match=r"meta.blend could not be used any more.*rebalances"):
        plan(tmp_path, candidate_of(tmp_path, run.id), "calm")


def test_a_credential_is_not_written_as_the_name_of_nothing(tmp_path: Path) -> None:
    """An address whose credential is concealed in the record cannot be written, and is not."""
    run = tried(tmp_path, "data.path=https://ann:secret1@example.org/prices.csv")
    with pytest.raises(ConfigError, match=r"data.path of the run holds a credential"):
        plan(tmp_path, candidate_of(tmp_path, run.id), "fresh")


def test_a_journal_that_cannot_be_written_stops_the_promotion(tmp_path: Path) -> None:
    """What cannot be recorded is not done."""
    planned = plan(tmp_path, candidate_of(tmp_path, tried(tmp_path, "policy.top_n=3").id), "core")
    (tmp_path / ".quantflow" / "promotions.jsonl").mkdir()
    with pytest.raises(InfrastructureError, match="cannot be written"):
        promote(tmp_path, planned)
    assert (tmp_path / "quantflow.toml").read_bytes() == STARTER
