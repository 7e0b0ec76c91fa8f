"""The names of the built-in stages, in a module that imports nothing."""

from __future__ import annotations

SELECTION: tuple[str, ...] = (
    "ingestion",
    "features",
    "inference",
    "clustering",
    "policy",
    "synthesis",
    "allocation",
    "validation",
    "report",
)
"""The stages of a selection run, in order. Each lives in the module of its name, class ``<Name>Stage``."""

ASKED: tuple[str, ...] = ("signals",)
"""The stages that a selection run has besides where its profile asks for them."""

HOLD: tuple[str, ...] = ("ingestion", "holding")
"""The stages of a run on a session without a decision."""

META_HOLD: tuple[str, ...] = ("meta.holding",)
"""The stages of a meta run on such a session, after its sleeves."""

META: tuple[str, ...] = (
    "meta.gather",
    "meta.aggregation",
    "meta.optimisation",
    "meta.flattening",
    "meta.validation",
    "meta.report",
)
"""The stages of a meta run after its sleeves, in order. Each lives in the module of its name."""

SWEEP: tuple[str, ...] = ("sweep.table", "sweep.report")
"""The stages of a sweep after its trials, in order."""
