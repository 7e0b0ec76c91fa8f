"""The stages without flows: for notebooks, tests, and the flows themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from quantflow.config.load import find_workspace, load_profile
from quantflow.data.calendars import as_date
from quantflow.pipeline.arrange import pipeline_of
from quantflow.pipeline.registry import StageRegistry
from quantflow.pipeline.stage import PROFILE, SelectionContext, Stage, check_wiring
from quantflow.runs.as_of import resolve_as_of
from quantflow.runs.create import default_run_id
from quantflow.runs.layout import Layout


class QuantSDK:
    """Run stages directly, with no server and no task.

    Example:
        >>> context = QuantSDK.context("demo")                         # doctest: +SKIP
        >>> context = QuantSDK.run_stage("ingestion", context)         # doctest: +SKIP
        >>> context.load("prices").close.shape                         # doctest: +SKIP
        (20, 8313)
    """

    @staticmethod
    def context(
        profile: str,
        *,
        run_id: str | None = None,
        as_of: date | str | None = None,
        workspace: Path | None = None,
        overrides: Sequence[str] = (),
    ) -> SelectionContext:
        """Return the context in which a profile's first stage can run.

        Args:
            profile: The profile's name.
            run_id: The run's name; generated when None.
            as_of: The last session to be seen, a date or ``"2022-12-28"``; None for the last completed one.
            workspace: The folder of ``quantflow.toml``; None to look for it from here upwards.
            overrides: ``section.key=value`` lines that win over the profile.

        Raises:
            ConfigError: If the profile, a value or the date is wrong.
        """
        home = find_workspace(Path.cwd(), workspace)
        loaded = load_profile(profile, workspace=home, overrides=overrides)
        session = resolve_as_of(loaded, as_date(as_of)).session
        settings = {**loaded.settings(), "as_of": session.isoformat(), PROFILE: profile}
        layout = Layout.of(home, loaded.execution.store)
        return SelectionContext(run_id or default_run_id(profile, session), profile, session, settings, layout.store)

    @staticmethod
    def stage(stage_id: str, context: SelectionContext) -> Stage:
        """Return the stage as the context's profile has it, or else the one that is registered under that id.

        Raises:
            ConfigError: If there is none.
        """
        own = {stage.id: stage for stage in pipeline_of(context.settings)}
        return own.get(stage_id) or StageRegistry.get(stage_id)

    @staticmethod
    def run_stage(stage: str | Stage, context: SelectionContext) -> SelectionContext:
        """Run one stage; return the context that carries what it made.

        Raises:
            ConfigError: If there is no such stage.
            QuantflowError: What the stage raises.
        """
        return (QuantSDK.stage(stage, context) if isinstance(stage, str) else stage).execute(context)

    @staticmethod
    def run_pipeline(context: SelectionContext, stages: Sequence[str] | None = None) -> SelectionContext:
        """Run *stages* in order, after checking that each finds what it needs; those of the profile when None.

        Raises:
            ConfigError: If the wiring does not hold; nothing has run by then.
            QuantflowError: What a stage raises.
        """
        own = {stage.id: stage for stage in pipeline_of(context.settings)}
        chain = [own.get(name) or StageRegistry.get(name) for name in (own if stages is None else stages)]
        check_wiring(chain, frozenset(context.artifacts))
        for stage in chain:
            context = QuantSDK.run_stage(stage, context)
        return context
