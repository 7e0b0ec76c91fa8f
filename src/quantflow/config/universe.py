"""Which instruments a profile looks at."""

from __future__ import annotations

from pydantic import Field, model_validator

from quantflow.config.base import Section


class UniverseConfig(Section):
    """The instruments asked for: all of the provider's, or those named, less the excluded."""

    symbols: tuple[str, ...] | None = Field(None, min_length=1, description="symbols; all the provider has when absent")
    exclude: tuple[str, ...] = Field((), description="symbols left out")
    sectors: tuple[str, ...] | None = Field(None, min_length=1, description="sectors kept; all when absent")

    @model_validator(mode="after")
    def _named_once(self) -> UniverseConfig:
        for key in ("symbols", "exclude", "sectors"):
            names = getattr(self, key) or ()
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{key} names {twice[0]!r} twice")
        return self
