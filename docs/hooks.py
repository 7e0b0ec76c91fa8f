"""What the site has besides the pages of ``docs``: those of the top folder, and links that lead somewhere."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
BESIDE = {
    "README.md": "readme.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Pages of the project that do not lie in ``docs``, and what they are called in the site."""
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """List the decisions in the navigation, in the order of their numbers."""
    pages = sorted(f"decisions/{path.name}" for path in (ROOT / "docs" / "decisions").glob("*.md"))
    config.nav.append({"Decisions": pages})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie elsewhere."""
    for source, name in BESIDE.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Return a page whose links are those of the site; the name of a file that is no page of it is text alone."""
    source = next((path for path, name in BESIDE.items() if name == page.file.src_uri), f"docs/{page.file.src_uri}")

    def led(found: re.Match[str]) -> str:
        image, text, target, heading = found[1], found[2], found[3], found[4] or ""
        if "://" in target:
            return found[0]
        there = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        name = BESIDE.get(there, there.removeprefix("docs/") if there.startswith("docs/") else "")
        if not name or files.get_file_from_path(name) is None:
            return text
        return f"{image}[{text}]({posixpath.relpath(name, posixpath.dirname(page.file.src_uri) or '.')}{heading})"

    fences = re.split(r"(^```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else LINK.sub(led, part) for part in fences)
