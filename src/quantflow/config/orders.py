"""The ``orders`` section of a profile or meta profile."""

from __future__ import annotations

from pydantic import Field

from quantflow.config.base import Section


class OrdersConfig(Section):
    """How orders are made of the book; what a trade costs is said in the section `validation`."""

    no_trade_band: float = Field(
        0.001,
        ge=0,
        lt=1,
        description="a name is not traded when its weight is nearer than this to the book's; one that left the book "
        "is always sold",
    )
