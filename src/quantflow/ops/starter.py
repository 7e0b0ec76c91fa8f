"""A workspace to begin with: a commented ``quantflow.toml``, its prices, and a ``.gitignore``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from quantflow.config.sections import Section, UniverseConfig
from quantflow.config.workspaces import FILE
from quantflow.data.providers.sample import SampleProvider
from quantflow.data.store import write_atomic
from quantflow.errors import ConfigError, InfrastructureError

if TYPE_CHECKING:
    import pandas as pd

PROFILE = "core"
"""The profile that is meant to be run first."""

FIRST = date(2015, 1, 2)
"""The first session of the prices: eight years are enough for a walk-forward, and small."""

PRICES, INSTRUMENTS, IGNORE = "data/prices.csv", "data/instruments.csv", ".gitignore"
IGNORED: tuple[str, ...] = (".quantflow/", "runs/", "current/", "site/", "metrics.prom", "quantflow-*.log")


@dataclass(frozen=True)
class Started:
    """What was done.

    Attributes:
        written: The files, relative to the folder.
        not_ignored: Lines missing from a ``.gitignore`` that was there; it is left as it is.
    """

    written: tuple[str, ...]
    not_ignored: tuple[str, ...]


def start_workspace(folder: Path, settings: str | None = None) -> Started:
    """Write the files of a new workspace into *folder*, which is made when it is missing; replace none.

    Args:
        folder: Where.
        settings: The ``quantflow.toml`` of one over files that are there; one over sample prices is begun when None.

    Raises:
        ConfigError: If one of them, ``.gitignore`` aside, is there; nothing was written then.
        InfrastructureError: If they cannot be written, or the ``.gitignore`` cannot be read; nothing was written then.
    """
    texts = _sample() if settings is None else {FILE: settings}
    there = [name for name in texts if (folder / name).exists()]
    if there:
        raise ConfigError(
            f"{folder} has {' and '.join(there)} already; nothing was written.",
            hint="Go to another folder, or move what is there away.",
        )
    missing = _not_ignored(folder / IGNORE)
    if missing is None:
        texts[IGNORE] = "\n".join(IGNORED) + "\n"
    try:
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomic(folder / name, text.encode())
    except OSError as error:
        raise InfrastructureError(f"{folder} cannot be written: {error}.", hint="Correct its permissions.") from error
    return Started(tuple(sorted(texts)), missing or ())


def _sample() -> dict[str, str]:
    text = (files("quantflow.config") / "starter.toml").read_text(encoding="utf-8")
    return {PRICES: prices(), INSTRUMENTS: instruments(), FILE: text}


def prices() -> str:
    """Return the sample's adjusted closes as CSV: date, and a column per symbol."""
    sample = SampleProvider(Section())
    bars = sample.bars(list(sample.instruments(UniverseConfig()).index), FIRST, sample.last_date())
    text: str = bars.pivot(index="date", columns="symbol", values="close").to_csv(float_format="%.4f")
    return text


def instruments() -> str:
    """Return the sample's stocks as CSV: what they are, and how they trade."""
    sample = SampleProvider(Section())
    listed: pd.DataFrame = sample.instruments(UniverseConfig())
    facts = sample.facts(list(listed.index))
    text: str = listed.join(facts[[name for name in facts if name not in listed]]).to_csv()
    return text


def _not_ignored(path: Path) -> tuple[str, ...] | None:
    """Return the lines missing from a file; None when the file does not exist."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InfrastructureError(
            f"{path} cannot be read: {error.strerror}.", hint="Correct its permissions, or move it away."
        ) from error
    lines = {line.strip().rstrip("/") for line in text.splitlines()}
    return tuple(line for line in IGNORED if line.rstrip("/") not in lines)
