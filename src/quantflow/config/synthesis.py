"""How strategy atoms are named."""

from __future__ import annotations

from pydantic import Field

from quantflow.config.base import Section


class SynthesisConfig(Section):
    """What the atoms of a profile are called."""

    logic: str = Field(
        "momentum",
        max_length=32,
        pattern=r"^[A-Za-z][A-Za-z0-9_]*$",
        description="name of the profile's idea, the middle of every atom id SYMBOL_logic_LONG: letters, digits, _",
    )
