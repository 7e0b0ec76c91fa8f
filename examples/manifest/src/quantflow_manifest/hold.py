"""Which profiles must not publish: those of which the data, the direction or the costs are not known."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

Document = Mapping[str, Mapping[str, Any]]
Target = tuple[str, str]

VITAL: Mapping[str, tuple[Target, ...]] = {
    "data": (("data", "provider"),),
    "direction": (("scores", "directions"),),
    "costs": (("validation", "slippage_bps"), ("validation", "commission_bps")),
}
"""What a book depends on, and the settings that say it: a default of quantflow says nothing of theirs."""


def chain_of(name: str, document: Document) -> list[str]:
    """Return a profile and those that it extends, itself first."""
    chain: list[str] = []
    while name in document["profiles"] and name not in chain:
        chain.append(name)
        name = document["profiles"][name].get("extends", "")
    return chain


def unknown_of(name: str, document: Document, refused: Mapping[str, Collection[Target]]) -> list[str]:
    """Return which of ``VITAL`` are not known of a profile.

    Args:
        name: The profile.
        document: All profiles.
        refused: The settings of a profile whose value in the manifest could not be used, by profile.
    """
    chain = chain_of(name, document)
    return [
        what for what, targets in VITAL.items() if not all(_known(each, chain, document, refused) for each in targets)
    ]


def _known(target: Target, chain: list[str], document: Document, refused: Mapping[str, Collection[Target]]) -> bool:
    for name in chain:  # the nearest that says anything of it decides
        if target in refused.get(name, ()):
            return False
        if target[1] in document["profiles"][name].get(target[0], {}):
            return True
    return False


def held(document: Document, refused: Mapping[str, Collection[Target]], short: Collection[str]) -> dict[Target, str]:
    """Return why each profile and meta profile must not publish, by table and name; the others are left out.

    Args:
        document: Profiles and meta profiles.
        refused: See ``unknown_of``.
        short: Meta profiles that lost a sleeve, or a part of what was said of one.
    """
    found: dict[Target, str] = {}
    for name in document["profiles"]:
        if unknown := unknown_of(name, document, refused):
            found["profiles", name] = f"not known from the manifest: {', '.join(unknown)}"
    for name in document["meta"]:
        if why := _of_meta(name, document, found, short, ()):
            found["meta", name] = why
    return found


def _of_meta(
    name: str, document: Document, found: Mapping[Target, str], short: Collection[str], above: tuple[str, ...]
) -> str:
    if name in above or name not in document["meta"]:
        return ""
    if name in short:
        return "not all that the manifest says of its sleeves could be used"
    for sleeve in document["meta"][name]["sleeves"]:
        inner = sleeve.get("meta", "")
        if ("profiles", sleeve.get("profile")) in found or _of_meta(inner, document, found, short, (*above, name)):
            return f"its sleeve {sleeve.get('profile') or inner} cannot publish"
    return ""
