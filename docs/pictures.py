"""Makes the pictures of the pages from real runs: ``python docs/pictures.py``; needs Chromium.

``images/select.svg`` plays what ``quantflow select --profile demo`` wrote to a terminal, a picture for each stage that
ended and one for the result; ``images/files.svg`` the way from a folder of CSV files to a portfolio.
``images/report.png`` is the top of a report with a book before it, ``images/ui.png`` two runs compared on the page.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

import pandas as pd
import pyte
from playwright.sync_api import sync_playwright
from rich.color import ANSI_COLOR_NAMES
from rich.console import Console
from rich.style import Style
from rich.text import Text

from quantflow.ops.starter import prices

IMAGES = Path(__file__).with_name("images")
COMMAND = ("select", "--profile", "demo")
FILES = (
    ("ls", "prices"),
    ("quantflow", "init", "--data", "prices"),
    ("quantflow", "select", "--profile", "core", "--as-of", "2022-12-28"),
)
"""From files to a portfolio."""
NIGHTS = ("2022-10-31", "2022-11-30")
"""Two sessions that decide: the report of the second has something that changed, and a track."""
COMPARED = ("demo_steady", "demo_momentum", "demo_low_vol")
"""Profiles whose runs, called so, are compared on the page."""
COLUMNS, ROWS = 104, 48
STEP, LAST = 0.8, 8.0
"""Seconds that the pictures of the run are shown, and that of its result."""
FRAME = """<svg class="f{unique_id}" width="{terminal_width}" height="{terminal_height}"><style>{styles}
.{unique_id}-matrix{{font:20px/24.4px Menlo,Consolas,"DejaVu Sans Mono",monospace}}</style>
<defs>{lines}</defs>{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></svg>"""
GROUND = "#14171b"


def quantflow(*arguments: str) -> list[str]:
    """Return the command line of a command."""
    return [sys.executable, "-m", "quantflow", *arguments]


def played(commands: Sequence[Sequence[str]], folder: Path) -> Iterator[pyte.Screen]:
    """Run commands in a terminal of their own and yield the screen after each piece of their output."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
    for number, words in enumerate(commands):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        stream.feed(("\r\n" * bool(number) + "$ " + " ".join(words) + "\r\n").encode())
        yield screen
        command = quantflow(*words[1:]) if words[0] == "quantflow" else list(words)
        process = subprocess.Popen(command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        while piece := _read(ours):
            stream.feed(piece)
            yield screen
        os.close(ours)
        if process.wait() != 0:
            raise SystemExit("\n".join(screen.display))


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # how Linux tells that the other end was closed
        return b""


def frames(commands: Sequence[Sequence[str]], folder: Path) -> list[list[Text]]:
    """Return the lines of the screen whenever another command was typed or another stage had ended, and at the end."""
    kept: dict[tuple[int, int], list[Text]] = {}
    for screen in played(commands, folder):
        typed = sum(line.startswith("$ ") for line in screen.display)
        ended = sum(line.count("Completed") for line in screen.display)
        last = kept[typed, ended] = [_line(screen, row) for row in range(ROWS)]
    return [*list(kept.values())[:-1], last]


def _line(screen: pyte.Screen, row: int) -> Text:
    cells = [screen.buffer[row][column] for column in range(COLUMNS)]
    runs = groupby(cells, key=lambda cell: Style(color=_colour(cell.fg), bold=cell.bold, italic=cell.italics))
    return Text.assemble(*(("".join(cell.data for cell in run), style) for style, run in runs))


def _colour(name: str) -> str | None:
    if name == "default":
        return None
    known = name.replace("brown", "yellow").replace("bright", "bright_")
    return known if known in ANSI_COLOR_NAMES else f"#{name}"


def animation(pictures: list[list[Text]], title: str) -> str:
    """Return the pictures as one SVG that shows them in turn; readers who want no motion see the last."""
    total = STEP * (len(pictures) - 1) + LAST
    parts, rules = [], []
    for i, lines in enumerate(pictures):
        start, end = 100 * i * STEP / total, 100 * (i + 1) * STEP / total
        seen = f"0%{{visibility:hidden}}{start:.2f}%{{visibility:visible}}"
        if i == 0:
            seen = "0%{visibility:visible}"
        if i + 1 < len(pictures):
            seen += f"{end:.2f}%{{visibility:hidden}}"
            rules.append(f".ff{i}{{visibility:hidden}}")
        rules.append(f"@keyframes k{i}{{{seen}}}")
        moving = f".ff{i}{{animation:k{i} {total:g}s step-end infinite}}"
        rules.append(f"@media(prefers-reduced-motion:no-preference){{{moving}}}")
        parts.append(_drawn(lines, f"f{i}"))
    width, height = COLUMNS * 12.2 + 24, ROWS * 24.4 + 24
    told = escape("\n".join(line.plain.rstrip() for line in pictures[-1]).strip())
    box = f'viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="t d"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>'
        f'<title id="t">{title}</title><desc id="d">{told}</desc><style>{"".join(rules)}</style>'
        f'<rect width="100%" height="100%" rx="10" fill="{GROUND}"/>'
        f'<g transform="translate(12 12)">{"".join(parts)}</g></svg>\n'
    )


def _drawn(lines: list[Text], name: str) -> str:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor")
    for line in lines:
        console.print(line, no_wrap=True, crop=True)
    return console.export_svg(code_format=FRAME, unique_id=name)


def write_files(folder: Path) -> None:
    """Write the sample's prices as a European spreadsheet saves them: a file per stock."""
    bars = pd.read_csv(io.StringIO(prices()), parse_dates=["date"]).set_index("date")
    for symbol, closes in bars.items():
        frame = pd.DataFrame({"Date": closes.index.strftime("%d.%m.%Y"), "Close": closes.to_numpy()})
        frame.to_csv(folder / f"{symbol}.csv", sep=";", decimal=",", index=False)


def photograph(address: str, picture: Path, height: int = 1400) -> None:
    """Write the first pixels of a page, 1280 wide, in the light scheme."""
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("Chromium is missing; on Debian: apt-get install --no-install-recommends chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": height}, color_scheme="light")
        page.goto(address)
        page.wait_for_timeout(1500)  # charts are drawn after the page
        page.screenshot(path=picture)
        browser.close()


def main() -> None:
    """Run the demo, and write both pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        fresh, folio, own = (Path(temporary) / name for name in ("fresh", "folio", "own"))
        for folder in (fresh, folio, own / "prices"):
            folder.mkdir(parents=True)
        title = f"quantflow {' '.join(COMMAND)}"
        pictures = frames([("quantflow", *COMMAND)], fresh)
        (IMAGES / "select.svg").write_text(animation(pictures, title), encoding="utf-8")
        write_files(own / "prices")
        title = "From a folder of CSV files to a portfolio"
        (IMAGES / "files.svg").write_text(animation(frames(FILES, own), title), encoding="utf-8")
        for night in NIGHTS:
            subprocess.run(quantflow(*COMMAND, "--as-of", night), cwd=folio, check=True, capture_output=True)
        photograph((folio / "current" / "demo" / "report.html").resolve().as_uri(), IMAGES / "report.png")
        for name in COMPARED:
            command = ("select", "--profile", name, "--run-id", name)
            subprocess.run(quantflow(*command), cwd=folio, check=True, capture_output=True)
        subprocess.run(quantflow("ui", "--no-open"), cwd=folio, check=True, capture_output=True)
        page = (folio / "site" / "index.html").as_uri()
        photograph(f"{page}#/compare/{','.join(COMPARED)}", IMAGES / "ui.png", 1200)


if __name__ == "__main__":
    main()
