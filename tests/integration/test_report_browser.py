"""What a browser makes of a run: its report on a phone and a screen, in light and dark, and Prefect's page of it."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from browsing import TOO_FAINT, chromium
from processes import bare_environment
from quantflow.runs.record import RunRecord

PROFILES = """
[profiles.calm]
extends = "demo"
[profiles.calm.data]
start = 2017-01-01
[profiles.calm.validation]
min_history = 504
[profiles.calm.rebalance]
every = "quarterly"
[profiles.demo_momentum]
extends = "calm"
[profiles.demo_momentum.policy]
top_n = 3
[meta.both]
sleeves = [{ profile = "calm" }, { profile = "demo_momentum" }]
allocation = { method = "risk_parity" }
"""
FORMER = {"run_id": "before", "as_of": "2022-12-27", "weights": {"AAPL": 0.4, "SOLD": 0.6}}
SCREENS = {"phone": 390, "tablet": 768, "screen": 1440}
REPORTS = ("both.calm", "both")
ARTIFACTS = {
    "both.calm": [f"both-sleeve-calm-{name}" for name in ("weights", "report")],
    "both": [f"both-{name}" for name in ("weights", "report")],
}

LABELS = """() => [...document.querySelectorAll('svg[role=img]')].map(svg =>
  [...svg.querySelectorAll('text')].map(node => {
    const box = node.getBoundingClientRect(); return [node.textContent, box.left, box.top, box.right, box.bottom] }))"""
"""The texts of each chart, and the box that each takes up on the page."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium, the system's own."""
    with chromium() as launched:
        yield launched


@dataclass(frozen=True)
class Shared:
    """A workspace with a finished meta run, and the server with a UI that it reported to."""

    home: Path
    url: str


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """A meta run of two sleeves, the first of which has an earlier book, on a team's Prefect server."""
    home = tmp_path_factory.mktemp("shared")
    (home / "quantflow.toml").write_text(PROFILES)
    book = home / "current" / "calm" / "book.json"
    book.parent.mkdir(parents=True)
    book.write_text(json.dumps(FORMER))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    settings = {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_API_URL": f"{url}/api",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
    }
    serve = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(serve, env=bare_environment() | settings, stdout=log, stderr=log, cwd=home)
    try:
        until(lambda: answers(f"{url}/api/health"), 90)
        command = [sys.executable, "-m", "quantflow", "meta", "-m", "both", "--run-id", "both", "--runner", "local"]
        environment = bare_environment() | {"PREFECT_API_URL": f"{url}/api", "PREFECT_HOME": str(home / "prefect")}
        ran = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, timeout=300)
        assert ran.returncode == 0, ran.stderr
        yield Shared(home, url)
    finally:
        server.terminate()
        server.wait(60)


def until(true: Callable[[], bool], seconds: float) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.2)


def answers(url: str) -> bool:
    """Whether a server answers there."""
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False


@dataclass(frozen=True)
class Watched:
    """A page, and what it complained of, broke with and asked for while it was loaded and used."""

    page: Page
    complaints: list[str]
    errors: list[str]
    requests: list[str]


def watched(browser: Browser, width: int = 1280, scheme: str = "light") -> Watched:
    """Return an empty page that is watched."""
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    seen = Watched(page, [], [], [])
    page.on("console", lambda said: seen.complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("request", lambda request: seen.requests.append(request.url))
    return seen


def faults(browser: Browser, file: Path, width: int, scheme: str) -> set[str]:
    """Return what is wrong with a report at a width of the window and in a scheme of colours, by kind of fault."""
    seen = watched(browser, width, scheme)
    page = seen.page
    page.goto(file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(folded => folded.open = true)")
    wide = page.evaluate("document.documentElement.scrollWidth")
    charts = page.evaluate(LABELS)
    found = {
        "console": seen.complaints + seen.errors,
        "request": seen.requests[1:] if seen.requests[:1] == [file.as_uri()] else seen.requests,
        "overflow": [wide] if wide > width else [],
        "contrast": page.evaluate(TOO_FAINT),
        "silent chart": silent(page, len(charts)),
        "collision": [pair for labels in charts for pair in collisions(labels)],
        "cut label": [label for labels in charts for label in labels if label[1] < 0 or label[3] > width],
    }
    page.close()
    return {f"{kind}: {what}" for kind, all_of_it in found.items() for what in all_of_it}


def silent(page: Page, charts: int) -> list[str]:
    """Return charts that a screen reader would not read out: without a name that goes on to tell figures."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    names = [node["name"]["value"] for node in tree if node["role"]["value"] in ("image", "img")]
    unread = [name for name in names if not any(c.isdigit() for c in name)]
    return unread + [f"{charts - len(names)} of {charts} without a name"] * (len(names) != charts)


def collisions(labels: list[list[Any]]) -> list[tuple[str, str]]:
    """Return the pairs of a chart's labels that lie on each other by more than a pixel both ways."""
    return [
        (one[0], two[0])
        for i, one in enumerate(labels)
        for two in labels[i + 1 :]
        if min(one[3], two[3]) - max(one[1], two[1]) > 1 and min(one[4], two[4]) - max(one[2], two[2]) > 1
    ]


def report(shared: Shared, run: str) -> Path:
    """Return a run's report."""
    return RunRecord(shared.home, run).folder / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("run", REPORTS)
def test_a_report_is_whole_on_any_screen(browser: Browser, shared: Shared, run: str, screen: str, scheme: str) -> None:
    """No complaint, no request, nothing beyond the edge, every text readable, every chart told in words.

    So it is for the report of a selection and of a meta run, on a phone and on a screen, in light and in dark.
    """
    assert faults(browser, report(shared, run), SCREENS[screen], scheme) == set()


POLICY = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"""
PLANTS = {
    "console": ("</main>", "<script>1</script></main>"),
    "request": (POLICY, '<link rel="stylesheet" href="http://127.0.0.1:9/style.css">'),
    "overflow": ("</main>", f"<h3>{'wide' * 40}</h3></main>"),
    "contrast": ("--soft:#5b6470", "--soft:#8b94a0"),
    "silent chart": ('aria-labelledby="c-weights-t c-weights-d"', 'aria-hidden="true"'),
    "collision": ("svg text.tick{fill", "svg text.tick{font-size:60px;fill"),
    "cut label": ("g.phone{display:inline}", "g.phone{display:inline;letter-spacing:70px}"),
}
"""What each check must see: a text of the report, and what it is changed to."""


@pytest.mark.parametrize("kind", PLANTS)
def test_the_checks_see_what_they_are_for(browser: Browser, shared: Shared, tmp_path: Path, kind: str) -> None:
    """A report with one fault planted in it is found to have that fault."""
    there, planted = PLANTS[kind]
    html = report(shared, "both").read_text()
    assert there in html
    (tmp_path / "report.html").write_text(html.replace(there, planted))
    found = faults(browser, tmp_path / "report.html", SCREENS["phone"], "light")
    assert {fault.partition(":")[0] for fault in found} >= {kind}


@pytest.mark.parametrize("run", REPORTS)
def test_dark_is_dark(browser: Browser, shared: Shared, run: str) -> None:
    """Where the reader's system is dark, so is the page's ground."""
    grounds = {}
    for scheme in ("light", "dark"):
        page = watched(browser, scheme=scheme).page
        page.goto(report(shared, run).as_uri())
        grounds[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.close()
    assert grounds == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}


@pytest.mark.parametrize("run", REPORTS)
def test_performance_is_on_the_first_screen(browser: Browser, shared: Shared, run: str) -> None:
    """At 1440 by 900 session, verdict, key figures and the growth curve are seen without scrolling, at full width."""
    page = watched(browser, 1440).page
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(report(shared, run).as_uri())
    for what in (".kicker", ".verdict", "#equity table", "#equity svg"):
        box = page.locator(what).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 900
    chart, table = (page.locator(f"#equity {what}").first.bounding_box() for what in ("svg", ".scroll"))
    assert chart is not None
    assert table is not None
    assert chart["width"] == table["width"]
    page.close()


@pytest.mark.parametrize("run", REPORTS)
def test_values_are_under_the_pointer(browser: Browser, shared: Shared, run: str) -> None:
    """Wherever the pointer is on a curve it is over a column that has the date and a value per line."""
    page = watched(browser, 1440).page
    page.goto(report(shared, run).as_uri())
    box = page.locator("#equity svg .h").first.bounding_box()
    assert box is not None
    seen = page.evaluate(
        """([x, y, width]) => [0.02, 0.5, 0.98].map(part =>
        document.elementFromPoint(x + part * width, y).querySelector('title')?.textContent)""",
        [box["x"], box["y"] + box["height"] / 2, box["width"]],
    )
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d\nstrategy [\d.]+×\nequal weight [\d.]+×(\n.+)*", text) for text in seen)
    assert sorted(seen) == seen
    page.close()


def test_a_curve_is_saved_as_csv(browser: Browser, shared: Shared) -> None:
    """The link below the growth curve saves every session; nothing is asked of any network for it."""
    seen = watched(browser, 1440)
    seen.page.goto(report(shared, "both.calm").as_uri())
    with seen.page.expect_download() as saving:
        seen.page.locator("#equity figure .csv").click()
    lines = Path(saving.value.path()).read_text().splitlines()
    assert saving.value.suggested_filename == "growth.csv"
    assert lines[0] == "date,strategy,equal weight"
    said = re.search(r"([\d,]+) sessions", seen.page.locator("header .lead").first.inner_text())
    assert said is not None
    assert len(lines) == int(said[1].replace(",", "")) + 1
    assert [url for url in seen.requests if not url.startswith(("file:", "data:"))] == []
    seen.page.close()


@pytest.mark.parametrize("run", REPORTS)
def test_on_paper_nothing_is_cut(browser: Browser, shared: Shared, run: str) -> None:
    """Printed from a dark screen the page is light, no wider than the paper, and without what needs a pointer."""
    seen = watched(browser, 700, "dark")
    seen.page.goto(report(shared, run).as_uri())
    seen.page.emulate_media(media="print", color_scheme="dark")
    assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 700
    assert seen.page.locator(".csv:visible, nav:visible").count() == 0
    edges = seen.page.evaluate(LABELS)
    assert [label for labels in edges for label in labels if label[3] > 700] == []
    seen.page.close()


def test_what_changed_is_told_against_the_book_before(browser: Browser, shared: Shared) -> None:
    """The report of a profile that has a book says what came, what went and what moved since then."""
    page = watched(browser).page
    page.goto(report(shared, "both.calm").as_uri())
    told = page.locator("#changes").inner_text()
    assert "since the book of 2022-12-27" in told
    assert "SOLD\t60.00%\t–\t−60.00%" in told
    page.close()


@pytest.mark.parametrize("run", REPORTS)
def test_prefects_own_page_shows_the_run(browser: Browser, shared: Shared, run: str) -> None:
    """On a team's server the UI shows the run's name, tags and artifacts, without an error or a foreign request."""
    flow_run = RunRecord(shared.home, run).header.flow_runs[-1]
    stored = httpx.get(f"{shared.url}/api/flow_runs/{flow_run}").json()
    seen = watched(browser)
    seen.page.goto(f"{shared.url}/runs/flow-run/{flow_run}")
    for text in (stored["name"], *stored["tags"]):
        seen.page.get_by_text(text, exact=True).first.wait_for(timeout=30_000)
    seen.page.get_by_text("Artifacts", exact=True).last.click()
    for artifact in ARTIFACTS[run]:
        seen.page.get_by_text(artifact, exact=True).first.wait_for(timeout=30_000)
    assert run in stored["name"]
    assert stored["tags"]
    seen.page.close()
    own = ("data:", "blob:", shared.url, shared.url.replace("http", "ws", 1))
    assert [url for url in seen.requests if not url.startswith(own)] == []
    assert seen.errors == []
