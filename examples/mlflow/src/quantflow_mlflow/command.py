"""The command: ``quantflow-mlflow latest`` writes a run to MLflow."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from quantflow.errors import QuantflowError
from quantflow.runs.find import find_run
from quantflow_mlflow.export import export


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="quantflow-mlflow", description="A finished run in MLflow.")
    parser.add_argument("run", nargs="?", default="latest", help="a run's id, or 'latest'")
    parser.add_argument("--workspace", type=Path, default=Path(), help="folder of quantflow.toml")
    options = parser.parse_args(arguments)
    try:
        run = find_run(options.workspace.resolve(), options.run)
        sys.stdout.write(f"{run.id} is MLflow's run {export(run)}\n")
    except QuantflowError as error:
        sys.stderr.write("\n".join(filter(None, (error.message, error.hint))) + "\n")
        return error.exit_code
    return 0
