"""What the commands about profiles and stages do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from quantflow.config import catalogue
from quantflow.config.load import find_workspace, load_profile
from quantflow.config.sweeps.sweep import SWEEP, sweep_names
from quantflow.config.workspaces import FILE
from quantflow.desk.promotions import promotions
from quantflow.doctor.profiles import all_in_one, examined
from quantflow.errors import unknown_name
from quantflow.pipeline.arrange import pipeline_of
from quantflow.pipeline.describe import describe, described, keys_of, known_stages
from quantflow.pipeline.registry import StageRegistry
from quantflow.pipeline.stage import BasePipelineStage
from quantflow.review.single import made_by, stage_and_context
from quantflow.runs.find import find_run
from quantflow.sdk import QuantSDK
from quantflow.ui.emit import emit
from quantflow.ui.profiles import print_checked, print_entries, print_promotions, print_values
from quantflow.ui.stages import print_made, print_stage_definition, print_stages


def list_profiles(workspace: Path | None, *, as_json: bool) -> None:
    """List profiles and meta profiles."""
    found = catalogue.entries(find_workspace(Path.cwd(), workspace))
    if as_json:
        emit("profiles", profiles=[entry.json() for entry in found])
    else:
        print_entries(found)


def show_profile(name: str, sets: Sequence[str], workspace: Path | None, *, sources: bool, as_json: bool) -> None:
    """Show every setting of a profile."""
    home = find_workspace(Path.cwd(), workspace)
    entry = catalogue.find(name, home)
    loaded = catalogue.load(entry, home, sets)
    if as_json:
        settings = loaded.model_dump(mode="json", exclude={"name"})
        emit(
            "profile",
            **entry.json(),
            settings=settings,
            sources={key: str(source) for key, source in loaded.sources.items()},
            promotions=[each.json() for each in promotions(home, name)],
        )
    else:
        print_values(catalogue.values(loaded), sources=sources)
        print_promotions(promotions(home, name))


def validate(names: Sequence[str], workspace: Path | None, *, as_json: bool) -> None:
    """Check profiles, of a whole file its sweeps too, and say all that is wrong with them at once."""
    home = find_workspace(Path.cwd(), workspace)
    every = catalogue.entries(home)
    own = [entry for entry in every if entry.source != "built in"]
    sweeps = [catalogue.Entry(name, SWEEP, FILE) for name in sweep_names(home)]
    asked = [catalogue.find(name, home) for name in names] if names else (own or every) + sweeps
    each = {entry: examined(entry, home) for entry in asked}
    found = [(entry, problem) for entry, (problem, _) in each.items()]
    strange = {entry.name: odd for entry, (_, odd) in each.items()}
    if as_json:
        checked = [
            {"name": e.name, "kind": e.kind, "error": p.message if p else None, "hint": p.hint if p else None}
            | {"warnings": strange.get(e.name, [])}
            for e, p in found
        ]
        emit("validated", profiles=checked)
    wrong = [(entry, problem) for entry, problem in found if problem is not None]
    if wrong:
        raise all_in_one(wrong, len(asked))
    if not as_json:
        print_checked(asked, strange)


def list_stages(profile: str | None, workspace: Path | None, *, as_json: bool) -> None:
    """List all stages, or those of a profile."""
    found = known_stages() if profile is None else described(_stages_of(profile, workspace))
    if as_json:
        emit("stages", stages=[stage.json() for stage in found])
    else:
        print_stages(found)


def show_stage(stage: str, profile: str | None, workspace: Path | None, *, as_json: bool) -> None:
    """Show what a stage does, and the settings that it reads."""
    if profile is None:
        found = StageRegistry.get(stage)
    else:
        own = {each.id: each for each in _stages_of(profile, workspace)}
        if stage not in own:
            raise unknown_name("stage", stage, own)
        found = own[stage]
    if as_json:
        emit("stage", **describe(found).json(), settings=[vars(key) for key in keys_of(found)])
    else:
        print_stage_definition(describe(found), keys_of(found))


def _stages_of(profile: str, workspace: Path | None) -> Sequence[BasePipelineStage]:  # type: ignore[type-arg]
    return pipeline_of(load_profile(profile, workspace=find_workspace(Path.cwd(), workspace)).settings())


def run_stage(stage: str, run: str, workspace: Path | None, *, as_json: bool) -> None:
    """Run one stage on a run's artifacts, and show what it made."""
    record = find_run(find_workspace(Path.cwd(), workspace), run)
    found, context = stage_and_context(record, stage)
    after = QuantSDK.run_stage(found, context)
    made = made_by(record, found, after)
    summary = after.summaries[found.id]
    if as_json:
        artifacts = [item.json() for item in made]
        emit("made", run_id=record.id, stage=found.id, summary=vars(summary), artifacts=artifacts)
    else:
        print_made(found.id, record.id, summary, made)
