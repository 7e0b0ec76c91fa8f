"""The sleeves of a meta run on disk: which run each one is, and what it hands to the portfolio."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from quantflow.data.sealed import refuse_newer, sealed, unsealed
from quantflow.data.store import ArtifactRef, write_atomic
from quantflow.errors import IntegrityError
from quantflow.types import Settings

LINK_VERSION = 1

PRICED: tuple[str, ...] = ("prices", "past", "roster", "instruments")
"""The artifacts of a profile's run that say what its names earned."""

_PROVEN = ("oos_returns", "oos_weights", "weights", "metrics")
_MADE_OF = {"profile": PRICED, "meta": ("asset_returns", "asset_tradable", "asset_costs")}


def handed_on(made: Mapping[str, ArtifactRef], kind: str, run_id: str, *, hold: bool) -> dict[str, ArtifactRef]:
    """Return the artifacts of a sleeve's run that the portfolio is made of.

    Args:
        made: Those of the run, by name.
        kind: ``profile`` or ``meta``.
        run_id: The run, for the error.
        hold: Whether the run is of a session without a decision, to which the parts of a nested portfolio contribute
            themselves.

    Raises:
        IntegrityError: If the run has not made one of them.
    """
    priced = PRICED if kind == "profile" else ()
    wanted = priced if hold else (*_PROVEN, *_MADE_OF[kind])
    if missing := [name for name in wanted if name not in made]:
        raise IntegrityError(
            f"Run {run_id} is a sleeve, and has no artifact {missing[0]!r}.",
            hint=f"Run that {kind} again with this version of quantflow.",
        )
    return {name: made[name] for name in wanted}


@dataclass(frozen=True)
class SleeveLink:
    """One sleeve of a meta run: ``runs/<meta>/sleeves/<id>.json``.

    Attributes:
        id: The sleeve's name in the portfolio.
        run_id: The run that is the sleeve.
        profile: Its profile, or meta profile.
        kind: ``profile`` or ``meta``.
        config_hash: Hash of the settings that the run must have; of those it had, when it is pinned.
        pinned: Whether the run was there before, and is used as it is.
    """

    id: str
    run_id: str
    profile: str
    kind: str
    config_hash: str
    pinned: bool = False

    def write(self, meta_folder: Path) -> None:
        """Write the link into the meta run's folder."""
        data = json.dumps(sealed({"schema_version": LINK_VERSION, **vars(self)}), indent=1, sort_keys=True)
        write_atomic(_file(meta_folder, self.id), data.encode())

    @classmethod
    def read(cls, meta_folder: Path, sleeve: str) -> SleeveLink:
        """Return the link of a sleeve.

        Raises:
            IntegrityError: If it cannot be read; a ``NewerRecordError`` where a newer quantflow wrote it.
        """
        path = _file(meta_folder, sleeve)
        try:
            read = json.loads(path.read_bytes())
            refuse_newer(read, LINK_VERSION, f"The link to sleeve {sleeve!r}")
            found = unsealed(read)
            found.pop("schema_version")
            return cls(**found)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise IntegrityError(
                f"The sleeve link {path} cannot be read: {error}.", hint="Start the meta run again with a new --run-id."
            ) from error


@dataclass(frozen=True)
class SleeveResult:
    """What a sleeve hands to the portfolio; it names its sleeve, so that none is taken for another.

    Attributes:
        sleeve: The sleeve's id.
        run_id: Its run.
        config_hash: Hash of the settings under which the run was made.
        as_of: The run's as-of session, ISO.
        degraded: Whether the run completed with fallbacks.
        outputs: Refs of what ``handed_on`` names.
    """

    sleeve: str
    run_id: str
    config_hash: str
    as_of: str
    degraded: bool = False
    outputs: Mapping[str, ArtifactRef] = field(default_factory=dict)


def config_hash(settings: Settings, as_of: str) -> str:
    """Return a hash of all settings of a run, and its as-of."""
    text = json.dumps({**settings, "as_of": as_of}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _file(meta_folder: Path, sleeve: str) -> Path:
    return meta_folder / "sleeves" / f"{sleeve}.json"
