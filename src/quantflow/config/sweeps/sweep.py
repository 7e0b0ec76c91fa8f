"""A sweep as ``[sweep.NAME]`` or the flags of ``quantflow sweep`` describe it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from quantflow.config.calendar import CalendarConfig
from quantflow.config.documents import check_name, read_document
from quantflow.config.layers import Layered, dotted, read_value, validated
from quantflow.config.load import load_profile, vary_settings
from quantflow.config.operation import ExecutionConfig, PublishConfig
from quantflow.config.profile import MetaProfile, Profile
from quantflow.config.sections import NAME, RebalanceConfig, Section
from quantflow.config.source import Source
from quantflow.config.sweeps.design import Design, Variant, variants
from quantflow.config.workspaces import FILE
from quantflow.errors import ConfigError, unknown_name
from quantflow.types import Record

Metric = Literal["sharpe", "sortino", "calmar", "cagr"]
MOST = 10_000
"""Trials of one sweep."""

ALIKE = frozenset({"execution", "orders", "publish", "report", "schedule", "signals"})
"""Sections that change nothing in a walk-forward, so that trials that differ in them would be the same."""


class SweepConfig(Section):
    """Which settings of a profile are varied, and how the variants are chosen and compared."""

    name: str = Field("", pattern=f"{NAME}|^$", description="the sweep's name; empty for one of flags alone")
    profile: str = Field(pattern=NAME, description="profile whose variants are tried")
    over: dict[str, tuple[Any, ...]] = Field(
        min_length=1, description='values of each setting that is varied, as `"policy.top_n" = [5, 10, 20]`'
    )
    design: Design = Field(
        "grid",
        description="grid: all combinations; random: as many as `trials`, drawn; sobol: as many, spread evenly",
    )
    trials: int | None = Field(None, ge=2, le=MOST, description="how many variants random and sobol try")
    seed: int = Field(0, ge=0, lt=2**32, description="chooses the variants that random and sobol try")
    metric: Metric = Field("sharpe", description="figure of the walk-forward, after costs, by which trials are ranked")
    nested: bool = Field(
        False,
        description="whether a further walk-forward chooses the best trial at each rebalance by what was known then",
    )

    @field_validator("over", mode="before")
    @classmethod
    def _flat(cls, value: object) -> object:
        """Take ``policy.top_n = [1, 2]``, which TOML reads as a table in a table, for one setting."""
        if not isinstance(value, Mapping):
            return value
        found = _settings_in((), value)
        names = [name for name, _ in found]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"{twice} stands there twice, in quotes and as a table")
        ordered = sorted(found, key=lambda item: item[0])  # as a run's record, so that trials keep their numbers
        return {name: tuple(each) if isinstance(each, list) else each for name, each in ordered}

    @model_validator(mode="after")
    def _can_be_tried(self) -> Self:
        for setting, values in self.over.items():
            if setting.count(".") < 1 or not all(setting.split(".")):
                raise ValueError(f"over: {setting!r} is not a setting; write it as section.key, e.g. policy.top_n")
            if setting.split(".")[0] in ALIKE:
                raise ValueError(f"over: {setting} changes nothing in a walk-forward, so its trials would be the same")
            if not values:
                raise ValueError(f"over: {setting} has no values")
            if len({repr(value) for value in values}) < len(values):
                raise ValueError(f"over: {setting} names a value twice")
        if self.design != "grid" and self.trials is None:
            raise ValueError(f"design {self.design} needs trials: how many variants are tried")
        if self.design == "grid" and self.trials is not None:
            raise ValueError("design grid tries all combinations; trials is for random and sobol")
        return self

    def variants(self) -> list[Variant]:
        """Return the values of each trial, in the order of their numbers.

        Raises:
            ConfigError: If there are fewer than 2, or more than 10,000.
        """
        number = 1
        for values in self.over.values():
            number *= len(values)
        if self.design == "grid" and number > MOST:
            raise ConfigError(
                f"The grid has {number:,} combinations; a sweep tries at most {MOST:,}.",
                hint="Try some of them: --design sobol --trials 200.",
            )
        if number < 2:
            raise ConfigError("A sweep needs at least two variants.", hint="Give a setting two values or more.")
        return variants(self.over, self.design, self.trials, self.seed)


def _settings_in(path: tuple[str, ...], value: object) -> list[tuple[str, object]]:
    if not isinstance(value, Mapping):
        return [(".".join(path), value)]
    return [found for key, inner in value.items() for found in _settings_in((*path, str(key)), inner)]


@dataclass(frozen=True)
class SweepProfile:
    """A sweep with the settings of the profile that it varies.

    Attributes:
        base: The profile, every value in place.
        config: What is varied.
    """

    base: Profile
    config: SweepConfig

    @property
    def name(self) -> str:
        """The profile's name."""
        return self.base.name

    @property
    def sources(self) -> Mapping[str, Source]:
        """Where the values of the profile came from."""
        return self.base.sources

    @property
    def execution(self) -> ExecutionConfig:
        """Where trials run."""
        return self.base.execution

    @property
    def calendar(self) -> CalendarConfig:
        """The sessions of the profile."""
        return self.base.calendar

    @property
    def rebalance(self) -> RebalanceConfig:
        """When the profile decides."""
        return self.base.rebalance

    @property
    def publish(self) -> PublishConfig:
        """What the profile's books must hold to; a sweep publishes nothing."""
        return self.base.publish

    def settings(self) -> dict[str, Any]:
        """Return what a run of the sweep depends on: the profile's sections, and the sweep, as JSON values."""
        return {**self.base.settings(), SWEEP: self.config.model_dump(mode="json")}


AnyProfile: TypeAlias = Profile | MetaProfile | SweepProfile
"""Whatever can be run."""

SWEEP = "sweep"
"""The table of sweeps in the file, and the section of a run that holds one."""


def sweep_names(workspace: Path) -> tuple[str, ...]:
    """Return the sweeps of the workspace's file, sorted."""
    return tuple(sorted(read_document(workspace).get(SWEEP, {})))


def load_sweep(
    name: str | None, *, workspace: Path, given: Mapping[str, Any] | None = None, overrides: Sequence[str] = ()
) -> SweepProfile:
    """Return a sweep of the workspace's file, or of what is given alone.

    Args:
        name: ``[sweep.NAME]``; None for one of *given* alone.
        workspace: The folder that may hold a ``quantflow.toml``.
        given: Keys of the sweep that win over the file's.
        overrides: ``section.key=value`` flags that change the profile for all trials.

    Raises:
        ConfigError: Naming file, key, value, rule and the nearest valid name; also when no variant with one of the
            values is valid.
    """
    table = _table(name, workspace) if name is not None else {}
    settings, heading = Layered(), f"{FILE}: [{SWEEP}.{name}]" if name else SWEEP
    for key, value in table.items():
        settings.put((key,), value, Source("file", f"[{SWEEP}.{name}]"))
    for key, value in (given or {}).items():
        settings.put((key,), value, Source("flag", f"--{key}"))
    if "profile" not in settings.values:
        raise ConfigError("A sweep needs a profile.", hint="quantflow sweep --profile demo --over policy.top_n=5,10,20")
    config = validated(SweepConfig, name or "", settings, heading, flag_per_key=True)
    base = load_profile(config.profile, workspace=workspace, overrides=overrides)
    swept = SweepProfile(base, config)
    refuse_hopeless(swept, workspace)
    return swept


def _table(name: str, workspace: Path) -> Record:
    check_name(name, "The name of a sweep")
    known = read_document(workspace).get(SWEEP, {})
    if name not in known:
        raise unknown_name("sweep", name, known)
    table: Record = known[name]
    if "name" in table:
        raise ConfigError(f"{FILE}: [{SWEEP}.{name}] name: no such key.", hint="The table's own name is the sweep's.")
    return table


def refuse_hopeless(swept: SweepProfile, workspace: Path) -> None:
    """Refuse a sweep of which a value is not valid in any combination; a combination that is not is a failed trial.

    Raises:
        ConfigError: What is wrong with the value.
    """
    settings, valid, wrong = swept.base.settings(), set[tuple[str, str]](), dict[tuple[str, str], ConfigError]()
    for variant in swept.config.variants():
        named = {(setting, repr(value)) for setting, value in variant.items()}
        try:
            vary_settings(swept.name, settings, variant, workspace)
        except ConfigError as error:
            wrong |= dict.fromkeys(named - wrong.keys(), error)
        else:
            valid |= named
    for each, found in wrong.items():
        if each not in valid:
            raise found


def read_over(flags: Sequence[str]) -> dict[str, list[Any]]:
    """Return what ``--over`` flags vary: ``policy.top_n=5,10,20``; values are TOML, or text when they are no TOML.

    Raises:
        ConfigError: If one is not of that form, or a setting is named twice.
    """
    over: dict[str, list[Any]] = {}
    for flag in flags:
        setting, equals, text = (part.strip() for part in flag.partition("="))
        if not equals or "." not in setting or not text:
            raise ConfigError(
                f"--over {flag!r}: must be section.key=value,value.", hint="For example: --over policy.top_n=5,10,20"
            )
        if setting in over:
            raise ConfigError(f"--over names {setting} twice.", hint="Give all its values in one.")
        over[setting] = _values(setting, text)
    return over


def _values(setting: str, text: str) -> list[Any]:
    """Return the values in a flag; those that are lists or tables themselves stand in one list, ``[[1, 2], [3]]``."""
    where = f"--over {setting}"
    listed = read_value(text, where) if text.startswith("[") else None
    return listed if isinstance(listed, list) else [read_value(part.strip(), where) for part in text.split(",")]


def described(variant: Variant) -> str:
    """Return a trial's values as people write them: ``policy.top_n=5 allocation.method=hrp``."""
    return " ".join(f"{dotted((name,))}={value}" for name, value in variant.items())
