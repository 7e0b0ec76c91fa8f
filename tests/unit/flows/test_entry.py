"""Which run a call names, and what it refuses."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from quantflow.config.load import load_meta, load_profile
from quantflow.errors import ConfigError, LockedError
from quantflow.flows.entry import META, SELECTION, entered
from quantflow.flows.run import run_meta_flow, run_selection_flow
from quantflow.runs.as_of import AsOf
from quantflow.runs.begin import begun
from quantflow.runs.lock import is_owned_here
from quantflow.runs.run import Run
from recorded import AS_OF

OTHER = date(2020, 3, 31)


@pytest.fixture
def demo(tmp_path: Path) -> Run:
    """A run of the demo profile, as of ``AS_OF``."""
    with begun(load_profile("demo", workspace=tmp_path), tmp_path, AsOf(AS_OF), "one") as record:
        return record


@pytest.fixture
def portfolio(tmp_path: Path) -> Run:
    """A run of the demo portfolio, as of ``AS_OF``."""
    with begun(load_meta("demo_meta", workspace=tmp_path), tmp_path, AsOf(AS_OF), "all") as record:
        return record


def test_a_missing_run_is_created(tmp_path: Path) -> None:
    """With the id, the session and the settings that were asked for, and owned by the caller."""
    with entered(SELECTION, "demo", "new", tmp_path, OTHER, ["policy.top_n=2"]) as record:
        assert (record.id, record.as_of, record.settings["policy"]["top_n"]) == ("new", OTHER, 2)
        assert is_owned_here(record.folder)
    assert not is_owned_here(record.folder)


@pytest.mark.parametrize(("kind", "profile"), [(SELECTION, "demo"), (META, "demo_meta")])
def test_a_run_id_is_generated_where_none_is_given(kind: str, profile: str, tmp_path: Path) -> None:
    """From the session and the profile."""
    with entered(kind, profile, None, tmp_path, AS_OF) as record:
        assert record.id.startswith(f"{AS_OF:%Y%m%d}-{profile}-")


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    ("kind", "profile", "as_of", "overrides", "words"),
    [
        (META, "demo_meta", None, (), "Run one is a selection run, not a meta run"),
        (SELECTION, "demo_steady", None, (), "Run one is of profile 'demo', not of 'demo_steady'"),
        (SELECTION, "demo", OTHER, (), f"Run one is as of {AS_OF}, not {OTHER}"),
        (SELECTION, "demo", None, ("policy.top_n=1", "costs.x=1"), "no section 'costs'"),
        (SELECTION, "demo", AS_OF, ("policy.top_n=1",), "other settings than these overrides: policy.top_n"),
    ],
)
def test_arguments_that_contradict_the_run_are_refused(
    kind: str, profile: str, as_of: date | None, overrides: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    """In words, before anything is run; never another profile's result."""
    with pytest.raises(ConfigError, match=words), entered(kind, profile, "one", tmp_path, as_of, overrides):
        raise AssertionError("it was entered")
    assert not is_owned_here(tmp_path / "runs" / "one")


def test_arguments_that_fit_the_run_continue_it(demo: Run, tmp_path: Path) -> None:
    """Also the settings that it has, said once more; whatever the file says of the profile by now."""
    (tmp_path / "quantflow.toml").write_text("[profiles.demo.policy]\ntop_n = 1\n")
    top = demo.settings["policy"]["top_n"]
    with entered(SELECTION, "demo", "one", tmp_path, AS_OF, [f"policy.top_n={top}"]) as record:
        assert record.header.created == demo.header.created


@pytest.mark.usefixtures("portfolio")
@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["meta.min_sleeves=2"], "meta.min_sleeves"),
        (["policy.top_n=1"], "sleeve demo, sleeve demo_momentum"),
    ],
)
def test_overrides_that_contradict_a_meta_run_are_refused(overrides: list[str], words: str, tmp_path: Path) -> None:
    """Its own settings, and those of its sleeves."""
    with pytest.raises(ConfigError, match=words), entered(META, "demo_meta", "all", tmp_path, None, overrides):
        raise AssertionError("it was entered")


@pytest.mark.usefixtures("portfolio")
def test_overrides_that_a_meta_run_has_continue_it(tmp_path: Path) -> None:
    """Said once more they are no contradiction."""
    with entered(META, "demo_meta", "all", tmp_path, AS_OF, ["meta.allow_partial=false"]) as record:
        assert record.id == "all"


@pytest.mark.usefixtures("demo", "portfolio")
def test_the_entry_points_return_no_other_profiles_run(tmp_path: Path) -> None:
    """``run_selection_flow`` and ``run_meta_flow``, before a server is started."""
    with pytest.raises(ConfigError, match="of profile 'demo'"):
        run_selection_flow("demo_steady", "one", workspace=tmp_path)
    with pytest.raises(ConfigError, match="is a selection run"):
        run_meta_flow("demo_meta", "one", workspace=tmp_path)
    with pytest.raises(ConfigError, match="is a meta run"):
        run_selection_flow("demo", "all", workspace=tmp_path)
    assert not (tmp_path / ".quantflow" / "server").exists()


def test_a_run_that_another_process_has_is_refused(demo: Run, tmp_path: Path) -> None:
    """Two calls of one id do not work on one run at a time."""
    import subprocess
    import sys

    code = (
        "import sys, time; from pathlib import Path; from quantflow.runs.lock import owned\n"
        "with owned(Path(sys.argv[1])): print('owned', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(demo.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "owned\n"
        with pytest.raises(LockedError), entered(SELECTION, "demo", "one", tmp_path):
            raise AssertionError("it was entered")
        other.communicate()
