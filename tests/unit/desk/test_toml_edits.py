"""Changes in a TOML file that people wrote: the values are right, and all else stays to the byte."""

from __future__ import annotations

import difflib
import tomllib
from datetime import date
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantflow.desk.toml_edits import REMOVED, edited, plain
from quantflow.errors import ConfigError

STARTER = (files("quantflow.config") / "starter.toml").read_text(encoding="utf-8")
ROOT = ("profiles", "core")


def changed_lines(before: str, after: str) -> list[str]:
    """Return the lines that went and came, as a diff without context has them."""
    found = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in found if line[0] in "+-" and line[1:].strip()]


def test_a_value_is_replaced_beside_its_comment() -> None:
    """One value changes, in its place; the comment stays where it is, and no other line changes."""
    after = edited(STARTER, {(*ROOT, "policy", "top_n"): 7})
    assert after == STARTER.replace("top_n = 2 ", "top_n = 7 ")


def test_new_keys_and_tables_come_before_the_comments_of_what_follows() -> None:
    """A key goes to the end of its table, a table behind the profile's last; what a comment heads stays below it."""
    after = edited(STARTER, {(*ROOT, "publish", "max_weight"): 0.3, (*ROOT, "features", "lookback"): 300})
    place = after.index("max_weight = 0.3\n\n[profiles.core.features]\nlookback = 300\n\n# A profile says")
    assert after.index("[profiles.core.publish]") < place < after.index("[profiles.calm]")
    assert len(changed_lines(STARTER, after)) == 3


def test_a_table_that_stays_one_is_changed_inside() -> None:
    """Of a table with a header only what differs is touched: entries go, come and change, the others keep comments."""
    weights = {"momentum": 2.0, "volatility": 0.5, "efficiency": 0.5, "trend": 0.5, "hurst": 1.0}
    after = edited(STARTER, {(*ROOT, "scores", "weights"): weights})
    assert tomllib.loads(after)["profiles"]["core"]["scores"]["weights"] == weights
    kinds = [line[:9].split(" =")[0] for line in changed_lines(STARTER, after)]
    assert sorted(kinds) == ["+ hurst", "+ momentu", "- cvar", "- momentu"]


def test_a_new_profile_is_a_block_of_its_own() -> None:
    """It comes at the end, with its comment, and what is above is as it was."""
    changes = {("profiles", "new", "extends"): "core", ("profiles", "new", "scores", "weights"): {"trend": 1.0}}
    after = edited(STARTER, changes, "From run one")
    assert after.removeprefix(STARTER) == (
        '\n# From run one\n[profiles.new]\nextends = "core"\n\n[profiles.new.scores]\nweights = {trend = 1.0}\n'
    )


SHAPES = {
    "dotted": "[profiles.core]\npolicy.top_n = 2 # two\nscores.weights.trend = 1.0\n\n# next\n[meta.a]\nsleeves = []\n",
    "inline": '[profiles.core]\npolicy = { top_n = 2, min_winners = 3 } # policy\n[profiles.z]\nextends = "core"\n',
    "scattered": "[profiles.core.policy]\ntop_n = 2 # two\n[meta.a]\nx = 1\n[profiles.core.data]\nmin_sessions = 300\n",
    "a text that looks like a header": '[profiles.core]\nx = """\n[profiles.core.features]\n# no\n"""\n[profiles.z]\n',
    "quoted": '[profiles."core".policy]\n"top_n" = 2\n[ profiles . z ]\nextends = "core"\n',
    "no last line end": "[profiles.core.policy]\ntop_n = 2",
    "Windows": "[profiles.core.policy] # rules\r\ntop_n = 2 # two\r\n\r\n# z\r\n[profiles.z]\r\n",
    "only comments": "# nothing yet\n",
    "empty": "",
}
CHANGES: dict[tuple[str, ...], Any] = {
    (*ROOT, "policy", "top_n"): 5,
    (*ROOT, "policy", "max_volatility"): "off",
    (*ROOT, "features", "lookback"): 300,
    (*ROOT, "scores", "weights"): {"trend": 0.5, "BRK-B": 1.0},
    (*ROOT, "data", "start"): date(2015, 1, 2),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_any_way_of_writing_tables_is_kept(shape: str) -> None:
    """Dotted keys, inline tables, tables out of order, odd headers and line ends: right values, comments in order."""
    before = SHAPES[shape]
    after = edited(before, CHANGES)
    found = tomllib.loads(after)["profiles"]["core"]
    for (_, _, section, key), value in CHANGES.items():
        assert found[section][key] == value
    comments = [line.partition("#")[2] for line in before.splitlines() if "#" in line]
    left = iter(line.partition("#")[2] for line in after.splitlines())
    assert all(comment in left for comment in comments)
    if "\r\n" in before:
        assert after.count("\n") == after.count("\r\n")


def test_a_removed_key_is_gone_and_may_have_been_gone() -> None:
    """Taking out works where there is something, and changes nothing where there is not."""
    after = edited(STARTER, {(*ROOT, "policy", "top_n"): REMOVED, (*ROOT, "policy", "max_winners"): REMOVED})
    assert changed_lines(STARTER, after)[0].startswith("- top_n = 2")
    assert len(changed_lines(STARTER, after)) == 1


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.tuples(
            st.sampled_from(["core", "calm", "new"]),
            st.sampled_from(["data", "policy", "allocation", "features", "scores"]),
            st.sampled_from(["top_n", "method", "weights", "path", "a-b"]),
        ),
        st.one_of(st.integers(-5, 5), st.text(max_size=8), st.lists(st.floats(0, 1), max_size=2), st.just(REMOVED)),
        max_size=6,
    )
)
def test_whatever_changes_the_rest_stays(chosen: dict[tuple[str, str, str], Any]) -> None:
    """Any changes give the document that is meant, and no line goes but those of values that change."""
    changes = {("profiles", *path): value for path, value in chosen.items()}
    after = edited(STARTER, changes)
    found = tomllib.loads(after)
    for path, value in changes.items():
        table: Any = found
        for key in path[:-1]:
            table = table.get(key, {})
        assert table.get(path[-1], REMOVED) == value
    gone = [line for line in changed_lines(STARTER, after) if line.startswith("-")]
    weights = 5 if any(path[1:] == ("scores", "weights") for path in chosen) else 0
    assert len(gone) <= len(changes) + 2 * weights


def test_what_cannot_be_changed_is_refused_with_the_change() -> None:
    """Profiles in one inline table have no place for a new table: the error lists what to write by hand."""
    with pytest.raises(ConfigError) as caught:
        edited("profiles = { core = { extends = 'demo' } }\n", {("profiles", "z", "policy", "top_n"): 5})
    assert "profiles.z.policy.top_n = 5" in str(caught.value.hint)


def test_dates_are_written_as_dates() -> None:
    """Text that is a date becomes one; other text stays text."""
    assert plain("2015-01-02") == date(2015, 1, 2)
    assert [plain(value) for value in ("2015-13-02", "0123456789", 5, None)] == ["2015-13-02", "0123456789", 5, None]
