"""A process of the purity check: ``python -m quantflow.review.purity.process TASK ANSWER``, two files of JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

from quantflow.config.plugins import importable
from quantflow.config.workspaces import cache_folder
from quantflow.data.store import ArtifactStore
from quantflow.pipeline.arrange import pipeline_of
from quantflow.pipeline.play import in_the_background, play
from quantflow.pipeline.stage import Artifact, Kind, Stage
from quantflow.review.purity.task import Day, Done, Refs, Task
from quantflow.review.purity.watching import Reading, Watch, local_roots
from quantflow.types import Settings


def main(task: Path, answer: Path) -> None:
    """Do what is asked in the file *task*, and write into *answer* what each stage did, by day and stage."""
    asked = Task.from_json(json.loads(task.read_bytes()))
    importable(Path(asked.workspace))
    watch = Watch()
    with watch.on() as imported:
        stages = {stage.id: stage for stage in pipeline_of(asked.settings)}
    with in_the_background():
        done = {day.as_of: _Played(stages, day, asked, watch, imported).done() for day in asked.days}
    answer.write_text(json.dumps({day: {name: one.json() for name, one in each.items()} for day, each in done.items()}))


class _Played:
    """The stages of one day."""

    def __init__(
        self, stages: Mapping[str, Stage], day: Day, asked: Task, watch: Watch, imported: Iterable[Reading]
    ) -> None:
        self._stages, self._day, self._watch, self._imported = stages, day, watch, tuple(imported)
        self._settings: Settings = {**asked.settings, "as_of": day.as_of}
        self._store = ArtifactStore(asked.store, as_of=date.fromisoformat(day.as_of))
        own = (cache_folder(), os.environ.get("NUMBA_CACHE_DIR"))
        self._folders = [Path(folder) for folder in (*own, asked.store) if folder]

    def done(self) -> dict[str, Done]:
        """Return what each stage did; one whose inputs were not made is left out."""
        have, done = dict(self._day.given), dict[str, Done]()
        for stage in (self._stages[name] for name in self._day.stages):
            inputs = self._day.inputs.get(stage.id) or {name: have[name] for name in stage.needs if name in have}
            if set(stage.needs) <= set(inputs):
                done[stage.id] = one = self._one(stage, inputs)
                have |= one.outputs
        return done

    def _one(self, stage: Stage, inputs: Refs) -> Done:
        values: dict[str, Artifact] = {name: self._store.get(ref) for name, ref in inputs.items()}
        outputs, error, readings = dict[str, Artifact](), "", list[Reading]()
        try:
            with self._watch.on() as readings:
                outputs = play([stage], values, self._settings, replay=Kind.NETWORK)
        except Exception as raised:  # noqa: BLE001  # what a third-party stage raises is compared too
            error = f"{type(raised).__name__}: {raised}"
        refs = {name: self._store.put(name, outputs[name]) for name in stage.makes if name in outputs}
        return Done(inputs, refs, error, self._undeclared(stage, readings))

    def _undeclared(self, stage: Stage, readings: Iterable[Reading]) -> tuple[str, ...]:
        """Return what the stage read and does not declare, when its modules were imported as well."""
        modules = {name.partition(".")[0] for name in stage.modules()}
        roots = (modules | local_roots()) - {"quantflow", "__main__"}
        imported = [reading for reading in self._imported if reading.roots & (modules - {"quantflow"})]
        folders = [str(path.resolve()) for path in (*self._folders, *stage.read_files(self._settings))]
        variables = {name for each in (stage, *getattr(stage, "chain", ())) for name in each.reads_env}
        found = (one for one in (*imported, *readings) if not one.is_allowed(roots, variables, folders))
        return tuple(dict.fromkeys(one.what for one in found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
