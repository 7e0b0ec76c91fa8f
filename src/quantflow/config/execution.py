"""Where a profile's work runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from quantflow.config.base import Section


class ExecutionConfig(Section):
    """The runner: a Ray cluster, a local Ray, or processes without Ray; the results have the same bytes."""

    runner: Literal["auto", "ray", "local"] = Field(
        "auto",
        description="what runs the sleeves: a Ray, or processes of this machine without one (local); auto is Ray, "
        "and processes when a Ray of this machine does not come up",
    )
    ray_address: str | None = Field(
        None, min_length=1, description="address of a Ray cluster; a local Ray is started when absent"
    )
    workers: int | None = Field(None, ge=1, le=4096, description="processes at once; one per core when absent")
    store: str | None = Field(
        None, min_length=1, description="fsspec URL of artifacts and cached results; below the workspace when absent"
    )
