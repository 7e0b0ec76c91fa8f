"""What a stage is, and the context that carries artifacts from one to the next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from quantflow.config.sections import Section
from quantflow.data.horizon import history_ends
from quantflow.data.store import ArtifactRef, ArtifactStore
from quantflow.errors import ConfigError, StageError
from quantflow.pipeline.reads import FileOf, marks, named_files
from quantflow.types import Record, Settings

Artifact: TypeAlias = Any
"""An artifact in memory: a ``Panel``, a pandas ``DataFrame``, a JSON mapping or a ``str``."""
Artifacts: TypeAlias = Mapping[str, Artifact]
"""Artifacts in memory by name."""
Inputs: TypeAlias = Artifacts
Outputs: TypeAlias = Artifacts


PROFILE = "profile"
"""The name of the profile among a run's settings, for stages whose ``Config`` has a field of that name."""

running: ContextVar[str] = ContextVar("running", default="no-run")
"""The id of the run that a stage runs for: a label, which no result may depend on."""


class Kind(StrEnum):
    """What a stage does, which alone decides how it is retried and cached."""

    NETWORK = "network"
    COMPUTE = "compute"
    CONTROL = "control"


class StageConfig(Section):
    """The settings that one stage reads: a field per profile section, and ``as_of`` where it is needed."""


C = TypeVar("C", bound=StageConfig)


@dataclass(frozen=True)
class Summary:
    """What a person wants to know of a finished stage.

    Attributes:
        entered: Symbols that went in; None when the stage does not handle symbols.
        left: Symbols that came out.
        note: One short line.
        degraded: True when the stage completed with a fallback, or set names aside.
    """

    entered: int | None = None
    left: int | None = None
    note: str = ""
    degraded: bool = False


class BasePipelineStage(ABC, Generic[C]):
    """One transformation of the pipeline: named artifacts in, named artifacts out, no clock, no printing.

    A subclass declares what it is in attributes, of the class or of the instance, and implements ``run``. ``run``
    must not change its inputs, and its result may depend on nothing but *inputs* and *config* (a network stage: on
    its provider too), and on what ``reads_env`` and ``reads_files`` name, which is part of the key of its result.
    """

    id: str
    kind: Kind
    needs: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    Config: type[StageConfig] = StageConfig
    reads_env: tuple[str, ...] = ()
    """Names of the environment variables that ``run`` reads."""
    reads_files: tuple[FileOf, ...] = ()
    """The files and folders that ``run`` reads: absolute paths, or functions of the config that give one or several."""

    @abstractmethod
    def run(self, inputs: Inputs, config: C) -> Outputs:
        """Return one value for each name in ``makes``.

        Args:
            inputs: The artifacts named in ``needs``.
            config: The settings that this stage reads.

        Raises:
            QuantflowError: With a hint; ``retryable`` decides whether a network stage is tried again.
        """

    def replay(self, inputs: Inputs, config: C) -> Outputs:
        """Return what ``run`` gives at a past date of a walk-forward; a network stage must not fetch here.

        A network stage that does not override this is a source: the walk-forward is given what ``run``
        made, cut at each date to the data known then.
        """
        return self.run(inputs, config)

    def reach(self, config: C) -> int | None:
        """Return how many of the latest sessions ``run`` can look back on; None when it may look at all of them.

        A walk-forward gives a stage no more than that. A subclass that overrides ``run`` states its own: an inherited
        reach does not count.
        """
        return None

    def check(self, settings: Settings, custom: Collection[str] = ()) -> None:
        """Check, before anything runs, that a profile has what the stage requires of it besides its sections.

        Args:
            settings: The profile's sections.
            custom: The artifacts that stages of other packages make.

        Raises:
            ConfigError: Naming what is missing. By default nothing is required.
        """
        return

    def under(self, settings: Settings) -> Stage:
        """Return the stage as it is under a profile's settings; only one whose needs depend on them differs."""
        return self

    def read_marks(self, settings: Settings) -> dict[str, str]:
        """Return a mark of the value of each variable, and of the content of each file, that the stage declares.

        Args:
            settings: The profile's sections and ``as_of``.

        Raises:
            ConfigError: If a path is not absolute.
            InfrastructureError: If a file cannot be read.
        """
        return marks(self.reads_env, self.read_files(settings))

    def read_files(self, settings: Settings) -> list[Path]:
        """Return the files and folders that ``run`` reads under *settings*, as ``reads_files`` names them."""
        return named_files(self.reads_files, self.configured(settings)) if self.reads_files else []

    def modules(self) -> frozenset[str]:
        """Return the modules whose code, with all that they import, is this stage's code."""
        return frozenset({type(self).__module__})

    def classes(self) -> tuple[str, ...]:
        """Return the classes that do the work, in order: a module may hold several stages of one id."""
        return (f"{type(self).__module__}:{type(self).__qualname__}",)

    def bound(self, pipeline: Sequence[Stage]) -> Stage:
        """Return the stage as it is in *pipeline*, which is in order; only one that replays others differs."""
        return self

    def summary(self, inputs: Inputs, outputs: Outputs) -> Summary:
        """Return the line that people read about this stage."""
        return Summary()

    def configured(self, settings: Settings) -> StageConfig:
        """Return this stage's config, picked by field name from *settings* (profile sections and ``as_of``).

        The profile's name, where ``Config`` has a field ``profile``, is empty when *settings* do not have it.
        """
        missing = set(self.Config.model_fields) - set(settings) - {PROFILE}
        if missing:
            raise ConfigError(
                f"Stage {self.id!r} reads the section {sorted(missing)[0]!r}, which the profile does not have.",
                hint=f"Sections: {', '.join(sorted(settings))}.",
            )
        named = {name: settings[name] for name in self.Config.model_fields if name in settings}
        return self.Config.model_validate(named)

    def execute(self, context: SelectionContext) -> SelectionContext:
        """Load ``needs``, run, store ``makes``; return the context that carries the new refs.

        Linear algebra runs on one thread: the last bits of a product depend on the number of threads.
        """
        store = context.store()
        inputs = {name: context.load(name) for name in self.needs}
        config = self.configured(context.settings)
        with until_as_of(context.settings), one_blas_thread(), _in_run(context.run_id):
            outputs = self.run(inputs, config)  # type: ignore[arg-type]
        if missing := set(self.makes) - set(outputs):
            raise StageError(f"Stage {self.id!r} did not make {sorted(missing)}, which it declares.")
        refs = {name: store.put(name, outputs[name]) for name in self.makes}
        return replace(
            context,
            artifacts={**context.artifacts, **refs},
            summaries={**context.summaries, self.id: self.summary(inputs, outputs)},
        )


Stage: TypeAlias = BasePipelineStage[Any]
"""A stage with any config."""


@dataclass(frozen=True)
class SelectionContext:
    """What one selection run knows: small, frozen; refs, never frames.

    Attributes:
        run_id: The run.
        profile: The profile's name.
        as_of: The last session that may be seen.
        settings: The profile's sections by name (JSON values), ``as_of``, and the profile's name.
        store_uri: Where artifacts live.
        artifacts: Refs of what has been made, by name.
        summaries: The summary of each stage that ran, by stage id.
        facts: What else control stages read of the run itself, under the artifact name ``run``.
    """

    run_id: str
    profile: str
    as_of: date
    settings: Settings
    store_uri: str
    artifacts: Mapping[str, ArtifactRef] = field(default_factory=dict)
    summaries: Mapping[str, Summary] = field(default_factory=dict)
    facts: Record = field(default_factory=dict)

    def store(self) -> ArtifactStore:
        """Return the artifact store, which refuses to read anything dated after ``as_of``."""
        return ArtifactStore(self.store_uri, as_of=self.as_of)

    def load(self, name: str) -> Artifact:
        """Return the artifact *name* in memory, verified; ``run`` is the facts of the run.

        Raises:
            StageError: If nothing has made it yet.
        """
        if name == "run":
            known = {"run_id": self.run_id, "profile": self.profile, "as_of": self.as_of.isoformat()}
            return {**known, "config": dict(self.settings), **self.facts}
        if name not in self.artifacts:
            raise StageError(
                f"There is no artifact {name!r} in this context.", hint=f"There are: {sorted(self.artifacts)}."
            )
        return self.store().get(self.artifacts[name])


@contextmanager
def until_as_of(settings: Settings) -> Iterator[None]:
    """Let no provider give a bar after ``as_of`` of *settings* inside; all that it has where there is none."""
    last = settings.get("as_of")
    with nullcontext() if last is None else history_ends(date.fromisoformat(str(last))):
        yield


@contextmanager
def _in_run(run_id: str) -> Iterator[None]:
    token = running.set(run_id)
    try:
        yield
    finally:
        running.reset(token)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run linear algebra on one thread inside: the last bits of a product depend on the number of threads."""
    import scipy.linalg  # noqa: F401  # a library that is loaded later would escape the limit
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def check_wiring(stages: Sequence[Stage], given: frozenset[str] = frozenset()) -> None:
    """Check that each stage finds what it needs among *given* and what earlier stages make.

    Raises:
        ConfigError: Naming the stage, what is missing, and what is available at that point.
    """
    have = set(given) | {"run"}
    for stage in stages:
        if missing := set(stage.needs) - have:
            raise ConfigError(
                f"Stage {stage.id!r} needs {sorted(missing)}, which nothing before it makes.",
                hint=f"Available at that point: {sorted(have)}.",
            )
        have |= set(stage.makes)


Step = Callable[..., Any]
StepRunner = Callable[[str, Step, tuple[Any, ...]], Any]


def _call(name: str, fn: Step, args: tuple[Any, ...]) -> Any:
    return fn(*args)


step_runner: ContextVar[StepRunner] = ContextVar("step_runner", default=_call)
"""How ``step`` runs a part of a stage; a flow puts its own here to make the parts visible."""


def step(name: str, fn: Step, *args: Any) -> Any:
    """Run ``fn(*args)`` as a visible part of a stage, e.g. one level of a relaxation loop."""
    return step_runner.get()(name, fn, args)


note_sink: ContextVar[Callable[[str], None]] = ContextVar("note_sink", default=lambda text: None)
"""Where ``note`` goes; a flow puts its own here, so that people see it."""


def note(text: str) -> None:
    """Report the progress of the running stage in a few words, e.g. ``1,234 / 5,000 symbols``; cheap."""
    note_sink.get()(text)
