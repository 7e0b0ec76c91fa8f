"""The documents say what is true: their commands exist, their settings load, their code runs, their links lead on."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shlex
import textwrap
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main

from pages import NAMES, PAGES, ROOT, blocks, commands, settings_of
from quantflow.cli.main import app
from quantflow.cli.topics import EXIT_CODES
from quantflow.config.documents import built_in
from quantflow.config.load import load_meta, load_profile
from quantflow.data.store import ArtifactRef
from quantflow.desk.orders import Order, Orders, Skipped
from quantflow.review.bridge import Bridge, Part
from quantflow.review.compare import Comparison
from quantflow.review.reproduction import Reproduction, Verdict
from quantflow.review.reproduction import Row as Reproduced
from quantflow.runs.outcome import Outcome
from quantflow.runs.plan import Planned, Reason
from quantflow.runs.record import StageRecord
from quantflow.ui.log import ABOUT
from quantflow.ui.progress.rows import Row
from recorded import created

COMMANDS = ROOT / "docs" / "commands.md"
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
NEEDED = {
    "select": {"--profile": "demo", "-p": "demo"},
    "meta": {"--meta-profile": "demo_meta", "-m": "demo_meta"},
}
"""What a command needs, for lines that are shown with ``…`` in its place."""
PLACEHOLDERS = {"RUN": "latest", "STAGE": "policy", "…": "--no-progress"}


def quantflow_commands() -> list[tuple[str, tuple[str, ...]]]:
    """Every ``quantflow`` command line of every page, and of the table of JSON output."""
    found = [(str(page.relative_to(ROOT)), words) for page in PAGES for words in commands(page)]
    for page in PAGES:
        text = "" if page == COMMANDS else page.read_text(encoding="utf-8")  # that one is written from the commands
        inline = re.findall(r"`(quantflow [^`]*)`", text)
        found += [(str(page.relative_to(ROOT)), shlex.split(line)) for line in inline]
    return [
        (page, tuple(PLACEHOLDERS.get(word, word) for word in words[1:]))
        for page, words in found
        if Path(words[0]).name == "quantflow"
    ]


def parsed(arguments: tuple[str, ...]) -> dict[str, Any]:
    """The values that the real command line makes of *arguments*."""
    group: Any = typer.main.get_command(app)
    name, *rest = [word for word in arguments if word != "--debug"]
    if name.startswith("-"):
        assert name in {"--help", *(option for each in group.params for option in each.opts)}
        return {}
    assert name in group.commands, f"there is no command {name!r}"
    if rest == ["--help"]:
        return {}
    needed = NEEDED.get(name, {})
    given = [] if set(needed) & set(rest) else [word for option in list(needed.items())[:1] for word in option]
    return dict(group.commands[name].make_context(name, [*given, *rest]).params)


@pytest.mark.parametrize(("page", "arguments"), quantflow_commands(), ids=lambda x: x if isinstance(x, str) else None)
def test_commands_exist(page: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Each command line that is shown parses, its profile loads, and so do its settings."""
    values = parsed(arguments)
    workspace = settings_of(ROOT / page, tmp_path)
    overrides = values.get("sets") or ()
    if profile := values.get("profile"):
        for name in [profile] if isinstance(profile, str) else profile:
            load_profile(name, workspace=workspace, overrides=overrides)
    elif meta := values.get("meta_profile"):
        load_meta(meta, workspace=workspace, overrides=overrides)
    elif overrides:
        load_profile("demo", workspace=workspace, overrides=overrides)


def test_the_readme_has_the_two_commands() -> None:
    """The first installs and runs the demo; the second is the one that CI runs, word for word."""
    shown = [line.removeprefix("$ ") for block in blocks(ROOT / "README.md", "console") for line in block.splitlines()]
    assert "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/quantflow select --profile demo" in shown
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] in shown


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_nox_sessions_exist(page: Path) -> None:
    """Each ``nox -s`` that is shown names a session of ``noxfile.py``."""
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    sessions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list}
    for words in commands(page):
        if Path(words[0]).name == "nox" and "-s" in words:
            assert words[words.index("-s") + 1].split("-3.")[0] in sessions


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")], ids=lambda page: page.name)
def test_settings_load(page: Path, tmp_path: Path) -> None:
    """The TOML of a page is a ``quantflow.toml`` whose profiles and meta profiles all load."""
    import tomllib

    workspace = settings_of(page, tmp_path)
    document = tomllib.loads((workspace / "quantflow.toml").read_text(encoding="utf-8"))
    assert document
    for name in document.get("profiles", {}):
        assert load_profile(name, workspace=workspace).name == name
    for name in document.get("meta", {}):
        assert load_meta(name, workspace=workspace).name == name


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_code_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python of a page runs, block after block, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "example"}
    for block in blocks(page, "python"):
        exec(compile(textwrap.dedent(block), str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_resolve(page: Path) -> None:
    """A link to a file of the project leads to one, and to a heading that it has."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), f"{page.name}: {target}"
        assert not heading or heading in anchors(path), f"{page.name}: {target}"


def test_the_site_has_every_page() -> None:
    """The navigation of the site lists each page of the documents, and none that is not there."""
    nav = re.findall(r"[\w-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:")[2])
    beside = {"contributing.md", "benchmarks.md", "changelog.md", "readme.md"}
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"configuration.head.md"}
    assert sorted(nav) == sorted(pages | beside)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def generator(name: str) -> ModuleType:
    """A script of ``docs`` as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["generate", "generate_artifacts", "generate_commands"])
def test_generated_pages_are_current(name: str) -> None:
    """Each page is what its source says: the models, the contracts of tables, the command line.

    If not: ``python docs/generate.py``.
    """
    module = generator(name)
    assert module.PAGE.read_text(encoding="utf-8") == module.page()


def test_the_commands_page_has_every_command_and_option() -> None:
    """Whatever ``--help`` lists is on the page: the commands by their headings, and each one's options."""
    text = COMMANDS.read_text(encoding="utf-8")

    def check(group: Any, name: str) -> None:
        for inner, command in getattr(group, "commands", {}).items():
            if not command.hidden:
                check(command, f"{name} {inner}")
        if not hasattr(group, "commands"):
            (part,) = re.findall(rf"^## {name}$(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
            told = re.findall(r"`(-{1,2}[\w-]+)`", part)
            assert told == [flag for each in group.params for flag in each.opts if flag.startswith("-")]

    check(typer.main.get_command(app), "quantflow")


def test_the_readme_leads_to_every_page() -> None:
    """No page of the documents is one that nobody finds."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = [page.name for page in (ROOT / "docs").glob("*.md") if not page.name.endswith(".head.md")]
    assert [name for name in pages if f"](docs/{name})" not in text] == []


def test_every_built_in_profile_is_named() -> None:
    """The configuration page names each built-in profile and meta profile."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert [name for table in built_in().values() for name in table if f"`{name}`" not in text] == []


def test_the_exit_codes_are_those_of_the_program() -> None:
    """``docs/exit-codes.md`` has a row for each exit code, and for no other."""
    text = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)] == sorted(EXIT_CODES)


def documented(heading: str) -> set[str]:
    """The keys in the table below a heading of ``docs/inspect-json.md``."""
    text = (ROOT / "docs" / "inspect-json.md").read_text(encoding="utf-8")
    part = re.split(r"^#+ ", text.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    table = part.strip().split("\n\n| reason")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))


def test_the_json_page_has_the_keys_of_runs(tmp_path: Path) -> None:
    """The documented keys of a run, a stage, a ref and a list entry are those that are written."""
    from quantflow.cli.review.look import BRIEF

    record = created(tmp_path)
    record.write_stage(StageRecord("ingestion", "done", outputs={"prices": ArtifactRef("prices", "a/b", "c")}))
    found = json.loads(json.dumps(record.again().json()))
    assert documented("Run") == set(found)
    assert documented("Stage") == set(found["stages"][0])
    assert documented("Ref") == set(found["stages"][0]["outputs"]["prices"])
    assert documented("Entry") == set(BRIEF)


def test_the_json_page_has_the_keys_of_lines() -> None:
    """The documented keys of tasks, outcomes and plans are those that are written, and no reason is missing."""
    assert documented("Task") == {"schema_version", "event", "run_id", *(field.name for field in fields(Row))}
    assert documented("Log line") == {"ts", "level", "event", "message", *ABOUT}
    assert documented("Outcome") == {field.name for field in fields(Outcome)}
    assert documented("Orders") == {"schema_version", "event", "file", *(field.name for field in fields(Orders))}
    assert documented("Order") == {field.name for field in fields(Order)}
    assert documented("Left alone") == {field.name for field in fields(Skipped)}
    assert documented("Planned stage") == set(Planned("policy", "run", Reason.FORCED).json())
    text = (ROOT / "docs" / "inspect-json.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \| (?:run|reuse) \|", text, re.MULTILINE)) == {str(why) for why in Reason}


def test_the_json_page_has_the_keys_of_replays() -> None:
    """The documented keys of comparisons, bridges and reproductions are those that are written, and each verdict is."""
    assert documented("Comparison") == {field.name for field in fields(Comparison)} | {"bridge"}
    assert documented("Bridge") == {field.name for field in fields(Bridge)}
    assert documented("Bridge step") == {field.name for field in fields(Part)}
    assert documented("Reproduction") == {field.name for field in fields(Reproduction)} | {"same", "kept"}
    assert documented("Reproduced stage") == {field.name for field in fields(Reproduced)}
    text = (ROOT / "docs" / "inspect-json.md").read_text(encoding="utf-8")
    (row,) = re.findall(r"^\| `verdict` \| (.*) \|$", text, re.MULTILINE)
    assert set(re.findall(r"`([^`]+)`", row)) == {str(verdict) for verdict in Verdict}


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_decisions_are_one_page_and_name_living_tests(page: Path) -> None:
    """A decision has its four parts, fits on a page, and each test that guards it exists."""
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "What it costs", "Guarded by"]
    assert len(text.splitlines()) <= 60
    guards = re.findall(r"^- `(tests/[\w/]+\.py)::(\w+)`$", text.split("## Guarded by")[1], re.MULTILINE)
    assert guards
    for file, name in guards:
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{name}"


def test_decisions_are_numbered_without_gaps() -> None:
    """0001, 0002, … each once."""
    assert [page.name[:4] for page in DECISIONS] == [f"{n:04}" for n in range(1, len(DECISIONS) + 1)]
