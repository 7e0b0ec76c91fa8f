"""The cache key of a stage: what its result depends on, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quantflow.data.store import ArtifactRef
from quantflow.pipeline.code_version import code_version
from quantflow.pipeline.stage import Kind, Stage
from quantflow.types import Settings


@dataclass(frozen=True)
class Fingerprint:
    """What a stage's result depends on.

    Attributes:
        stage: The stage's id.
        scope: The run id for a network stage (its result holds for one run); empty for all others.
        code: The code version; empty for a network stage, whose result is data, not computation.
        config: Hash of the settings that the stage reads.
        inputs: sha256 of each input, by artifact name.
        reads: A mark of each environment variable and file that the stage says it reads, by name.
    """

    stage: str
    scope: str
    code: str
    config: str
    inputs: Mapping[str, str]
    reads: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The name of the cached result: readable prefix, then a hash of everything."""
        given = sorted(self.inputs.items()), sorted(self.reads.items())
        facts = [self.stage, self.scope, self.code, self.config, *given]
        digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
        return f"{f'{self.scope}.' if self.scope else ''}{self.stage}-{digest}"

    def json(self) -> dict[str, Any]:
        """Return the fingerprint as JSON values."""
        given = {"inputs": dict(self.inputs), "reads": dict(self.reads)}
        return {"scope": self.scope, "code": self.code, "config": self.config, **given}


def fingerprint(stage: Stage, scope: str, settings: Settings, artifacts: Mapping[str, ArtifactRef]) -> Fingerprint:
    """Return what the result of *stage* in this run depends on.

    Args:
        stage: The stage.
        scope: The run that network stages fetch for; part of the key of a network stage only.
        settings: The profile's sections and ``as_of``.
        artifacts: Refs that must hold the stage's ``needs``; other names are ignored.
    """
    network = stage.kind is Kind.NETWORK
    config = stage.configured(settings).model_dump_json()
    return Fingerprint(
        stage=stage.id,
        scope=scope if network else "",
        code="" if network else code_version(stage),
        config=hashlib.sha256(config.encode()).hexdigest(),
        inputs={name: artifacts[name].sha256 for name in stage.needs if name in artifacts},
        reads=stage.read_marks(settings),
    )
