"""Reproducing a run: its stages are executed again in a scratch folder, and what they make is compared with its record.

Nothing comes from the cache. What the run fetched is given to the stages as it was stored, since a provider may have
restated it, or fetched again when that is asked for. Each stage gets what the stages before it made *here*, so that the
last row answers for the whole way from data to weights.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from quantflow.data.store import ArtifactRef, ArtifactStore, exists, read_bytes, sweep, temporary_folder, write_bytes
from quantflow.errors import ConfigError, DataUnavailableError, IntegrityError, said
from quantflow.pipeline.play import in_the_background, play
from quantflow.pipeline.stage import BasePipelineStage, Kind, SelectionContext, Stage
from quantflow.review.cause import likely_cause
from quantflow.review.differences import Mismatch, mismatch, within
from quantflow.review.facts import facts_of
from quantflow.review.reproduction import BROKEN, Reproduction, Row, Verdict
from quantflow.runs.exports import EXPORTS, text_of
from quantflow.runs.record import StageRecord, cpu_kernel, private_folder_of
from quantflow.runs.run import Run

TOLERANCE = 1e-9
"""What numbers may differ by on another CPU than the run's; relative where they are beyond 1."""
WEIGHTS = "weights.csv"

Tell = Callable[[str], None]
"""Called with a few words on the stage that is executed."""


@contextmanager
def scratch_folder(workspace: Path, *, keep: bool) -> Iterator[Path]:
    """Have an empty folder among quantflow's own of the workspace; it is removed afterwards, unless it is kept.

    Those that killed processes have left are removed before.
    """
    parent = private_folder_of(workspace)
    sweep([parent])
    folder = Path(tempfile.mkdtemp(prefix="reproduce-", dir=parent)) if keep else temporary_folder(parent)
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def parts_of(run: Run) -> tuple[list[Run], list[str]]:
    """Return the runs that a run is made of, each once, with itself last; and the sleeves that it was made without."""
    runs = {each.id: each for each in run.parts()}
    failed = [failure for each in runs.values() for failure in each.header.failed]
    without = [failure.sleeve for failure in failed if runs.pop(failure.run_id, None)]
    return list(runs.values()), without


def reproduce(run: Run, scratch: Path, *, refetch: bool, tell: Tell) -> Reproduction:
    """Execute the stages of a complete run again, and compare.

    Args:
        run: The run; a meta run's sleeves are taken as recorded.
        scratch: An empty folder, for what the stages make.
        refetch: Whether to fetch the data again; a provider's cache of this machine is not used then.
        tell: Called with a few words on the stage that is executed.

    Raises:
        ConfigError: If the run is not complete, or its stages are not there any more.
        IntegrityError: If what it fetched, or a sleeve's result, is missing or damaged.
        DataUnavailableError: If a provider does not answer now.
    """
    if run.state != "completed":
        raise ConfigError(
            f"Run {run.id} is {run.state}: only a complete run can be reproduced.",
            hint=f"Finish it first: quantflow resume {run.id}",
        )
    bench = _Bench(run, run.pipeline(), ArtifactStore(scratch, as_of=run.as_of), refetch)
    rows, cause = bench.rows(tell)
    first = next((row.stage for row in rows if row.verdict in BROKEN), "")
    return Reproduction(
        run_id=run.id,
        profile=run.profile,
        as_of=run.as_of.isoformat(),
        exact=bench.exact,
        cpu=(run.header.cpu, cpu_kernel()),
        refetched=refetch,
        stages=tuple(rows),
        first=first,
        cause=cause,
        sleeves=tuple(sleeve.run_id for sleeve in bench.sleeves),
    )


class _Bench:
    """Where the stages are executed, one after the other."""

    def __init__(self, run: Run, stages: Sequence[Stage], scratch: ArtifactStore, refetch: bool) -> None:
        self._run, self._stages, self._refetch = run, stages, refetch
        self._store = run.store
        self._scratch = scratch
        self._facts = facts_of(run)
        self.sleeves = [result for sleeve in run.sleeves if (result := sleeve.result) is not None]
        self._read = {name for stage in stages if not self._is_left_out(stage) for name in stage.needs}
        self.exact = run.header.cpu == cpu_kernel()

    def rows(self, tell: Tell) -> tuple[list[Row], str]:
        """Return a row per stage, one for ``weights.csv``, and the likely cause of the first difference."""
        for sleeve in self.sleeves:
            for ref in sleeve.outputs.values():
                hint = f"Resume its run, which makes it again: quantflow resume {sleeve.run_id}"
                self._copy(ref, f"sleeve {sleeve.sleeve!r}", hint)
        context = replace(self._run.context(), store_uri=self._scratch.uri, facts=self._facts)
        rows: list[Row] = []
        cause = ""
        for stage in self._stages:
            tell(f"reproducing {stage.id}")
            after, row = self._row(stage, context, {row.verdict for row in rows})
            if row.verdict in BROKEN and not cause:
                cause = likely_cause(self._run, stage, context, row, refetched=self._refetch)
            rows.append(row)
            context = after
        file = self._weights_file(context)
        edited = "the file was changed after the run had written it"
        return [*rows, file], cause or (edited if file.verdict in BROKEN else "")

    def _is_left_out(self, stage: Stage) -> bool:
        """Whether it is a report: a control stage that no other stage needs anything of."""
        others = {name for other in self._stages for name in other.needs}
        return stage.kind is Kind.CONTROL and not others & set(stage.makes)

    def _row(self, stage: Stage, context: SelectionContext, before: Set[Verdict]) -> tuple[SelectionContext, Row]:
        found = self._run.stages[stage.id]
        assert found is not None  # the run is complete
        recorded = {name: ref.sha256 for name, ref in found.outputs.items()}
        if self._is_left_out(stage):
            verdict, detail = self._stored(found, Verdict.NOT_COMPARED)
            why = "not compared, since it has the run's own timings"
            return context, Row(stage.id, recorded, {}, verdict, detail or why)
        if Verdict.FAILED in before:
            return context, Row(stage.id, recorded, {}, Verdict.NOT_RUN)
        if self._is_given(stage, context, found, differs=Verdict.DIFFERS in before):
            return self._given(stage, context, found)
        try:
            after = self._executed(stage, context)
        except DataUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  # what a third-party stage raises is an answer
            return context, Row(stage.id, recorded, {}, Verdict.FAILED, f"{type(error).__name__}: {said(error)}")
        made = {name: after.artifacts[name].sha256 for name in stage.makes}
        return after, Row(stage.id, recorded, made, *self._judged(stage, after, found))

    def _is_given(self, stage: Stage, context: SelectionContext, found: StageRecord, *, differs: bool) -> bool:
        """Whether what the stage fetched is handed on as it is stored.

        Not so where it was fetched for something that differs now, and can be made without fetching.
        """
        if stage.kind is not Kind.NETWORK or self._refetch:
            return False
        now = {name: context.artifacts[name].sha256 for name in stage.needs}
        fits = not differs or now == found.fingerprint.get("inputs")
        return fits or type(stage).replay is BasePipelineStage.replay

    def _given(self, stage: Stage, context: SelectionContext, found: StageRecord) -> tuple[SelectionContext, Row]:
        for name in stage.makes:
            if name in self._read:
                hint = f"Fetch it again: quantflow reproduce {self._run.id} --refetch"
                self._copy(found.outputs[name], f"run {self._run.id}", hint)
        recorded = {name: ref.sha256 for name, ref in found.outputs.items()}
        verdict, detail = self._stored(found, Verdict.GIVEN)
        return self._with(context, found.outputs), Row(stage.id, recorded, {}, verdict, detail)

    def _executed(self, stage: Stage, context: SelectionContext) -> SelectionContext:
        if stage.kind is Kind.NETWORK and not self._refetch:
            inputs = {name: context.load(name) for name in stage.needs}
            with in_the_background():
                made = play([stage], inputs, context.settings, replay=True)
            return self._with(context, {name: self._scratch.put(name, made[name]) for name in stage.makes})
        if stage.kind is Kind.NETWORK:
            data = {key: value for key, value in context.settings["data"].items() if key != "cache"}
            after = stage.execute(replace(context, settings={**context.settings, "data": data}))
            return replace(after, settings=context.settings)
        return stage.execute(context)

    def _with(self, context: SelectionContext, refs: Mapping[str, ArtifactRef]) -> SelectionContext:
        return replace(context, artifacts={**context.artifacts, **refs})

    def _judged(self, stage: Stage, after: SelectionContext, found: StageRecord) -> tuple[Verdict, str]:
        """Return the verdict on what a stage made; of a stage that fetched, on what others read of it."""
        verdict, places = Verdict.SAME, list[str]()
        for name in stage.makes:
            ref, own = after.artifacts[name], found.outputs.get(name)
            unread = stage.kind is Kind.NETWORK and name not in self._read
            if unread or (own is not None and own.sha256 == ref.sha256):
                continue
            one, place = self._compared(own, ref)
            verdict = max(verdict, one, key=_WORSE.index)
            places += [place] if place else []
        return (verdict, "; ".join(places)) if verdict is Verdict.DIFFERS else self._stored(found, verdict)

    def _compared(self, own: ArtifactRef | None, ref: ArtifactRef) -> tuple[Verdict, str]:
        """Return how an artifact with other bytes than the recorded ones differs, and where."""
        if own is None or not self._store.verify(own):
            return Verdict.DIFFERS, f"{ref.name}: the recorded file is missing or damaged, so only its hash is known"
        left, right = self._store.get(own), self._scratch.get(ref)
        first = mismatch(left, right)
        if first is None:
            return Verdict.SAME_VALUES, ""
        if not self.exact and within(left, right, TOLERANCE):
            return Verdict.WITHIN, ""
        return Verdict.DIFFERS, f"{ref.name}: {_place(first)}"

    def _stored(self, found: StageRecord, verdict: Verdict) -> tuple[Verdict, str]:
        """Return *verdict*, or that a stored file is damaged; with the names of those that are gone."""
        paths = {name: self._store.path(ref) for name, ref in found.outputs.items()}
        there = [name for name in paths if exists(paths[name])]
        if damaged := [name for name in there if not self._store.verify(found.outputs[name])]:
            return Verdict.DIFFERS, f"the stored {', '.join(damaged)} has other bytes than were written"
        gone = [name for name in paths if name not in there]
        return verdict, f"the stored {', '.join(gone)} is gone" if gone else ""

    def _copy(self, ref: ArtifactRef, whose: str, hint: str) -> None:
        if not self._store.verify(ref):
            raise IntegrityError(
                f"The {ref.name} of {whose} are missing or damaged, so they cannot be given to the stages.", hint=hint
            )
        write_bytes(self._scratch.path(ref), read_bytes(self._store.path(ref)))

    def _weights_file(self, context: SelectionContext) -> Row:
        """Return whether the file that people read still has the weights of the record."""
        own, made = self._run.outputs["weights"], context.artifacts.get("weights")
        path = self._run.folder / EXPORTS["weights"]
        bytes_now = path.read_bytes()
        row = Row(WEIGHTS, {WEIGHTS: sha256(bytes_now).hexdigest()}, {}, Verdict.NOT_COMPARED)
        if made is not None and made.sha256 == own.sha256:
            text = text_of(self._scratch.get(made)).encode()
        elif self._store.verify(own):
            text = text_of(self._store.get(own)).encode()
        else:
            return replace(row, detail="the recorded weights are gone")
        verdict = Verdict.SAME if text == bytes_now else Verdict.DIFFERS
        return replace(row, reproduced={WEIGHTS: sha256(text).hexdigest()}, verdict=verdict)


_WORSE = (Verdict.SAME, Verdict.SAME_VALUES, Verdict.WITHIN, Verdict.DIFFERS)


def _place(first: Mismatch) -> str:
    where = " of ".join(part for part in (first.column, first.row) if part)
    on = f" on {first.date}" if first.date else ""
    more = f" (and {first.columns - 1} columns more)" if first.columns > 1 else ""
    return f"{where}{on}: {first.left} → {first.right}{more}"
