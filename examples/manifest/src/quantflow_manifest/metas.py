"""Portfolios of a manifest: sleeves, and how capital is divided among them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from quantflow.config import problems
from quantflow.config.meta import MetaAllocation
from quantflow.config.sections import NAME
from quantflow.runs.record import is_run_id
from quantflow_manifest.imported import Imported, Line, plain, shown
from quantflow_manifest.keys import method, sessions_of

PARENTS = ("extends", "inherits", "base", "parent")
"""Keys by which a profile of a manifest names the one that it extends."""

_ELSEWHERE = "settings belong to the profiles of the sleeves"
_OF_A_SLEEVE = {
    "weight": "weights of sleeves are decided by the allocation",
    "direction": "a sleeve has the direction of its profile: name a profile of its own that has it",
    "side": "a sleeve has the direction of its profile: name a profile of its own that has it",
}


def meta_of(
    name: str, value: Mapping[str, Any], where: str, names: Mapping[str, str], out: Imported
) -> dict[str, Any] | None:
    """Return the meta profile that a table with sleeves is; None when it has no list of them. Each key is noted."""
    listed = value.get("sleeves")
    if isinstance(listed, dict):
        listed = [
            {"id": key, **(part if isinstance(part, dict) else {"profile": part})} for key, part in listed.items()
        ]
    if not isinstance(listed, list):
        out.skip(f"{where}.sleeves", "is not a list of sleeves")
        return None
    before = len(out.unmapped)
    sleeves = [_sleeve(part, f"{where}.sleeves[{number}]", names, out) for number, part in enumerate(listed)]
    if len(out.unmapped) > before:
        out.short.add(name)
    meta: dict[str, Any] = {"sleeves": [sleeve for sleeve in sleeves if sleeve]}
    if allocation := _meta_allocation(value.get("meta_allocation"), f"{where}.meta_allocation", out):
        meta["allocation"] = allocation
    for key in value:
        if key not in ("sleeves", "meta_allocation", "alias", "aliases"):
            why = "a meta profile extends no other: repeat its sleeves" if key in PARENTS else _ELSEWHERE
            out.skip(f"{where}.{shown(key)}", why)
    return meta


_PINS = ("run_id", "pin", "pinned_run", "pinned")


def _sleeve(value: Any, where: str, names: Mapping[str, str], out: Imported) -> dict[str, Any] | None:
    table = {"profile": value} if isinstance(value, str) else value
    if not isinstance(table, dict):
        out.skip(where, "is neither a profile's name nor a table")
        return None
    if "sleeves" in table:
        out.skip(where, "is a portfolio within another: give it a name in 'profiles', and name it here")
        return None
    asked = table.get("profile", table.get("meta"))
    if not isinstance(asked, str) or asked not in names:
        out.skip(where, f"names no profile of the manifest: {problems.show(plain(asked))}")
        return None
    sleeve: dict[str, Any] = {"profile": names[asked]}
    out.lines.append(Line(f"{where}.profile", "sleeves.profile", names[asked]))
    for key, part in table.items():
        if key in ("min_weight", "max_weight") and isinstance(part, int | float) and not isinstance(part, bool):
            sleeve[key] = part
        elif key in ("id", "name") and isinstance(part, str) and re.fullmatch(NAME, part):
            sleeve["id"] = part
        elif key in _PINS and isinstance(part, str) and is_run_id(part):
            sleeve["run_id"] = part
            out.lines.append(Line(f"{where}.{key}", "sleeves.run_id", part, "pinned: a run of this workspace"))
            continue
        elif key not in ("profile", "meta"):
            why = "cannot name a run" if key in _PINS else _OF_A_SLEEVE.get(key, "a sleeve has no such key")
            out.skip(f"{where}.{shown(key)}", why)
            continue
        else:
            continue
        out.lines.append(Line(f"{where}.{key}", f"sleeves.{'id' if key == 'name' else key}", part))
    return sleeve


def _meta_allocation(value: Any, where: str, out: Imported) -> dict[str, Any]:
    if value is None:
        return {}
    table = {"method": value} if isinstance(value, str) else value
    if not isinstance(table, dict):
        out.skip(where, "is neither a method nor a table")
        return {}
    renamed = {"profile": "method", "optimizer": "method", "lookback_days": "lookback", "train_window": "lookback"}
    defaults = MetaAllocation().model_dump(mode="json")
    made: dict[str, Any] = {}
    for key, part in table.items():
        target = renamed.get(key, key)
        try:
            if target not in MetaAllocation.model_fields:
                raise ValueError("the allocation among sleeves has no such setting")
            setting = method(part) if target == "method" else part
            if key == "lookback_days":
                setting = sessions_of(part, "")
            MetaAllocation.model_validate_json(json.dumps({**made, target: setting}), strict=True)
        except ValidationError as error:
            kept = problems.show({**defaults, **made}[target])
            said = str(error.errors(include_url=False)[0]["msg"])
            out.skip(f"{where}.{shown(key)}", f"{said}; allocation.{target} stays at {kept}")
        except ValueError as error:
            out.skip(f"{where}.{shown(key)}", str(error))
        else:
            made[target] = setting
            out.lines.append(Line(f"{where}.{key}", f"allocation.{target}", setting))
    return made
