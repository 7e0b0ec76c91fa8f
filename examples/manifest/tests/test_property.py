"""Any JSON is a manifest that becomes a file that loads, or an error of ours."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.config.load import document_problems
from quantflow.errors import QuantflowError
from quantflow_manifest.keys import RULES
from quantflow_manifest.read import imported

NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0.5, 3, 252, 21]))
WORDS = st.sampled_from(["hrp", "core", "a", "b", "2020-01-02", "monthly", "files", "XNYS"])
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS, st.text(max_size=8))
ANY = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)
KEYS = st.sampled_from([*RULES, "logic", "sectors", "spike_mad", "title", "workers", "stages"]) | st.text(max_size=6)
SECTIONS = st.sampled_from(["data", "selection", "risk", "backtest", "features", "clusters", "pipeline", "execution"])
TABLE = st.dictionaries(SECTIONS, st.dictionaries(KEYS, ANY, max_size=5) | ANY, max_size=4)
NAMES = st.sampled_from(["core", "a", "b", "c c", "manifest_defaults", "é", ""])
SLEEVE = NAMES | st.fixed_dictionaries(
    {}, optional={"profile": NAMES, "meta": NAMES, "id": NAMES, "max_weight": NUMBERS}
)
META = st.fixed_dictionaries(
    {"sleeves": st.lists(SLEEVE, max_size=3) | ANY},
    optional={"meta_allocation": ANY | st.dictionaries(st.sampled_from(["method", "max_weight", "lookback"]), LEAVES)},
)
OPTIONS = st.fixed_dictionaries({}, optional={"extends": NAMES, "alias": NAMES | st.lists(NAMES, max_size=2)})
PROFILE = st.builds(lambda a, b: {**a, **b}, TABLE, OPTIONS) | META | NAMES | ANY
MANIFEST = st.fixed_dictionaries(
    {"profiles": st.dictionaries(NAMES, PROFILE, max_size=4)}, optional={"defaults": TABLE | ANY, "aliases": ANY}
)


def holds(manifest: Any) -> None:
    """Check that what comes of a manifest loads, or that it is refused."""
    try:
        found = imported(json.loads(json.dumps(manifest)))
    except QuantflowError:
        return
    document = tomllib.loads(found.toml)
    assert document_problems(document, Path()) == {}
    assert all(line.note for line in found.unmapped)
    found.toml.encode()


@given(ANY)
@settings(max_examples=60, deadline=None)
def test_any_json_is_told_apart(manifest: Any) -> None:
    """Whatever JSON holds, nothing but an error of ours comes out."""
    holds(manifest)


@given(MANIFEST)
@settings(max_examples=120, deadline=None)
def test_what_looks_like_a_manifest_loads(manifest: Any) -> None:
    """Real keys with any values, names and references: the file that is written loads, whole."""
    holds(manifest)
