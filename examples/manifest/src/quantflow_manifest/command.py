"""The command: writes a ``quantflow.toml`` from a JSON manifest, and lists what became of each key."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from quantflow.config.printable import escaped
from quantflow.config.problems import show
from quantflow.data.store import write_atomic
from quantflow.errors import ConfigError, QuantflowError
from quantflow_manifest.read import Imported, read_manifest

Rows = Sequence[Sequence[str]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        found = write(options.manifest, options.out, force=options.force)
    except QuantflowError as error:
        sys.stderr.write("\n".join(filter(None, (error.message, error.hint))) + "\n")
        return error.exit_code
    sys.stdout.write(_as_json(found, options.out) if options.json else _as_text(found, options.out))
    return 0


def write(manifest: Path, out: Path, *, force: bool = False) -> Imported:
    """Write *out* from *manifest*; return what became of each key.

    Raises:
        ConfigError: If *out* exists and *force* is not given, it cannot be written, or the manifest cannot be used.
    """
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise ConfigError(f"Cannot write {out}: it is a folder, or its folder does not exist.", hint="Name a file.")
    if out.exists() and not force:
        raise ConfigError(f"{out} exists already.", hint="Name another with --out, or replace it with --force.")
    found = read_manifest(manifest)
    write_atomic(out.absolute(), found.toml.encode())
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="quantflow-manifest",
        description="Write a quantflow.toml from a JSON manifest; list what was mapped, what was not, and why.",
    )
    parser.add_argument("manifest", type=Path, help="JSON manifest with 'profiles', and optionally 'defaults'")
    parser.add_argument("--out", type=Path, metavar="FILE", default=Path("quantflow.toml"), help="file to write")
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    parser.add_argument("--json", action="store_true", help="print the lists as JSON")
    return parser


def _as_json(found: Imported, out: Path) -> str:
    lists = {"mapped": [line.json() for line in found.mapped], "unmapped": [line.json() for line in found.unmapped]}
    return json.dumps({"schema_version": 1, "file": str(out), **lists}) + "\n"


def _as_text(found: Imported, out: Path) -> str:
    mapped = [
        (line.key, line.target, "" if line.value is None else show(line.value), line.note) for line in found.mapped
    ]
    lines = _table(("MAPPED", "TO", "VALUE", "NOTE"), mapped)
    if found.unmapped:
        lines += ["", *_table(("NOT MAPPED", "WHY"), [(line.key, line.note) for line in found.unmapped])]
    profiles, metas = len(found.document.get("profiles", {})), len(found.document.get("meta", {}))
    counts = f"{len(found.mapped)} mapped, {len(found.unmapped)} not; {profiles} profiles and {metas} meta profiles"
    return "\n".join([*lines, "", f"{counts} in {out}", ""])


def _table(titles: Sequence[str], rows: Rows) -> list[str]:
    cells = [titles, *([escaped(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(titles))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
