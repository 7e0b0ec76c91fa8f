"""The ways to run the stages that ``peers.py`` measures: plain scripts, quantflow, Prefect, and the other engines."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from timing import Command, quantflow

HERE = Path(__file__).parent
PACKAGES = {
    "hamilton": ("sf-hamilton",),
    "kedro": ("kedro", "kedro-datasets[pickle]"),
    "dbos": ("dbos",),
    "dagster": ("dagster",),
    "metaflow": ("metaflow",),
}


@dataclass(frozen=True)
class Side:
    """One way to run the stages.

    Attributes:
        name: Its folder; up to a dash, the engine.
        label: How the table calls it.
        command: Runs the stages on the history that begins on ``{start}``.
        resume: Finishes the failed run of ``{start}``; empty where there is no such thing.
        failing: Makes that run; None for *command* with ``PLANTED`` in the environment.
        planted: ``raise`` or ``kill``: the failure that the engine's own way of going on is for.
        env: Variables to add.
    """

    name: str
    label: str
    command: Command
    resume: Command = ()
    failing: Command | None = None
    planted: str = "raise"
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def engine(self) -> str:
        """The engine's name."""
        return self.name.partition("-")[0]

    def at(self, home: Path, command: Command, begin: str, **more: str) -> Command:
        """Return *command* for the history from *begin*, in this side's folder with its variables."""
        variables = [f"{name}={value}" for name, value in {**self.env, **more}.items()]
        return ("env", "-C", str(home / self.name), *variables, *(part.format(start=begin) for part in command))


def own(kept: dict[str, str]) -> list[Side]:
    """Return the plain scripts and quantflow."""
    plain = (sys.executable, str(HERE / "work.py"), "{start}")
    select = ("select", "-p", "demo", "--no-progress", "--run-id", "from-{start}", "--set", "data.start={start}")
    fault = (str(HERE.parents[1] / "tests" / "planted.py"), "record:policy:running", "after", "kill", "--")
    failing = (sys.executable, *fault, *select)
    way = {"command": quantflow(*select), "resume": quantflow("resume", "from-{start}"), "failing": failing}
    return [
        Side("six", "plain script, six stages", plain),
        Side("nine", "plain script, nine stages", (*plain, "nine")),
        Side("quantflow-warm", "quantflow, nine stages, server kept", **way, env=kept),
        Side("quantflow-cold", "quantflow, nine stages, server started by the run", **way),
    ]


def of_prefect(home: Path, url: str) -> list[Side]:
    """Return Prefect by the book, with a server that is up and with one that it starts itself."""
    command = (sys.executable, str(HERE / "with_prefect.py"), "{start}")
    results = {name: {"PREFECT_HOME": str(home / name / "prefect")} for name in ("prefect", "prefect-ephemeral")}
    up = {**results["prefect"], "PREFECT_API_URL": url}
    return [
        Side("prefect", "prefect, server up", command, command, env=up),
        Side("prefect-ephemeral", "prefect, ephemeral server", command, env=results["prefect-ephemeral"]),
    ]


def others(folder: Path, home: Path) -> list[Side]:
    """Return the engines that have an environment of their own in *folder*, each named after its engine."""
    script = {name: (str(folder / name / "bin/python"), str(HERE / f"with_{name}.py")) for name in PACKAGES}
    hamilton = (*script["hamilton"], "{start}")
    kedro = (str(folder / "kedro/bin/kedro"), "run")
    dbos = (*script["dbos"], "{start}")
    dagster = (*script["dagster"], "{start}")
    stored = {name: {"DAGSTER_HOME": str(home / name / "dagster")} for name in ("dagster", "dagster-processes")}
    metaflow = script["metaflow"]
    return [
        Side("hamilton", "hamilton", hamilton, hamilton),
        Side("kedro", "kedro", (*kedro, "--params", "start={start}"), (*kedro, "--from-nodes", "policy")),
        Side("dbos", "dbos", dbos, (*dbos, "resume"), planted="kill"),
        Side("dagster", "dagster, one process", dagster, (*script["dagster"], "resume"), env=stored["dagster"]),
        Side(
            "dagster-processes",
            "dagster, a process per step",
            (*dagster, "processes"),
            env=stored["dagster-processes"],
        ),
        Side("metaflow", "metaflow", (*metaflow, "run", "--first", "{start}"), (*metaflow, "resume")),
    ]
