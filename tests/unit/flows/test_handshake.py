"""Workers with other code are told by name, before and after they have worked."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from quantflow.config.load import load_meta
from quantflow.errors import InfrastructureError
from quantflow.flows import handshake as ours
from quantflow.flows.handshake import code_here, differences, refuse_foreign_results
from quantflow.locks import FileLock
from quantflow.pipeline.code_version import code_version, package_version
from quantflow.pipeline.stage import Kind
from quantflow.runs.create import create_run
from quantflow.runs.kinds import Sleeve
from quantflow.runs.record import RunRecord, StageRecord
from recorded import without_stage


def test_the_same_code_has_no_differences(tmp_path: Path) -> None:
    """Two answers of one installation are equal, and name quantflow and the numeric packages."""
    here = code_here(str(tmp_path), [])
    assert {"quantflow", "numpy", "skfolio"} <= set(here)
    assert differences(here, code_here(str(tmp_path), [])) == ""


def test_what_differs_is_named_with_both_versions() -> None:
    """quantflow first, a package that is absent too, and no more than three at length."""
    here = {"quantflow": "0.1.0+a", "numpy": "2.1", "scipy": "1.14", "numba": "0.61", "pandas": "3"}
    there = {"quantflow": "0.0.9+b", "numpy": "2.0", "numba": "0.60", "pandas": "2"}
    said = differences(here, there)
    assert said.startswith("quantflow 0.0.9+b, not 0.1.0+a; numba 0.60, not 0.61; ")
    assert said.endswith(" and 2 more")
    assert "scipy absent, not 1.14" in differences(here, {**here, "scipy": "absent"})


@pytest.fixture
def sleeves(tmp_path: Path) -> list[Sleeve]:
    """The sleeves of a meta run whose stages are done, as their records say by this process's code."""
    meta = create_run(load_meta("demo_meta", workspace=tmp_path), tmp_path, date(2022, 12, 28), "m")
    found = meta.leaves()
    for leaf in found:
        record = leaf.run
        for stage in record.pipeline():
            code = "" if stage.kind is Kind.NETWORK else code_version(stage)
            record.write_stage(StageRecord(stage.id, "done", fingerprint={"code": code}, made_by=package_version()))
    return found


def test_results_of_this_code_are_taken(sleeves: list[Sleeve]) -> None:
    """Also where a stage is not done: that is for others to judge."""
    without_stage(sleeves[0].run, "report")
    refuse_foreign_results(sleeves)


@pytest.mark.parametrize(
    ("stage", "changes"),
    [("ingestion", {"made_by": "0.0.9+000000000000"}), ("policy", {"fingerprint": {"code": "f" * 64}})],
)
def test_a_result_of_other_code_is_refused(sleeves: list[Sleeve], stage: str, changes: dict[str, object]) -> None:
    """By the package that ran a stage, or by the stage's own code, as that of a plug-in."""
    record = RunRecord(sleeves[1].workspace, sleeves[1].link.run_id)
    made = record.stage(stage)
    assert made is not None
    record.write_stage(replace(made, **changes))  # type: ignore[arg-type]
    with pytest.raises(InfrastructureError, match=f"Stage {stage} of sleeve {sleeves[1].name}") as raised:
        refuse_foreign_results(sleeves)
    assert raised.value.exit_code == 30


@pytest.fixture
def run_folder(tmp_path: Path) -> Iterator[Path]:
    """The folder of a run that this process owns."""
    folder = tmp_path / "runs" / "m"
    folder.mkdir(parents=True)
    with FileLock(folder / "lock") as lock:
        assert lock.take()
        yield folder


def answered(mocker: MockerFixture, **nodes: Path) -> None:
    """Let nodes answer for the folder that each of them has at the path of the run's."""

    def ask(function: Callable[..., object], folder: str, prefix: str) -> dict[str, object]:
        return {node: function(str(place), prefix) for node, place in nodes.items()}

    mocker.patch.object(ours, "ask_each_node", ask)


def test_nodes_that_have_the_folder_are_fit(run_folder: Path, mocker: MockerFixture) -> None:
    """Each of several; nothing stays behind."""
    answered(mocker, one=run_folder, two=run_folder)
    ours._refuse_other_folder(run_folder)
    assert [path.name for path in run_folder.iterdir()] == ["lock"]


def test_a_node_without_the_folder_is_named(run_folder: Path, tmp_path: Path, mocker: MockerFixture) -> None:
    """In one sentence, with how to share it."""
    answered(mocker, one=run_folder, two=tmp_path / "missing")
    with pytest.raises(InfrastructureError, match="Ray node two does not see the run's folder") as raised:
        ours._refuse_other_folder(run_folder)
    assert raised.value.exit_code == 30
    assert "at the same path" in str(raised.value.hint)
    assert [path.name for path in run_folder.iterdir()] == ["lock"]


def test_a_node_with_another_folder_of_that_path_is_named(
    run_folder: Path, tmp_path: Path, mocker: MockerFixture
) -> None:
    """A copy looks the same from there; another node that is fit does not hide it."""
    shutil.copytree(run_folder, tmp_path / "copy")
    answered(mocker, two=tmp_path / "copy", one=run_folder)
    with pytest.raises(InfrastructureError, match="Ray node two has another folder at"):
        ours._refuse_other_folder(run_folder)


def test_a_node_without_the_locks_is_named(run_folder: Path, mocker: MockerFixture) -> None:
    """Two machines would own one run: an object store that is mounted as a folder has no locks between machines."""
    answered(mocker, one=run_folder)
    mocker.patch.object(ours.FileLock, "take", return_value=True)
    with pytest.raises(InfrastructureError, match="Ray node one does not see locks of other machines"):
        ours._refuse_other_folder(run_folder)


def test_a_node_that_may_not_write_is_named(run_folder: Path, mocker: MockerFixture) -> None:
    """With what the system said."""
    answered(mocker, one=run_folder)
    mocker.patch.object(Path, "touch", side_effect=OSError(30, "Read-only file system"))
    with pytest.raises(InfrastructureError, match=r"Ray node one cannot use .*: Read-only"):
        ours._refuse_other_folder(run_folder)
