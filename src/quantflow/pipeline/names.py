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

META: tuple[str, ...] = (
    "meta.gather",
    "meta.aggregation",
    "meta.optimisation",
    "meta.flattening",
    "meta.validation",
    "meta.report",
)
"""The stages of a meta run after its sleeves, in order. Each lives in the module of its name."""
