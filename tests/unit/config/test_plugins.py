"""Sections that stages of other packages bring into a profile."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantflow.config.load import load_meta, load_profile, override_settings
from quantflow.errors import ConfigError

MODULE = """
from pydantic import Field
from quantflow import BasePipelineStage, Kind, Section, StageConfig
class Mood(Section):
    window: int = Field(20, ge=2, description="sessions")
    names: tuple[str, ...] = ()
class MoodConfig(StageConfig):
    mood: Mood
class MoodStage(BasePipelineStage):
    id, kind, needs, makes, Config = "mood", Kind.COMPUTE, ("prices",), ("mood",), MoodConfig
    def run(self, inputs, config): return {"mood": "calm"}
class Loose(MoodStage):
    class Config(StageConfig):
        mood: int = 3
class Other(MoodStage):
    class Config(StageConfig):
        class Mood2(Section):
            x: int = 1
        mood: Mood2
class Taken(MoodStage):
    class Config(StageConfig):
        stages: Mood
"""
STAGES = 'stages = ["mood_of_mine:MoodStage"]\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mood_of_mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def write(home: Path, text: str) -> Path:
    (home / "quantflow.toml").write_text(text)
    return home


def test_a_stage_brings_its_section(home: Path) -> None:
    """Its keys have defaults, sources and overrides as all others have."""
    write(home, f'[profiles.p]\nextends = "demo"\n{STAGES}[profiles.p.mood]\nnames = ["a"]\n')
    loaded = load_profile("p", workspace=home, overrides=["mood.window=7"])
    assert loaded.settings()["mood"] == {"window": 7, "names": ["a"]}
    assert loaded.pipeline.stages == ("mood_of_mine:MoodStage",)
    assert str(loaded.sources["mood.window"]) == "--set"
    assert str(loaded.sources["mood.names"]) == "quantflow.toml [profiles.p.mood]"
    assert str(loaded.sources["pipeline.stages"]) == "quantflow.toml [profiles.p]"


def test_the_environment_reaches_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable sets a key of its section."""
    write(home, f"[profiles.p]\n{STAGES}")
    monkeypatch.setenv("QUANTFLOW_MOOD__WINDOW", "9")
    assert load_profile("p", workspace=home).settings()["mood"]["window"] == 9


def test_stages_are_inherited_and_can_be_left_out(home: Path) -> None:
    """A profile has the stages of the one that it extends; one that leaves them out has no section of theirs."""
    write(
        home,
        f"[profiles.p]\n{STAGES}[profiles.p.mood]\nwindow = 5\n"
        '[profiles.child]\nextends = "p"\n[profiles.without]\nextends = "p"\nstages = []\n',
    )
    assert load_profile("child", workspace=home).settings()["mood"]["window"] == 5
    assert "mood" not in load_profile("without", workspace=home).settings()


def test_the_section_style_says_the_same(home: Path) -> None:
    """``[profiles.p.pipeline] stages`` and ``--set pipeline.stages`` are the same setting."""
    write(home, '[profiles.p.pipeline]\nstages = ["mood_of_mine:MoodStage"]\n')
    assert "mood" in load_profile("p", workspace=home).settings()
    set_ = ['pipeline.stages=["mood_of_mine:MoodStage"]', "mood.window=3"]
    assert load_profile("demo", workspace=home, overrides=set_).settings()["mood"]["window"] == 3


def test_a_run_keeps_its_stages(home: Path) -> None:
    """Frozen settings of a run are overridden like others, but not which stages it is made of."""
    frozen = load_profile("p", workspace=write(home, f"[profiles.p]\n{STAGES}")).settings()
    assert override_settings("p", frozen, ["mood.window=4"]).settings()["mood"]["window"] == 4
    with pytest.raises(ConfigError, match="stages of a run are fixed"):
        override_settings("p", frozen, ["pipeline.stages=[]"])


def test_a_sleeve_may_have_stages_of_its_own(home: Path) -> None:
    """A meta profile knows whether a sleeve takes up stages of other packages."""
    write(home, f'[profiles.p]\n{STAGES}[meta.m]\nsleeves = [{{ profile = "p" }}, {{ profile = "demo" }}]\n')
    assert load_meta("m", workspace=home).has_plug_ins
    assert not load_meta("demo_meta", workspace=home).has_plug_ins


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        (f"[profiles.p]\n{STAGES}[profiles.p.mood]\nwindw = 3", "[profiles.p.mood] windw = 3: no such key", "'window'"),
        (f"[profiles.p]\n{STAGES}[profiles.p.mood]\nwindow = 1", "window = 1: must be 2 or more (sessions)", "20"),
        (f"[profiles.p]\n{STAGES}[profiles.p.mod]\nwindow = 3", "mod: no such section", "'mood'"),
        ("[profiles.p.mood]\nwindow = 3", "mood: no such section", "Known"),
        ('[profiles.p]\nstages = "mood"', 'stages = "mood": must be a list', ""),
        ("[profiles.p]\nstages = [1]", "stages[0] = 1: must be text", ""),
        (
            '[profiles.p]\nstages = ["mood_of_mine:Loose"]',
            "field 'mood' of its Config is not a section",
            "quantflow.Section",
        ),
        ('[profiles.p]\nstages = ["mood_of_mine:Taken"]', "a section cannot be called 'stages'", "another"),
        (
            '[profiles.p]\nstages = ["mood_of_mine:MoodStage", "mood_of_mine:Other"]',
            "another stage's section is called 'mood' too",
            "",
        ),
    ],
)
def test_what_is_wrong_is_told(home: Path, text: str, says: str, hint: str) -> None:
    """Typos and bad declarations are found when the profile is loaded, with the nearest name."""
    with pytest.raises(ConfigError) as caught:
        load_profile("p", workspace=write(home, text))
    assert says in caught.value.message
    assert hint in (caught.value.hint or "")
