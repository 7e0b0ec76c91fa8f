"""Every command that the documents show is run, page by page, as a reader would type it.

A page has a workspace of its own. Its blocks are taken in their order: settings are written, then commands run, each in
a shell, and each must end with 0. What runs have computed is passed on from page to page, and all use one API server.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import httpx
import pandas as pd
import pytest

from pages import PAGES, ROOT, all_blocks, blocks, lines, write_files, write_module
from processes import bare_environment, shown_to
from quantflow.ops.starter import prices
from quantflow.runs.find import list_runs
from quantflow.server.server import ApiServer, running

SECONDS = 600.0
NOT_RUN: dict[str, str] = {
    "python3 -m venv": "installs; CI runs it",
    ".venv/bin/pip": "installs; CI runs it",
    ".venv/bin/nox": "runs this test",
    "python docs/pictures.py": "draws the README's pictures, of a checkout",
    "deploy/make-secrets": "needs a checkout; test_production.py runs it",
    "sudo install": "makes another user the owner",
    "pip install examples/": "needs a checkout; test_plugin_package.py builds it",
    "docker ": "needs an engine; nox -s image, and test_production.py runs what compose.yaml says",
    "kubectl ": "needs Kubernetes; test_kuberay_files.py checks the manifests",
    "quantflow meta --meta-profile demo_meta --ray-address": "needs a cluster; test_cluster.py has one",
}
"""What is not run, by its beginning, and why. An entry that no page shows is an error."""

UNTIL_STOPPED = {"quantflow serve", "quantflow serve --profile us_core", "quantflow ui --serve"}
"""Commands that go on until they are stopped; test_serve.py and test_site_browser.py run one."""

ENDS_WITH = {
    "quantflow orders --profile us_core --holdings holdings.csv --detailed-exitcode": 10,
    "quantflow morning": 23,  # the sample's prices end in 2022
}
"""Commands whose exit code tells something else than that they went well."""

BEFORE: dict[str, list[str]] = {
    "docs/nights.md": [
        "quantflow select --profile us_core --as-of 2022-12-27",
        r"printf 'symbol,quantity\nAAPL,100\ncash,25000\n' > holdings.csv",
        """echo '{"AAPL": 100, "cash": 25000}' > holdings.json""",
    ],
}
"""What must have happened before a page: one that compares nights needs a night before, orders need holdings."""

SHOWN = {str(page.relative_to(ROOT)): page for page in PAGES if any(list(lines(b)) for b in blocks(page, "console"))}


def is_left_out(line: str) -> bool:
    """Whether a line is not run."""
    return line.startswith(tuple(NOT_RUN)) or line in UNTIL_STOPPED


def test_what_is_left_out_is_shown() -> None:
    """The list of commands that are not run names none that is not there, nor anything of quantflow without need."""
    every = [line for page in SHOWN.values() for block in blocks(page, "console") for line in lines(block)]
    assert [start for start in NOT_RUN if not any(line.startswith(start) for line in every)] == []
    assert set(BEFORE) <= set(SHOWN)
    assert UNTIL_STOPPED | set(ENDS_WITH) <= set(every)


@pytest.fixture(scope="module")
def computed(server: ApiServer, prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifacts and cached results that pages share, and one run; it grows from page to page."""
    home = tmp_path_factory.mktemp("computed")
    pass_on(prepared, home)
    httpx.get(f"{server.url}/health", timeout=SECONDS).raise_for_status()  # it boots while the demo runs
    return home


def pass_on(source: Path, target: Path) -> None:
    """Link what runs in *source* have computed into *target*: other names of the same files, so removal stays local."""
    for part in ("artifacts", "cache"):
        for path in (source / ".quantflow" / part).rglob("*"):
            there = target / path.relative_to(source)
            if path.is_file() and not there.exists():
                there.parent.mkdir(parents=True, exist_ok=True)
                there.hardlink_to(path)


@pytest.fixture
def reader(computed: Path, prepared: Path, server: ApiServer, tmp_path: Path) -> Path:
    """The folder of somebody who reads a page: one run is there, of the demo, and the prices that pages speak of."""
    (tmp_path / "prices").mkdir()
    pd.read_csv(StringIO(prices())).to_parquet(tmp_path / "prices" / "ours.parquet")
    pass_on(computed, tmp_path)
    shutil.copytree(prepared / "runs" / "undisturbed", tmp_path / "runs" / "undisturbed")
    shutil.copy(prepared / ".quantflow" / "sequence", tmp_path / ".quantflow" / "sequence")  # what is run now is newer
    return tmp_path


def filled_in(line: str, workspace: Path) -> str:
    """Return a line with real runs in place of RUN, A and B, and the program of this environment."""
    known = [run.id for run in list_runs(workspace)]
    words = {"RUN": known[-1], "B": known[-1], "A": known[max(0, len(known) - 2)], "STAGE": "policy"}
    told = re.sub(r"\b(RUN|STAGE|A|B)\b", lambda found: words[found[0]], line)
    return re.sub(r"^\.venv/bin/quantflow", "quantflow", told)


def typed(line: str, workspace: Path, server: ApiServer) -> None:
    """Run a line in a shell, as typed in *workspace*.

    Raises:
        AssertionError: With all that it printed, if it does not end as it should.
    """
    environment = {
        **bare_environment(),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "examples" / "manifest" / "src"),
        "HOME": str(workspace / "home"),
        **shown_to(server),
        "QUANTFLOW_EXECUTION__RUNNER": "local",
    }
    (workspace / "home").mkdir(exist_ok=True)
    shell = subprocess.Popen(
        ["bash", "-o", "pipefail", "-c", f"{line}\nexit $?"],  # with a last command of its own, the shell stays
        cwd=workspace,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = shell.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)  # what the shell has started must not outlive the test
        raise
    assert shell.returncode == ENDS_WITH.get(line, 0), f"$ {line}\n{said}"
    assert "Traceback" not in said, f"$ {line}\n{said}"


@pytest.mark.parametrize("name", SHOWN)
def test_every_command_of_a_page_runs(name: str, reader: Path, computed: Path, server: ApiServer) -> None:
    """In the order of the page, with the page's own settings and files."""
    page = SHOWN[name]
    write_files(page, reader)
    before = list(BEFORE.get(name, ()))
    try:
        for language, block in all_blocks(page):
            if language == "toml":
                with (reader / "quantflow.toml").open("a", encoding="utf-8") as file:
                    file.write(f"\n{block}")
            elif language == "python":
                write_module(block, reader)
            elif language == "console":
                for line in [*before, *lines(block)]:
                    if not is_left_out(line):
                        typed(filled_in(line, reader), reader, server)
                before.clear()
    finally:
        if running(reader / ".quantflow" / "server"):
            typed("quantflow server stop", reader, server)
        pass_on(reader, computed)
