"""The example package that writes finished runs to MLflow, on a store of files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantflow.runs.run import Run
from recorded import created, recorded


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """MLflow's settings for a store of this test's own, without its telemetry."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlflow").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    mlflow.set_tracking_uri((tmp_path / "mlflow").as_uri())
    yield
    mlflow.set_tracking_uri("")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A complete run of the demo with three names."""
    found = recorded(tmp_path, {}, {"KO": 0.5, "PG": 0.3, "XOM": 0.2}, "policy.top_n=3")
    found.event("run.completed")
    return found.again()


@pytest.mark.usefixtures("store")
def test_a_run_is_in_mlflow_once(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Parameters, tags and files of a run, in the experiment of its profile; written twice, it is there once."""
    import mlflow

    from quantflow_mlflow.command import main

    for _ in range(2):
        assert main([run.id, "--workspace", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"{run.id} is MLflow's run ")
    (found,) = mlflow.search_runs(experiment_names=["demo"], output_format="list")
    assert found.info.run_name == run.id
    assert found.data.params["policy.top_n"] == "3"
    assert found.data.params["allocation.method"] == json.dumps(run.settings["allocation"]["method"])
    assert found.data.tags["quantflow.as_of"] == "2022-12-28"
    (path,) = tmp_path.glob("mlflow/*/*/artifacts/weights.csv")
    assert path.read_bytes() == (run.folder / "weights.csv").read_bytes()


def test_figures_are_numbers_by_series() -> None:
    """What is undefined, a date, or a list is left out."""
    from quantflow_mlflow.export import figures

    metrics = {"strategy": {"sharpe": 0.9, "sortino": None, "start": "2015-02-02"}, "annualisation": 252}
    assert dict(figures(metrics)) == {"strategy.sharpe": 0.9}


@pytest.mark.usefixtures("store")
def test_a_run_that_is_not_complete_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the exit code of a wrong argument."""
    from quantflow_mlflow.command import main

    assert main([created(tmp_path).id, "--workspace", str(tmp_path)]) == 2
    assert "only a complete run" in capsys.readouterr().err
