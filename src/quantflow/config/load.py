"""Profiles from ``quantflow.toml``, the environment and flags.

Precedence: flag > environment > profile > what it extends > defaults. Where there is no file, the built-in ``demo``
profiles are there; they can always be extended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from quantflow.config import plugins
from quantflow.config.data import DEFAULT_PROVIDER, options_of
from quantflow.config.documents import built_in, check_name, extends_chain, read_document, stages_named
from quantflow.config.layers import Layered, Override, dotted, read_overrides, stack, validated
from quantflow.config.meta import MetaValidation
from quantflow.config.operation import CostsConfig, names_file
from quantflow.config.profile import SECTIONS, MetaProfile, Profile
from quantflow.config.sections import RebalanceConfig
from quantflow.config.source import DEFAULT, FLAG, OF_RUN, OVER, SLEEVES, Source, of_meta
from quantflow.config.workspaces import FILE, find_nearest
from quantflow.errors import ConfigError, said, unknown_name
from quantflow.types import Record


def find_workspace(start: Path, explicit: Path | None = None) -> Path:
    """Return the workspace: *explicit*, else the nearest folder from *start* upwards with a ``quantflow.toml``.

    Args:
        start: Where to look from; it is the workspace when no folder above has the file.
        explicit: What the user named, and so trusts; it need not exist yet.

    Raises:
        ConfigError: If *explicit* is not a folder, or what was found is another user's.
    """
    try:
        if explicit is None:
            return find_nearest(start)
        if explicit.exists() and not explicit.is_dir():
            raise ConfigError(f"The workspace {explicit} is not a folder.", hint="Name the folder of quantflow.toml.")
        return explicit.resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"The workspace {str(explicit or start)!r} cannot be used: {said(error)}.") from error


def profile_names(workspace: Path) -> tuple[str, ...]:
    """Return the profiles of the workspace's file, or the built-in ones when it has none, sorted."""
    return tuple(sorted(read_document(workspace).get("profiles") or built_in()["profiles"]))


def meta_names(workspace: Path) -> tuple[str, ...]:
    """Return the meta profiles of the workspace's file, or the built-in ones when it has no profile at all, sorted."""
    document = read_document(workspace)
    return tuple(sorted(document.get("meta", {}) if document else built_in()["meta"]))


def load_profile(name: str, *, workspace: Path, overrides: Sequence[str] = ()) -> Profile:
    """Return a profile with every value in place and its source beside it.

    Args:
        name: A profile of the workspace's file, or a built-in one.
        workspace: The folder that may hold a ``quantflow.toml``; relative paths of ``data`` start there.
        overrides: ``section.key=value`` flags; values are TOML, or text when they are no TOML.

    Raises:
        ConfigError: Naming file, key, value, rule and the nearest valid name.
    """
    check_name(name, "The name of a profile")
    document = read_document(workspace)
    given = [override for override in read_overrides(overrides) if not _is_ambient_meta(override)]
    return _profile(name, document, workspace, given)


def override_settings(name: str, settings: Record, overrides: Sequence[str]) -> Profile:
    """Return a profile whose sections are given, with some values overridden by flags alone.

    Args:
        name: The profile's name.
        settings: Its sections, as ``Profile.settings`` gave them.
        overrides: ``section.key=value`` flags.

    Raises:
        ConfigError: Naming key, value, rule and the nearest valid name.
    """
    return _overridden(name, settings, [item for item in read_overrides(overrides) if item.source == FLAG])


def vary_settings(name: str, settings: Record, variant: Record, workspace: Path) -> Profile:
    """Return a profile whose sections are given, with some values replaced.

    Args:
        name: The profile's name.
        settings: Its sections, as ``Profile.settings`` gave them.
        variant: The values, by ``section.key``.
        workspace: Where relative paths of ``data`` start.

    Raises:
        ConfigError: Naming key, value, rule and the nearest valid name.
    """
    given = [Override(OVER, tuple(key.split(".")), value) for key, value in variant.items()]
    return _overridden(name, settings, given, workspace)


def _overridden(name: str, settings: Record, given: Sequence[Override], workspace: Path | None = None) -> Profile:
    layered = Layered()
    for section, table in settings.items():
        for key, value in table.items():
            layered.put((section, key), value, OF_RUN)
    specs = plugins.specs_of(settings)
    if specs and workspace is not None:  # a worker has loaded no profile of the workspace
        plugins.importable(workspace)
    sections = (*SECTIONS, *plugins.own_sections(specs))
    providers = _texts([settings.get("data", {})])
    for item in given:
        if item.keys[0] == "pipeline":
            raise ConfigError("The stages of a run are fixed.", hint="Start a new run with that --set.")
        _check_section(item, sections)
        layered.put(item.keys, item.value, item.source)
    if workspace is not None:
        _anchor_paths(layered, workspace)
    model = _model(specs, layered, providers)
    profile = validated(model, name, layered, "the run's settings")
    sources = {key: source for key, source in layered.sources.items() if source == FLAG}
    return profile.model_copy(update={"sources": sources})


def load_meta(name: str, *, workspace: Path, overrides: Sequence[str] = ()) -> MetaProfile:
    """Return a meta profile, with the settings of all its sleeves resolved, nested meta profiles too.

    Args:
        name: A meta profile of the workspace's file, or a built-in one.
        workspace: The folder that may hold a ``quantflow.toml``.
        overrides: ``meta.key=value`` flags change this meta profile, ``section.key=value`` ones every sleeve's
            profile; ``execution.key=value`` ones change both.

    Raises:
        ConfigError: Naming file, key, value, rule and the nearest valid name; or the circle of meta profiles.
    """
    check_name(name, "The name of a meta profile")
    document = read_document(workspace)
    return _meta((name,), document, workspace, read_overrides(overrides))


def resolve(name: str, document: Record, workspace: Path) -> Profile:
    """Return a profile as a document has it, with every value in place; neither environment nor flags change it.

    Args:
        name: A profile of the document, or a built-in one.
        document: The shape of a ``quantflow.toml``.
        workspace: Where relative paths start.

    Raises:
        ConfigError: Naming file, key, value, rule and the nearest valid name.
    """
    return _profile(name, document, workspace, ())


def document_problems(document: Record, workspace: Path) -> dict[tuple[str, str], ConfigError]:
    """Return what is wrong with each profile and meta profile of a document, by table and name; the rest loads.

    Args:
        document: The shape of a ``quantflow.toml``. Neither environment nor flags change it.
        workspace: Where relative paths start.
    """
    found: dict[tuple[str, str], ConfigError] = {}
    for kind in ("profiles", "meta"):
        for name in document.get(kind, {}):
            try:
                _profile(name, document, workspace, ()) if kind == "profiles" else _meta(
                    (name,), document, workspace, ()
                )
            except ConfigError as error:
                found[kind, name] = error
    return found


def _is_ambient_meta(override: Override) -> bool:
    return override.keys[0] == "meta" and override.source != FLAG


def _profile(name: str, document: Record, workspace: Path, overrides: Sequence[Override]) -> Profile:
    chain = extends_chain(name, document)
    stages = [override.value for override in overrides if override.keys == ("pipeline", "stages")]
    named = [spec for value in (*stages_named(chain), *stages) for spec in plugins.specs_in(value)]
    if named:
        plugins.importable(workspace)
    sections = (*SECTIONS, *plugins.own_sections(named))
    settings = stack(chain, sections)
    for override in overrides:
        _check_section(override, sections)
        _seed(settings, override, Profile(name=name).settings())
        settings.put(override.keys, override.value, override.source)
    _anchor_paths(settings, workspace)
    _drop_start(settings)
    providers = _texts(table["data"] for _, _, table in chain if isinstance(table.get("data"), dict))
    model = _model(plugins.specs_in(settings.values.get("pipeline", {}).get("stages")), settings, providers)
    _fit(settings, sections, _sections(model))
    heading = f"{FILE}: [profiles.{name}]" if name in document.get("profiles", {}) else f"profile {name} (built in)"
    profile = validated(model, name, settings, heading)
    return profile.model_copy(update={"sources": _all_sources(profile.model_dump(exclude={"name"}), settings.sources)})


def _model(specs: Sequence[str], settings: Layered, providers: set[str]) -> type[Profile]:
    """Return the model that the settings must satisfy; options of *providers* that another one replaced are dropped."""
    data = settings.values.get("data", {})
    provider = data.get("provider", DEFAULT_PROVIDER)
    model = plugins.profile_model(specs, provider)
    if not isinstance(provider, str):  # which the model refuses
        return model
    for other in providers - {provider}:
        for key in options_of(other).model_fields.keys() - options_of(provider).model_fields.keys():
            data.pop(key, None)
    return model


def _texts(tables: Iterable[Record]) -> set[str]:
    """Return the providers that data sections name; the model refuses a name that is not text."""
    return {name for table in tables if isinstance(name := table.get("provider"), str)}


def _sections(model: type[Profile]) -> tuple[str, ...]:
    return (*SECTIONS, *(name for name in model.model_fields if name not in Profile.model_fields))


def _fit(settings: Layered, known: Sequence[str], used: Sequence[str]) -> None:
    """Drop the sections of stages that a later layer left out, and put in an empty one where a stage has none."""
    for section in set(known) - set(used):
        settings.values.pop(section, None)
    for section in set(used) - set(SECTIONS):
        settings.values.setdefault(section, {})


def _check_section(override: Override, sections: Sequence[str]) -> None:
    if override.keys[0] not in sections or len(override.keys) < 2:
        hint = unknown_name("section", override.keys[0], sections).hint
        raise ConfigError(
            f"{override.source.setting(dotted(override.keys))}: no section {override.keys[0]!r}.", hint=hint
        )


def _seed(settings: Layered, override: Override, defaults: Record) -> None:
    """Put the default table in place where an override changes one entry of a table that no layer has set."""
    section, key, *deeper = override.keys
    default = defaults.get(section, {}).get(key)
    if deeper and isinstance(default, dict) and key not in settings.values.get(section, {}):
        settings.put((section, key), default, DEFAULT)


def _anchor_paths(settings: Layered, workspace: Path) -> None:
    places = {"data": ("path", "instruments", "cache"), "universe": ("members",), "validation": ("costs", "benchmark")}
    for section, keys in places.items():
        values = settings.values.get(section, {})
        for key in keys:
            path = values.get(key)
            if isinstance(path, str) and path and "://" not in path and (key != "benchmark" or names_file(path)):
                values[key] = str(workspace / _home(path, settings.place((section, key))))
    for name, table in settings.values.get("tables", {}).items():
        path = table.get("path") if isinstance(table, dict) else None
        if isinstance(path, str) and path and "://" not in path:
            there = str(workspace / _home(path, settings.place(("tables", name))))
            settings.values["tables"][name] = {**table, "path": there}


def _home(path: str, place: str) -> Path:
    """Return a path with the home folder in place of a tilde at its beginning."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{place} = {path!r}: {said(error)}.", hint="Write the whole path.") from error


def _drop_start(settings: Layered) -> None:
    """Drop a built-in profile's start where the profile has other data."""
    data, source = settings.values.get("data", {}), settings.sources.get("data.start")
    if source is not None and source.kind == "built_in" and data.get("provider", DEFAULT_PROVIDER) != DEFAULT_PROVIDER:
        del data["start"], settings.sources["data.start"]


def _all_sources(values: Record, sources: Mapping[str, Source]) -> dict[str, Source]:
    keys = [f"{section}.{key}" for section, table in values.items() for key in table]
    return {key: sources.get(key, DEFAULT) for key in keys}


def _meta(trail: tuple[str, ...], document: Record, workspace: Path, overrides: Sequence[Override]) -> MetaProfile:
    name = trail[-1]
    settings = _meta_settings(name, document)
    for override in overrides:
        if keys := _meta_keys(override):
            settings.put(keys, override.value, override.source)
            settings.sources[keys[0]] = override.source
    meta = validated(MetaProfile, name, settings, f"{FILE}: [meta.{name}]")
    below = [override for override in overrides if override.keys[0] != "meta"]
    resolved: dict[str, Profile | MetaProfile] = {}
    for sleeve in meta.sleeves:
        if sleeve.profile is not None:
            _check_sleeve(name, "profile", sleeve.profile, {*document.get("profiles", {}), *built_in()["profiles"]})
            resolved[sleeve.id] = _profile(sleeve.profile, document, workspace, below)
        elif sleeve.meta in trail:
            circle = " > ".join([*trail, str(sleeve.meta)])
            raise ConfigError(f"{FILE}: meta profiles contain each other: {circle}.", hint="Take one sleeve out.")
        else:
            _check_sleeve(name, "meta profile", str(sleeve.meta), {*document.get("meta", {}), *built_in()["meta"]})
            resolved[sleeve.id] = _meta((*trail, str(sleeve.meta)), document, workspace, below)
    sources = {key: settings.sources.get(key, DEFAULT) for key in (*meta.settings(), "schedule", "notify")}
    changes: dict[str, Any] = {"resolved": resolved, "sources": sources}
    if "calendar" not in settings.values:
        changes["calendar"] = min((sleeve.calendar for sleeve in resolved.values()), key=lambda c: c.annualisation)
        sources["calendar"] = SLEEVES
    if "rebalance" not in settings.values:
        changes["rebalance"] = next(iter(resolved.values())).rebalance
        sources["rebalance"] = SLEEVES
    changes["validation"] = _costs(meta, settings.values.get("validation", {}), list(resolved.values()))
    if "validation" not in settings.values:
        sources["validation"] = SLEEVES
    found = meta.model_copy(update=changes)
    _check_rhythm(found)
    _check_turnover_cost(found)
    return found


def _costs(meta: MetaProfile, own: Record, sleeves: Sequence[Profile | MetaProfile]) -> MetaValidation:
    """Return the validation section; costs are those of the dearest sleeve where the section is silent."""
    silent = [name for name in CostsConfig.model_fields if name not in own]
    worst = {name: min if name == "cash_rate" else max for name in silent}
    dearest = {name: worst[name](getattr(sleeve.validation, name) for sleeve in sleeves) for name in silent}
    return meta.validation.model_copy(update=dearest)


def _check_rhythm(meta: MetaProfile) -> None:
    """Refuse sleeves that are decided on other sessions than the portfolio, whose book they would never be."""
    wanted = meta.rebalance
    for name, sleeve in meta.resolved.items():
        if sleeve.rebalance != wanted:
            raise ConfigError(
                f"{FILE}: [meta.{meta.name}] rebalances {_said(wanted)}, and its sleeve {name!r} "
                f"{_said(sleeve.rebalance)}.",
                hint="A portfolio is decided and traded as one: give both the same [rebalance].",
            )


def _check_turnover_cost(meta: MetaProfile) -> None:
    """Refuse sleeves whose decisions weigh what they hold: what a portfolio holds of a name is not the sleeve's."""
    for name, sleeve in meta.resolved.items():
        if isinstance(sleeve, Profile) and sleeve.allocation.turnover_cost:
            raise ConfigError(
                f"{FILE}: [meta.{meta.name}] the sleeve {name!r} has allocation.turnover_cost, and no book of its own "
                "that it could be weighed against.",
                hint="Take it out of the sleeve, or run the profile by itself.",
            )


def _said(rebalance: RebalanceConfig) -> str:
    every = f"every {rebalance.every} sessions" if isinstance(rebalance.every, int) else rebalance.every
    return f"{every} with a lag of {rebalance.lag}"


def _meta_keys(override: Override) -> tuple[str, ...]:
    """Return the setting of the meta profile that an override changes: where the work runs concerns all of it."""
    if override.keys[0] == "execution":
        return override.keys
    return override.keys[1:] if override.keys[0] == "meta" else ()


def _check_sleeve(meta: str, kind: str, name: str, known: set[str]) -> None:
    if name not in known:
        unknown = unknown_name(kind, name, known)
        raise ConfigError(f"{FILE}: [meta.{meta}] sleeves: no {kind} named {name!r}.", hint=unknown.hint)


def _meta_settings(name: str, document: Record) -> Layered:
    own, ours = document.get("meta", {}), built_in()["meta"]
    if name not in own and name not in ours:
        if name in {*document.get("profiles", {}), *built_in()["profiles"]}:
            raise ConfigError(f"{name!r} is a profile, not a meta profile.", hint=f"quantflow select --profile {name}")
        raise unknown_name("meta profile", name, {*own, *ours})
    source = of_meta(name, in_file=name in own)
    settings = Layered()
    for key, value in (own if name in own else ours)[name].items():
        settings.put((key,), value, source)
    return settings
