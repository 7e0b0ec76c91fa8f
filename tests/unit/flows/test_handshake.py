"""Workers with other code are told by name, before and after they have worked."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from quantflow.config.load import load_meta
from quantflow.errors import InfrastructureError
from quantflow.flows.handshake import code_here, differences, refuse_foreign_results
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
