"""Which run a flow run of a deployment has: its own, a named one, or none because another did its work."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from uuid import UUID

import pytest

from quantflow.config.load import load_profile
from quantflow.errors import ConfigError
from quantflow.flows.deployed import asked as module
from quantflow.flows.deployed.asked import Asked, own_run, owned_run
from quantflow.runs.create import create_run
from quantflow.runs.done import AlreadyDone
from quantflow.runs.find import list_runs
from quantflow.runs.header import RunOptions
from quantflow.runs.lock import is_owned_here
from quantflow.runs.run import Run
from recorded import AS_OF, written

FIRST, SECOND = UUID("0192f3a4-0000-7000-8000-00001f2e3d4c"), UUID("0192f3a4-0000-7000-8000-00005a6b7c8d")


def begun(home: Path, flow_run: UUID, asked: Asked) -> Run | AlreadyDone:
    """What a flow run has, which it owns meanwhile."""
    loaded = load_profile("demo", workspace=home, overrides=asked.overrides)
    with owned_run(asked, loaded, home, flow_run) as found:
        assert isinstance(found, AlreadyDone) or is_owned_here(found.folder)
        return found


def test_a_flow_run_that_is_started_again_continues_its_run(tmp_path: Path) -> None:
    """The run's id has its session, its profile and the end of the flow run's; another flow run has another run."""
    asked = Asked("selection", "demo", as_of=AS_OF)
    assert own_run(tmp_path, "demo", FIRST) is None
    ids = [begun(tmp_path, flow_run, asked).id for flow_run in (FIRST, FIRST, SECOND)]  # type: ignore[union-attr]
    assert ids == ["20221228-demo-1f2e3d4c", "20221228-demo-1f2e3d4c", "20221228-demo-5a6b7c8d"]
    assert own_run(tmp_path, "demo_low_vol", FIRST) is None


def test_it_continues_the_session_that_it_began(tmp_path: Path) -> None:
    """Also when there is a later one by now."""
    begun(tmp_path, FIRST, Asked("selection", "demo", as_of=date(2022, 12, 23)))
    found = begun(tmp_path, FIRST, Asked("selection", "demo"))
    assert isinstance(found, Run)
    assert found.as_of == date(2022, 12, 23)


def test_its_complete_run_is_not_run_again(tmp_path: Path) -> None:
    """The process died between the run's end and the report of it."""
    run = create_run(load_profile("demo", workspace=tmp_path), tmp_path, AS_OF, "20221228-demo-1f2e3d4c")
    written(run, {}, {"KO": 1.0}).event("run.completed")
    found = begun(tmp_path, FIRST, Asked("selection", "demo", options=RunOptions(fresh=True)))
    assert isinstance(found, AlreadyDone)


def test_a_named_run_is_continued_or_begun(tmp_path: Path) -> None:
    """Never that of another profile, or with other settings."""
    for _ in range(2):
        found = begun(tmp_path, FIRST, Asked("selection", "demo", as_of=AS_OF, run_id="mine"))
        assert isinstance(found, Run)
        assert found.id == "mine"
    with pytest.raises(ConfigError, match=r"other settings than these overrides: policy\.top_n"):
        begun(tmp_path, FIRST, Asked("selection", "demo", run_id="mine", overrides=["policy.top_n=1"]))
    assert [run.id for run in list_runs(tmp_path)] == ["mine"]


@pytest.mark.parametrize("force", [False, True])
def test_a_complete_run_makes_a_new_one_unnecessary(
    force: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless ``force`` asks for one."""
    done = AlreadyDone(create_run(load_profile("demo", workspace=tmp_path), tmp_path, AS_OF, "one"))
    monkeypatch.setattr("quantflow.runs.begin.find_done", lambda *_, **__: done.run)
    found = begun(tmp_path, FIRST, Asked("selection", "demo", as_of=AS_OF, options=RunOptions(fresh=force)))
    assert isinstance(found, AlreadyDone) is not force
    assert module.mark_of(FIRST) == "1f2e3d4c"
