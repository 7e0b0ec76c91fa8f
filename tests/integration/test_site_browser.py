"""What a browser makes of ``quantflow ui``: every view, from a folder without a server, on a phone and a screen."""

from __future__ import annotations

import csv
import io
import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from browsing import TOO_FAINT, chromium
from processes import bare_environment
from quantflow.runs.find import find_run, list_runs
from quantflow.ui.site.build import build
from quantflow.ui.site.serving import Served, serving
from recorded import created
from sited import HOSTILE, copies, everything

THOUSAND = 1000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium, the system's own."""
    with chromium() as launched:
        yield launched


@dataclass(frozen=True)
class Site:
    """A page over a workspace with one of everything, and the ids of its runs by what they are."""

    home: Path
    runs: dict[str, str]

    def at(self, route: str) -> str:
        """The address of a view."""
        return f"{(self.home / 'site' / 'index.html').as_uri()}{route.format(**self.runs)}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Selections, a meta run, a sweep, and runs that failed, are damaged, or hold hostile texts."""
    home = tmp_path_factory.mktemp("everything")
    runs = everything(home)
    runs["sha"] = find_run(home, runs["second"]).outputs["weights"].sha256
    build(home, home / "site")
    return Site(home, runs)


@dataclass(frozen=True)
class Watched:
    """A page, and what it complained of and asked for outside its folder."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def open(self, address: str, *, fresh: bool = False) -> Page:
        """Go to a view, in a page that was just opened or in the one that is, and wait until its charts are drawn."""
        if fresh:
            self.page.goto("about:blank")
        elif self.page.locator("[data-ready]").count():
            self.page.evaluate("document.querySelector('[data-ready]').removeAttribute('data-ready')")
            self.page.evaluate("history.replaceState(null, '', '#')")
        self.page.goto(address)
        self.page.wait_for_selector("[data-ready]", timeout=15_000)
        return self.page


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Watched]:
    """One page for all tests that do not close it."""
    found = watched(browser)
    yield found
    found.page.close()


@pytest.fixture
def seen(window: Watched) -> Iterator[Watched]:
    """The page, which must have nothing to complain of when the test is over."""
    window.page.emulate_media(media="screen")
    window.faults.clear()
    yield window
    assert window.faults == []


def watched(browser: Browser, width: int = 1440, scheme: str = "light") -> Watched:
    """Return an empty page that is watched."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    found = Watched(page)
    kinds = ("error", "warning")
    page.on("console", lambda said: found.faults.append(said.text) if said.type in kinds else None)
    page.on("pageerror", lambda error: found.faults.append(str(error)))
    own = ("file:", "data:", "blob:", "about:", "http://127.0.0.1:")
    page.on("request", lambda asked: None if asked.url.startswith(own) else found.faults.append(asked.url))
    return found


VIEWS = {
    "#/": ("Age of data", "-0.62% in 3 sessions", "Next rebalance"),
    "#/profile/demo": ("Track of the book", "within the promised", "Simulated, run"),
    "#/runs": ("Max drawdown", "{second}", "damaged", "unreadable"),
    "#/run/{second}": ("Out of sample", "It would drop out if", "What changed", "passed all data checks", "momentum"),
    "#/run/{meta}": ("Sleeves", "{meta}.small", "of the portfolio's capital"),
    "#/run/{failed}": ("Fix it.", "quantflow resume failed"),
    "#/run/{damaged}": ("its files are damaged", "quantflow inspect {damaged}"),
    "#/run/{unreadable}": ("its record cannot be read",),
    "#/compare/{second},{other}": ("Settings that differ", "policy.top_n", "quantflow diff {second} {other}"),
    "#/sweeps": ("{sweep}",),
    "#/sweep/{sweep}": ("The best, trial", "Heat map", "policy.top_n", "quantflow promote s/"),
    "#/names": ("Held in", "KO"),
    "#/name/KO": ("Weight by as-of date", "{second}"),
    "#/artifact": ("sha256", "Made by the newest run"),
    "#/artifact/{sha}": ("Made by", "allocation", "What came of it"),
    "#/data": ("Symbols kept", "Symbols through time"),
    "#/nothing": ("There is no view nothing.",),
}
"""Each view, and what must be read there."""


@pytest.mark.parametrize("route", VIEWS)
def test_every_view_can_be_sent_as_a_link(site: Site, seen: Watched, route: str) -> None:
    """Opened directly it shows what it is for, with a title of its own and all of its charts drawn."""
    page = seen.open(site.at(route), fresh=True)
    text = page.locator("main").inner_text()
    for words in VIEWS[route]:
        assert words.format(**site.runs) in text
    assert page.locator("h1").count() == 1
    assert page.title().endswith("quantflow")
    assert page.locator(".plot:not([data-drawn])").count() == 0


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1440, "dark")])
def test_every_view_is_whole_on_any_screen(browser: Browser, site: Site, width: int, scheme: str) -> None:
    """Nothing is beyond the edge, every text can be read, every control and picture has a name."""
    seen = watched(browser, width, scheme)
    for route in VIEWS:
        page = seen.open(site.at(route))
        assert page.evaluate("document.documentElement.scrollWidth") <= width, route
        assert page.evaluate(TOO_FAINT) == [], route
        nameless = "button:not([aria-label]):empty, svg[role=img]:not([aria-label]), .plot:not([aria-label])"
        assert page.locator(nameless).count() == 0, route
        assert page.locator("th:not([scope])").count() == 0, route
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]
    seen.page.close()
    assert seen.faults == []


@pytest.mark.parametrize("route", ["#/", "#/runs", "#/run/{hostile}", "#/run/{failed}", "#/names"])
def test_texts_from_files_are_text(site: Site, seen: Watched, route: str) -> None:
    """A profile, a symbol or an error that is markup is read letter by letter, and makes no element."""
    page = seen.open(site.at(route))
    assert HOSTILE in page.locator("main").inner_text()
    assert page.locator("main img, main script").count() == 0


def test_a_hostile_name_has_a_link_of_its_own(site: Site, seen: Watched) -> None:
    """From the list of names to the name, and to it directly; a shell takes it for one word of the command."""
    page = seen.open(site.at("#/names"))
    page.get_by_role("link", name=HOSTILE).first.click()
    page.wait_for_selector('[data-view="name"][data-ready]')
    assert page.locator("h1").inner_text() == HOSTILE
    assert shlex.split(page.locator(".command code").inner_text()) == ["quantflow", "why", HOSTILE]
    page.reload()
    page.wait_for_selector('[data-view="name"][data-ready]')
    assert page.locator("h1").inner_text() == HOSTILE


def test_runs_are_filtered_sorted_and_compared_by_key(site: Site, seen: Watched) -> None:
    """/ and a text, j to a row, x to pick it, c to compare, Esc out; the address says what is seen."""
    page = seen.open(site.at("#/runs"), fresh=True)
    page.keyboard.press("/")
    page.keyboard.type("selection completed")
    assert page.url.endswith("#/runs?filter=selection+completed")
    page.keyboard.press("Escape")
    for _ in range(4):
        page.keyboard.press("j")
    page.keyboard.press("k")
    picked = []
    for _ in range(2):
        page.keyboard.press("x")
        picked.append(str(page.evaluate("document.activeElement.textContent")))
        page.keyboard.press("j")
    assert page.locator(".picked").inner_text().startswith("2 runs picked")
    page.keyboard.press("c")
    page.wait_for_selector('[data-view="compare"][data-ready]')
    assert page.locator("main li a").all_inner_texts() == picked
    page.keyboard.press("?")
    assert page.locator("dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_selector('[data-view="data"][data-ready]')


def test_enter_opens_the_row(site: Site, seen: Watched) -> None:
    """The run that has the focus."""
    page = seen.open(site.at("#/runs?filter={second}"))
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector('[data-view="run"][data-ready]')
    assert page.locator("h1").inner_text() == site.runs["second"]


def test_a_profile_that_is_only_a_sleeve_leads_to_its_runs(site: Site, seen: Watched) -> None:
    """It has no book and no nights of its own."""
    page = seen.open(site.at("#/run/{meta}.small"))
    page.locator("dd").get_by_role("link", name="small", exact=True).click()
    page.wait_for_selector('[data-view="runs"][data-ready]')
    assert page.locator("main tbody th").all_inner_texts() == [f"{site.runs['meta']}.small"]


def test_a_ninth_run_is_not_picked(site: Site, seen: Watched) -> None:
    """Eight can be compared."""
    page = seen.open(site.at("#/runs?sleeves=yes"), fresh=True)
    boxes = page.locator("tbody input[type=checkbox]:enabled")
    for i in range(9):
        if i < boxes.count():
            boxes.nth(i).click()
    assert page.locator("tbody input:checked").count() == min(8, boxes.count())


def test_a_column_is_sorted_by_its_figures(site: Site, seen: Watched) -> None:
    """By size, the largest first, then the smallest; runs without one stay below."""
    page = seen.open(site.at("#/runs"))
    heading = page.get_by_role("button", name="Sharpe", exact=True)
    heading.click()
    for down in (True, False):
        column = page.locator("main tbody tr").evaluate_all("rows => rows.map(row => row.cells[7].textContent)")
        known = [float(text) for text in column if text]
        assert known == sorted(known, reverse=down)
        assert column[len(known) :] == [""] * (len(column) - len(known))
        heading.click()
    assert "sort=sharpe" in page.url


def test_only_settings_that_differ_are_compared(site: Site, seen: Watched) -> None:
    """Of two runs that differ in one setting that one is shown, with both values, and no other."""
    page = seen.open(site.at("#/compare/{second},{other}"))
    cells = "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    rows = page.locator("#settings tbody tr").evaluate_all(cells)
    assert rows == [["policy.top_n", "2", "3"]]


def test_what_is_saved_is_what_is_there(site: Site, seen: Watched) -> None:
    """The CSV of the weights has those of the run to the last digit; that of the curve a row per session."""
    page = seen.open(site.at("#/run/{second}"))
    run = find_run(site.home, site.runs["second"])
    weights = saved(page, f"{run.id}-weights")
    assert {row["symbol"]: float(row["weight"]) for row in weights} == run.weights
    curve, net = saved(page, f"{run.id}-curve"), run.load("oos_returns")["net"]
    assert [row["date"] for row in curve] == [str(day)[:10] for day in net.index]
    assert float(curve[-1]["strategy"]) == pytest.approx(float((1 + net).prod()), rel=1e-5)


def test_every_table_and_chart_can_be_saved(site: Site, seen: Watched) -> None:
    """With a heading, and as many rows as are seen; a spreadsheet computes no text of it."""
    page = seen.open(site.at("#/runs"))
    assert len(saved(page, "runs")) == page.locator("main tbody tr").count()
    for route in ("#/run/{meta}", "#/sweep/{sweep}", "#/data"):
        seen.open(site.at(route))
        assert page.locator(".csv").count() == page.locator(".table, figure").count()
    page = seen.open(site.at("#/names"))
    assert HOSTILE in [row["symbol"] for row in saved(page, "names")]
    assert page.evaluate("quantflow.csv.cell('=1+1')") == "'=1+1"
    assert page.evaluate("""quantflow.csv.cell('a"b,c')""") == '"a""b,c"'


def saved(page: Page, name: str) -> list[dict[str, str]]:
    """Press the button of a table or chart, and read the file that is saved."""
    with page.expect_download() as found:
        page.locator(f'[aria-label="Save {name}.csv"]').first.click()
    return list(csv.DictReader(io.StringIO(Path(found.value.path()).read_text())))


def test_the_report_is_a_link_away(site: Site, seen: Watched) -> None:
    """Relative to the page, so that both may be moved together."""
    page = seen.open(site.at("#/run/{second}"))
    report = page.locator("dd a", has_text="report.html")
    assert report.get_attribute("href") == f"../runs/{site.runs['second']}/report.html"
    report.click()
    page.wait_for_url(f"**/runs/{site.runs['second']}/report.html")


def test_the_heat_map_follows_the_choice(site: Site, seen: Watched) -> None:
    """Of the figure and of the settings; the address says which."""
    page = seen.open(site.at("#/sweep/{sweep}"))
    before = page.locator("#map strong").inner_text()
    for label, value in {"Figure": "sharpe", "Down": "policy.top_n", "Across": "allocation.method"}.items():
        page.locator("label", has=page.get_by_text(label, exact=True)).locator("select").select_option(value)
    after = page.locator("#map strong").inner_text()
    assert after == "Sharpe: policy.top_n down, allocation.method across"
    assert before != after
    assert "rows=policy.top_n" in page.url
    page.wait_for_selector("#map .plot[data-drawn] .heatmaplayer")


def test_lineage_is_walked_both_ways(site: Site, seen: Watched) -> None:
    """From the weights to what they are made of, and from there back to them."""
    page = seen.open(site.at("#/artifact/{sha}"))
    page.locator("#before").get_by_role("link", name="atoms", exact=True).click()
    expect(page.locator("h1")).to_have_text("atoms")
    page.locator("#after").get_by_role("link", name="weights", exact=True).first.click()
    expect(page.locator("h1")).to_have_text("weights")


@pytest.mark.parametrize(("part", "reader"), [("sleeve", "sleeve_streams"), ("trial", "trial_returns")])
def test_lineage_goes_on_from_sleeves_and_trials(site: Site, seen: Watched, part: str, reader: str) -> None:
    """What a sleeve or a trial has made leads to what the portfolio, or the sweep, made of it."""
    made = {"sleeve": f"{site.runs['meta']}.small", "trial": "s/1"}[part]
    page = seen.open(site.at(f"#/artifact/{find_run(site.home, made).outputs['oos_returns'].sha256}"))
    assert page.locator("#after").get_by_role("link", name=reader, exact=True).count() == 1


def test_it_is_printed_whole(site: Site, seen: Watched) -> None:
    """On paper there are no buttons and no boxes that would have to be scrolled."""
    page = seen.open(site.at("#/run/{second}"))
    page.emulate_media(media="print")
    visible = "all => all.filter(node => node.checkVisibility()).length"
    assert page.locator(".top, .csv, .command button").evaluate_all(visible) == 0
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    cut = "all => all.filter(node => node.scrollHeight > node.clientHeight + 1).length"
    assert page.locator(".scroll").evaluate_all(cut) == 0


def test_an_empty_workspace_says_what_to_run(tmp_path: Path, seen: Watched) -> None:
    """The commands to begin with."""
    build(tmp_path, tmp_path / "site")
    page = seen.open((tmp_path / "site" / "index.html").as_uri())
    assert "quantflow select --profile demo" in page.locator("main").inner_text()


def test_a_thousand_runs_open_in_two_seconds(site: Site, seen: Watched, tmp_path: Path) -> None:
    """From the address to all rows, among which a text finds one at once."""
    home = tmp_path / "many"
    shutil.copytree(site.home / ".quantflow" / "artifacts", home / ".quantflow" / "artifacts")
    copies(home, find_run(site.home, site.runs["second"]), THOUSAND)
    assert len(list_runs(home)) == THOUSAND
    build(home, home / "site")
    start = time.monotonic()
    seen.page.goto(f"{(home / 'site' / 'index.html').as_uri()}#/runs")
    seen.page.locator("main tbody tr").nth(THOUSAND - 1).wait_for()
    assert time.monotonic() - start < 2
    seen.page.fill("#filter", "copy-0999")
    expect(seen.page.locator("main tbody tr")).to_have_count(1)


def test_a_served_page_refreshes_itself(browser: Browser, tmp_path: Path) -> None:
    """When the page is written again, it is shown again, where it was."""
    created(tmp_path, "one")
    build(tmp_path, tmp_path / "site")
    seen = watched(browser)
    with serving(Served(tmp_path / "site", tmp_path / "runs")) as address:
        seen.open(f"{address}#/runs")
        created(tmp_path, "two")
        build(tmp_path, tmp_path / "site")
        seen.page.get_by_role("link", name="two", exact=True).wait_for(timeout=15_000)
        assert seen.page.url.endswith("#/runs")
        seen.page.close()
    assert seen.faults == []


def test_the_command_serves_until_it_is_stopped(tmp_path: Path) -> None:
    """It prints an address that only who reads it can know, and ends well, and at once, at Ctrl-C."""
    created(tmp_path, "one")
    command = [sys.executable, "-m", "quantflow", "ui", "--serve", "--no-open", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, env=bare_environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["address"]
        assert httpx.get(address, trust_env=False).status_code == 200
        assert httpx.get(address.replace("/site/", "x/site/"), trust_env=False).status_code == 404
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
