"""The command: ``quantflow-tradingview ratings`` adds a day's ratings, ``export`` writes the files that others read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from quantflow.errors import QuantflowError
from quantflow_tradingview.export import export
from quantflow_tradingview.ratings import add_ratings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.what == "ratings":
            new = add_ratings(options.candidates, options.table, options.date)
            sys.stdout.write(f"{new} ratings of {options.date} added to {options.table}\n")
        else:
            files = export(options.workspace, options.profile, options.out)
            sys.stdout.write("".join(f"written {file}\n" for file in files))
    except QuantflowError as error:
        sys.stderr.write("\n".join(filter(None, (error.message, error.hint))) + "\n")
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="quantflow-tradingview", description="Ratings in, JSON files out.")
    parts = parser.add_subparsers(dest="what", required=True)
    ratings = parts.add_parser("ratings", help="add the ratings of a candidates file to a dated table")
    ratings.add_argument("candidates", type=Path)
    ratings.add_argument("table", type=Path)
    ratings.add_argument("--date", type=date.fromisoformat, default=date.today(), help="day on which they were known")
    files = parts.add_parser("export", help="write the JSON files of a profile's current book")
    files.add_argument("profile")
    files.add_argument("out", type=Path, help="folder")
    files.add_argument("--workspace", type=Path, default=Path(), help="folder of quantflow.toml")
    return parser
