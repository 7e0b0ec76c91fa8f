"""Where stages run for the purity check: fresh processes, here and in other surroundings."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from quantflow.config.data import DataConfig
from quantflow.config.workspaces import cache_folder
from quantflow.data.quality.history import whole
from quantflow.data.quality.roster import listed
from quantflow.data.quality.usable import usable
from quantflow.data.store import ArtifactStore, private_folder
from quantflow.errors import StageError, last_line
from quantflow.pipeline.arrange import INCUMBENT
from quantflow.pipeline.stage import Artifacts, Stage
from quantflow.review.differences import up_to
from quantflow.review.lookahead import held, probe_positions
from quantflow.review.purity.task import Day, Done, Task
from quantflow.types import Settings

Answer = Mapping[str, Mapping[str, Done]]
"""What each stage did, by day and stage."""

_KEPT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "NUMBA_CACHE_DIR")
"""Variables that a process cannot do without, or that say where temporary and compiled files lie."""

_CPU = ("OPENBLAS_", "MKL_", "NPY_", "NUMBA_CPU_", "NVPL_")
"""How variables begin that choose the instructions of the processor, which ``run.json`` names."""


@dataclass(frozen=True)
class Bench:
    """A folder in which fresh processes run stages.

    Attributes:
        folder: The folder.
        workspace: Where modules lie that are not installed.
        settings: The sections that the stages read, and ``as_of``.
        stages: The stages, in order.
    """

    folder: Path
    workspace: Path
    settings: Settings
    stages: Sequence[Stage]

    def store(self, as_of: str) -> ArtifactStore:
        """Return the store of what they make, as at a date."""
        return ArtifactStore(self.folder / "artifacts", as_of=date.fromisoformat(as_of))

    def days(self, given: Artifacts) -> tuple[Day, Day]:
        """Return an earlier date, at which weights are decided, and the as-of, at which all stages run.

        Args:
            given: What the stages that fetch have given.

        Raises:
            DataError: If no session has enough history before it.
        """
        prices = whole(given["prices"], given["past"])
        (position,) = probe_positions(len(prices.sessions), self.settings["validation"]["min_history"], 1, 0)
        (able,) = usable(prices, np.array([position]), DataConfig(**self.settings["data"]), given["roster"])
        symbols = [symbol for symbol, there in zip(prices.symbols, able, strict=True) if there]
        session = np.datetime64(prices.sessions[position], "D")
        then = {name: up_to(value, session) for name, value in given.items()}
        then |= {"prices": up_to(prices, session).select(symbols), "instruments": listed(given["roster"]).loc[symbols]}
        last = next(number for number, stage in enumerate(self.stages, start=1) if "weights" in stage.makes)
        return self._day(str(session), self.stages[:last], then), self._day(self.settings["as_of"], self.stages, given)

    def _day(self, as_of: str, stages: Sequence[Stage], values: Artifacts) -> Day:
        values = {**values, INCUMBENT: held(values["prices"].symbols)}
        needed = {name for stage in stages for name in stage.needs} & values.keys()
        store = self.store(as_of)
        return Day(as_of, tuple(stage.id for stage in stages), {name: store.put(name, values[name]) for name in needed})

    def here(self, days: Sequence[Day]) -> Answer:
        """Return what a fresh process answers, in the folder and the environment of this one."""
        return self._answer(days, {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": _imports()}, Path.cwd())

    def elsewhere(self, days: Sequence[Day]) -> Answer:
        """Return what a fresh process answers that has nothing of this one's environment but what stages declare."""
        chains = [(stage, *getattr(stage, "chain", ())) for stage in self.stages]
        declared = {name for chain in chains for stage in chain for name in stage.reads_env}
        cache, away = cache_folder(), self.folder / "elsewhere"
        private_folder(away)
        other = {
            "HOME": str(away),
            "PYTHONUSERBASE": site.getuserbase(),
            "PYTHONPATH": _imports(),
            "PYTHONHASHSEED": "2",
            "TZ": "Asia/Kathmandu",
            "LC_ALL": "C",
            "LANG": "C",
        }
        kept = {
            name: value for name, value in os.environ.items() if name in (*_KEPT, *declared) or name.startswith(_CPU)
        }
        return self._answer(days, {**other, **({"XDG_CACHE_HOME": str(cache.parent)} if cache else {}), **kept}, away)

    def _answer(self, days: Sequence[Day], environment: Mapping[str, str], where: Path) -> Answer:
        asked, answered = self.folder / "task.json", self.folder / "answer.json"
        answered.unlink(missing_ok=True)
        task = Task(str(self.workspace), self.settings, str(self.folder / "artifacts"), tuple(days))
        asked.write_text(json.dumps(task.json()))
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "quantflow.review.purity.process", str(asked), str(answered)],
            cwd=where,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode or not answered.exists():
            said = last_line(ended.stderr.strip() or "it printed nothing")
            raise StageError(
                f"A process of the check ended with {ended.returncode}: {said}",
                hint="A stage ends its process, or cannot be imported in another environment and folder.",
            )
        found = json.loads(answered.read_bytes())
        return {day: {stage: Done.from_json(one) for stage, one in each.items()} for day, each in found.items()}


def _imports() -> str:
    """Return the value of PYTHONPATH with which a process finds the modules that this one finds."""
    return os.pathsep.join(os.path.abspath(folder) for folder in sys.path if folder)  # noqa: PTH100  # as text
