"""The table of allocation methods: allowed names and documentation follow from it.

To add one: a row here, and its function in ``quantflow.quant.allocation`` (``RULES``); in a package of its own, an
entry point of the group ``quantflow.allocations`` instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from quantflow.config.extensions import ALLOCATIONS, registered


@dataclass(frozen=True)
class Method:
    """A way to divide capital.

    Attributes:
        name: Its name, as in ``allocation.method``.
        meaning: Its definition in one line.
        source: Author and year; empty when it is common.
        estimates: Whether it estimates risk, and so needs 60 sessions and two names.
        sleeves: Whether a meta profile may use it among sleeves.
        direct: Whether it is computed without a solver, from a covariance and means alone.
        costs: Whether its objective can weigh the cost of leaving what is held (``allocation.turnover_cost``).
    """

    name: str
    meaning: str
    source: str = ""
    estimates: bool = True
    sleeves: bool = True
    direct: bool = False
    costs: bool = False


_ROWS = (
    Method("equal_weight", "the same weight for each name", "DeMiguel, Garlappi & Uppal (2009)", estimates=False),
    Method("inverse_volatility", "weights in proportion to 1 / volatility", sleeves=False, direct=True),
    Method("min_variance", "least variance of the portfolio", "Markowitz (1952)", direct=True, costs=True),
    Method("max_sharpe", "largest ratio of mean to standard deviation", "Sharpe (1966)", direct=True, costs=True),
    Method("risk_parity", "equal contributions to the portfolio's risk", "Maillard, Roncalli & Teïletche (2010)"),
    Method("hrp", "hierarchical risk parity, with Ward linkage", "López de Prado (2016)", direct=True),
)

METHODS: Mapping[str, Method] = {method.name: method for method in _ROWS}
"""The built-in methods by name."""


Covariance = Literal["empirical", "shrunk", "oas", "exponential", "denoised", "factor"]
"""How covariances are estimated; ``quantflow.quant.moments.estimators`` defines each."""
Mean = Literal["empirical", "shrunk", "exponential"]
"""How mean returns are estimated, likewise."""

COVARIANCE = (
    "how covariances are estimated: sample (empirical), with correlations shrunk (Ledoit-Wolf, or oas), exponential, "
    "denoised, or factor (principal components above noise, and each name's own variance)"
)
MEAN = "how means are estimated, which max_sharpe alone uses: sample (empirical), shrunk (James-Stein) or exponential"


@dataclass(frozen=True)
class AllowedMethod:
    """Restricts a text to the methods of the table and those that installed packages register.

    Attributes:
        sleeves: Whether capital is divided among sleeves.
    """

    sleeves: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The built-in methods that are allowed."""
        return tuple(name for name, method in METHODS.items() if method.sleeves or not self.sleeves)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "enum": list(self.names)}

    def _checked(self, name: str) -> str:
        if name in self.names or name in (others := registered(ALLOCATIONS)):
            return name
        quoted = [f"'{known}'" for known in (*self.names, *others)]
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(quoted[:-1])} or {quoted[-1]}"})
