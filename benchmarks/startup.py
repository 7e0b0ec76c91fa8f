"""How soon a command answers: ``--help`` against kedro's and metaflow's, ``inspect`` against ``prefect flow-run ls``.

``python benchmarks/startup.py PEERS``: PEERS is the ``bin`` folder of an environment with kedro and metaflow.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from timing import kept_server, medians, quantflow, row, run

ROUNDS = 9


def main() -> None:
    """Print the rows."""
    peers = Path(sys.argv[1])
    prefect = str(Path(sys.executable).with_name("prefect"))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        run(quantflow("select", "-p", "demo", "--run-id", "r", "--no-progress"), home)
        run(quantflow("server", "start"), home)
        env = {**kept_server(home), "USERNAME": os.environ.get("USERNAME", "bench")}
        commands = {
            "help": quantflow("--help"),
            "kedro": (str(peers / "kedro"), "--help"),
            "metaflow": (str(peers / "metaflow"), "--help"),
            "inspect": quantflow("inspect", "r"),
            "prefect": (prefect, "flow-run", "ls"),
        }
        found = medians({name: lambda _, c=command: c for name, command in commands.items()}, home, ROUNDS, env)
        run(quantflow("server", "stop"), home)
    row("`quantflow --help` / `kedro --help`", found["help"], found["kedro"], 0.35)
    row("`quantflow --help` / `metaflow --help`", found["help"], found["metaflow"])
    row("`quantflow inspect RUN` / `prefect flow-run ls`", found["inspect"], found["prefect"], 0.3)


if __name__ == "__main__":
    main()
