"""Names that a profile gives and the provider does not have: reported, with the nearest name that it has."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantflow.config.data import DataConfig
from quantflow.config.printable import escaped
from quantflow.config.sections import UniverseConfig
from quantflow.data.providers.base import Provider
from quantflow.data.quality.contracts import Finding, found
from quantflow.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

CHECK = "unmatched"
EXCLUDE = "universe.exclude"
MEMBERS = "universe.members"
_LIKE = 0.75
_PAIRS = 200_000
"""Pairs of names that are compared letter by letter: above it, only names that differ in their writing are found."""

_MARKET = re.compile(r"^(?:[A-Z]+:)?(.+?)(?:[.: ](?:[A-Z]{2,}|[D-Z]))?(?: EQUITY)?$")
"""A symbol between the exchange before it (``NASDAQ:AAPL``) and after it (``AAPL.US``, ``VOD.L``, ``AAPL US Equity``);
A, B and C after a point are classes of a share."""


@dataclass(frozen=True)
class Named:
    """Names that a file gives.

    Attributes:
        setting: The setting that names the file.
        names: The symbols in it.
        past: Those among them that may be gone for good, so that a name much like theirs is no sign of a slip.
    """

    setting: str
    names: Collection[str]
    past: Collection[str] = ()


class Nearest:
    """Finds the nearest of some names: the same without punctuation and case, or without the exchange; else a like one.

    Args:
        known: The names.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._known = sorted(known)
        self._keys = {key(name): name for key in (_bare, _key) for name in reversed(self._known)}

    def __len__(self) -> int:
        return len(self._known)

    def written(self, name: str) -> str | None:
        """Return the known name that *name* is in another way of writing; None if there is none."""
        return self._keys.get(_key(name)) or self._keys.get(_bare(name))

    def like(self, name: str) -> str | None:
        """Return the known name that is *name* in another way of writing, or looks most like it."""
        return self.written(name) or next(iter(difflib.get_close_matches(name, self._known, n=1, cutoff=_LIKE)), None)


def _key(name: str) -> str:
    return "".join(filter(str.isalnum, name.upper())) or name


def _bare(name: str) -> str:
    match = _MARKET.match(name.upper())
    return _key(match[1]) if match else _key(name)


def named(
    provider: Provider,
    data: DataConfig,
    spans: pd.DataFrame | None,
    costs: pd.DataFrame | None,
    tables: Mapping[str, pd.DataFrame],
) -> list[Named]:
    """Return the names that the files beside the prices give, and those of known moves.

    Args:
        provider: It may have an attribute ``listed``: the symbols of its instruments file.
        data: Its ``real_moves`` name symbols too.
        spans: As ``read_members`` gives them; None without a file of members.
        costs: As ``read_costs`` gives them; None without a file of costs.
        tables: As ``read_table`` gives them, by name.
    """
    moves = {move.rpartition(" ")[0] for move in data.real_moves}
    files = [Named("data.instruments", getattr(provider, "listed", ())), Named("data.real_moves", moves)]
    if spans is not None:
        members = set(spans["symbol"])
        files.append(Named(MEMBERS, members, members - set(spans["symbol"][spans["to"].isna()])))
    files += [Named("validation.costs", list(costs.index))] if costs is not None else []
    return [*files, *(Named(f"tables.{name}", set(table["symbol"])) for name, table in tables.items())]


def unmatched(provider: Provider, universe: UniverseConfig, files: Collection[Named]) -> list[Finding]:
    """Return a finding for each name that matches no symbol of the provider, and one that passes with their number.

    Of a file, which may simply know more names than the provider, only those are reported that are nearly a symbol
    without a line of its own. A member that the provider does not have can be excluded: it is then not missed.

    Args:
        provider: What has the symbols.
        universe: Whose ``exclude`` is looked at, unless its ``unknown`` is ``ignore``.
        files: The names that files give.
    """
    if universe.unknown == "ignore" or not (universe.exclude or any(each.names for each in files)):
        return []
    if not any(each.names for each in files) and _has(provider, universe.exclude):
        return []
    known = set(provider.instruments(universe.model_copy(update={"exclude": (), "sectors": None})).index)
    members = {name for each in files if each.setting == MEMBERS for name in each.names}
    strange = [name for name in universe.exclude if name not in known | members and not _has(provider, (name,))]
    near = Nearest(known)
    findings = [_finding(name, EXCLUDE, near.like(name)) for name in strange]
    count = len(strange)
    for each in files:
        gone = sorted(set(each.names) - known)
        findings += _of_file(each, gone, Nearest(known - set(each.names)))
        count += len(gone)
    return [*findings, Finding("", CHECK, "warn", float(count), 0.0, "passed", "")]


def check_exclude(universe: UniverseConfig, findings: Iterable[Finding]) -> None:
    """Refuse a list of exclusions that excludes nothing.

    Args:
        universe: The list.
        findings: As ``unmatched`` gives them.

    Raises:
        ConfigError: If none of its names matches a symbol, with the nearest of the first.
    """
    missed = [each for each in findings if each.check == CHECK and each.reason.startswith(EXCLUDE)]
    if missed and len(missed) == len(universe.exclude):
        raise ConfigError(
            f"universe.exclude leaves nothing out: the provider has no symbol {', '.join(e.symbol for e in missed[:3])}"
            f"{f' and {len(missed) - 3} more' if len(missed) > 3 else ''}.",
            hint=f'{_guess(missed[0])}Correct the names; or allow it: universe.unknown = "ignore".',
        )


def noted(findings: Collection[str]) -> list[str]:
    """Return in words which names match nothing; empty when there are none."""
    names = sorted(set(findings))
    return [f"{listed(names)} {'matches' if len(names) == 1 else 'match'} no symbol"] * bool(names)


def listed(names: Sequence[str]) -> str:
    """Return up to two names in words, with the number of the others."""
    return " and ".join(names) if len(names) < 3 else f"{names[0]}, {names[1]} and {len(names) - 2} more"


def _guess(finding: Finding) -> str:
    _, asks, rest = finding.reason.partition("did you mean ")
    return f"Did you mean {rest} " if asks else ""


def _of_file(each: Named, gone: Collection[str], near: Nearest) -> list[Finding]:
    few = len(gone) * len(near) <= _PAIRS
    past = set(each.past)
    meant = {name: near.like(name) if few and name not in past else near.written(name) for name in gone}
    return [_finding(name, each.setting, close) for name, close in meant.items() if close is not None]


def _finding(name: str, setting: str, close: str | None) -> Finding:
    guess = f": did you mean {escaped(close)!r}?" if close else ""
    return found(escaped(name), CHECK, (1, 0), f"{setting} names it, the provider has no such symbol{guess}", "warn")


def _has(provider: Provider, names: tuple[str, ...]) -> bool:
    """Return whether the provider has all of some symbols, also where the universe does not ask for them."""
    try:
        return set(names) <= set(provider.instruments(UniverseConfig(symbols=names)).index)
    except ConfigError:
        return False
