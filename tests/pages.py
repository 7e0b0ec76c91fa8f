"""The pages of the documentation, and what stands in their fenced blocks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from quantflow.ops.starter import start_workspace
from quantflow_manifest.read import read_manifest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
FENCED = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def all_blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page in their order: language and text."""
    return FENCED.findall(page.read_text(encoding="utf-8"))


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return [text for kind, text in all_blocks(page) if kind == language]


def lines(block: str) -> Iterator[str]:
    """The command lines of a console block; a line's parts between && are lines of their own."""
    for line in block.splitlines():
        if line.startswith("$ "):
            yield from line.removeprefix("$ ").split(" && ")


def commands(page: Path) -> Iterator[list[str]]:
    """The commands of a page's console blocks, as words."""
    for block in blocks(page, "console"):
        for line in lines(block):
            words = shlex.split(line.split(" | ")[0], comments=True)
            yield [word for i, word in enumerate(words) if i or "=" not in word] or words


def settings_of(page: Path, folder: Path) -> Path:
    """Write the page's TOML blocks into *folder*, below what ``init`` or an import wrote if the page shows that."""
    write_files(page, folder)
    for words in commands(page):
        if words[:2] == ["quantflow", "init"]:
            start_workspace(folder)
        elif words[:3] == ["python", "-m", "quantflow_manifest"]:
            (folder / "quantflow.toml").write_text(read_manifest(folder / words[3]).toml)
    if texts := blocks(page, "toml"):
        with (folder / "quantflow.toml").open("a", encoding="utf-8") as file:
            file.write("\n".join(["", *texts]))
    for block in blocks(page, "python"):
        write_module(block, folder)
    return folder


def write_files(page: Path, folder: Path) -> None:
    """Write the files that the page's commands name, and whose contents it shows, in their order."""
    for suffix in ("json", "csv"):
        named = [word for words in commands(page) for word in words if re.fullmatch(rf"\w+\.{suffix}", word)]
        for name, block in zip(dict.fromkeys(named), blocks(page, suffix), strict=False):
            (folder / name).write_text(block)


def write_module(block: str, folder: Path) -> None:
    """Write a Python block that begins with a file's name beside ``quantflow.toml``."""
    if name := re.match(r"# (\w+\.py)\n", block):
        (folder / name[1]).write_text(block)
