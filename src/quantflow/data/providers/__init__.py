"""Sources of market data: the built-in ones and those that other packages register."""

from __future__ import annotations

import hashlib
import secrets
from importlib import import_module
from typing import Any

from quantflow.config.data import DataConfig, FilesOptions
from quantflow.config.extensions import PROVIDERS, loaded, registered
from quantflow.data.horizon import bounded
from quantflow.data.providers.base import Provider
from quantflow.data.providers.files.locations import local_marks
from quantflow.errors import ConfigError, DataUnavailableError, unknown_name

__all__ = ["Provider", "fingerprint", "open_provider", "provider_names"]

_BUILT_IN: dict[str, str] = {
    "sample": "quantflow.data.providers.sample:SampleProvider",
    "files": "quantflow.data.providers.files.provider:FilesProvider",
    "ccxt": "quantflow.data.providers.crypto:CcxtProvider",
}


def provider_names() -> tuple[str, ...]:
    """Return every known provider name, sorted."""
    return tuple(sorted({*_BUILT_IN, *registered(PROVIDERS)}))


def open_provider(config: DataConfig) -> Provider:
    """Return the provider that *config* names, imported only now; it keeps the horizon (``history_ends``).

    Args:
        config: The profile's data section; the provider is called with its own options among it.

    Raises:
        ConfigError: If there is none of that name (naming the nearest), or what is registered is not a provider.
    """
    if config.provider in _BUILT_IN:
        module, _, attribute = _BUILT_IN[config.provider].partition(":")
        return _opened(config, getattr(import_module(module), attribute))
    points = registered(PROVIDERS)
    if config.provider not in points:
        raise unknown_name("provider", config.provider, provider_names())
    return _opened(config, loaded(points[config.provider], "Provider"))


def fingerprint(config: DataConfig, *files: str | None) -> str | None:
    """Return a hash of what tells cheaply that source data have changed: names, sizes and times of change of files.

    Of another package's provider that says so itself, its ``fingerprint`` (see ``Provider``). None for a source without
    either, whose past sessions are taken to stay as they are, when none of *files* is given: what ingestion reads
    besides (``universe.members`` and the like). What cannot be looked at so cheaply, a file at a URL or a missing one,
    or a provider that does not answer, gives a text that equals no other.
    """
    options = config.options
    paths = (*((options.path, options.instruments) if isinstance(options, FilesOptions) else ()), *files)
    found: list[object] = [local_marks(path) for path in paths if path]
    try:
        own = None if config.provider in _BUILT_IN else _own_fingerprint(open_provider(config))
    except DataUnavailableError:
        own = ""
    if own is None and not found:
        return None
    if own == "" or not all(found):
        return f"unknown {secrets.token_hex(8)}"
    return hashlib.sha256(repr(found if own is None else [*found, own]).encode()).hexdigest()


def _own_fingerprint(provider: Any) -> str | None:
    """Return what a provider says of its data: its attribute or method ``fingerprint``; None when it has neither."""
    found = getattr(provider, "fingerprint", None)
    mark = found() if callable(found) else found
    if mark is not None and not isinstance(mark, str):
        raise ConfigError(
            f"Provider {provider.name!r}: its fingerprint is {type(mark).__name__}, not text.",
            hint="Return a text that changes with the data, or None.",
        )
    return mark


def _opened(config: DataConfig, make: Any) -> Provider:
    provider = make(config.options)
    if not isinstance(provider, Provider):
        raise ConfigError(
            f"Provider {config.provider!r} does not implement quantflow.data.providers.base.Provider.",
            hint="It needs name, instruments, bars, facts and last_date.",
        )
    return bounded(provider)
