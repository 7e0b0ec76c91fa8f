"""The page over HTTP: for who knows the address, on this machine alone."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from quantflow.errors import Interrupted
from quantflow.runs.lock import owned
from quantflow.ui.site.build import build
from quantflow.ui.site.serving import Served, keep_fresh, serving
from quantflow.ui.site.signature import workspace_mark
from recorded import created
from sited import handed_over


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A workspace with a page, a run with a report, and files that are nobody's business."""
    run = created(tmp_path, "one")
    run.write_file("report.html", "<p>report</p>")
    build(tmp_path, tmp_path / "site")
    (tmp_path / "secret.html").write_text("secret")
    (tmp_path / "site" / "link.js").symlink_to(tmp_path / "secret.html")
    return tmp_path


@pytest.fixture
def address(home: Path) -> Iterator[str]:
    """The page's address."""
    with serving(Served(home / "site", home / "runs")) as found:
        yield found


def asked(address: str, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """Ask the server of an address for a path; return status, body and headers."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.read(), dict(answer.getheaders())
    connection.close()
    return found


def token(address: str) -> str:
    """The part of an address that nobody else knows."""
    return urlsplit(address).path.split("/")[1]


def test_who_has_the_address_sees_the_page(address: str) -> None:
    """The page, its data, the reports of runs; never kept, and never named to another site."""
    status, body, headers = asked(address, urlsplit(address).path)
    assert (status, b"<!doctype html>" in body) == (200, True)
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert asked(address, f"/{token(address)}/site/data/index.js?1")[0] == 200
    assert asked(address, f"/{token(address)}/runs/one/report.html")[1] == b"<p>report</p>"


def test_head_has_no_body(address: str) -> None:
    """As HTTP says; other methods are refused."""
    assert asked(address, urlsplit(address).path, "HEAD")[:2] == (200, b"")
    assert asked(address, urlsplit(address).path, "POST")[0] == 501


@pytest.mark.parametrize("first", ["", "site", "wrong", "é", "%00"])
def test_nothing_is_there_without_the_token(address: str, first: str) -> None:
    """Any other path is not found, as if nothing were there."""
    path = f"/{first}/site/index.html".replace("é", "%C3%A9")
    assert asked(address, path)[0] == 404
    assert asked(address, "/")[0] == 404


def test_tokens_are_not_guessed(home: Path, address: str) -> None:
    """Each server has another one, of 24 random bytes."""
    with serving(Served(home / "site", home / "runs")) as other:
        assert token(other) != token(address)
    assert len(token(address)) == 32


@pytest.mark.parametrize(
    "path",
    [
        "secret.html",
        "site/../secret.html",
        "site/%2e%2e/secret.html",
        "site//etc/passwd",
        "site/.built.json",
        "site/link.js",
        "site/data",
        "runs/one/run.json",
        "runs/one/stages/report.html",
        "runs/../site/index.html",
        "runs/one/../../secret.html",
        "other/index.html",
        "",
    ],
)
def test_only_the_page_and_what_runs_export_is_served(address: str, path: str) -> None:
    """No way up, no link out, no record."""
    assert asked(address, f"/{token(address)}/{path}")[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", ""])
def test_another_name_for_this_machine_is_refused(address: str, host: str) -> None:
    """A site that points its own name here gets nothing, even with the token."""
    assert asked(address, urlsplit(address).path, Host=host)[0] == 403


def test_it_listens_on_loopback_alone(address: str) -> None:
    """Nothing answers on the machine's other addresses."""
    found = urlsplit(address)
    assert found.hostname == "127.0.0.1"
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for other in others:
        with socket.socket() as out:
            out.settimeout(1)
            assert out.connect_ex((str(other), found.port)) != 0


def test_the_page_follows_the_workspace(home: Path) -> None:
    """A new run is on the page after the next look; a signal ends it."""
    naps = iter(["nothing", "a run", "end"])

    def nap(seconds: float) -> None:
        what = next(naps)
        if what == "a run":
            created(home, "two")
        if what == "end":
            raise Interrupted(2)

    mark = workspace_mark(home)
    with pytest.raises(Interrupted):
        keep_fresh(home, home / "site", mark, pytest.fail, nap)
    assert [row["id"] for row in handed_over(home / "site", "index")["rows"]] == ["two", "one"]


def test_a_run_that_was_killed_is_noticed(home: Path) -> None:
    """It has written nothing: a page that shows a run at work is written again now and then."""
    naps = iter(range(8))

    def nap(seconds: float) -> None:
        if next(naps) == 7:
            raise Interrupted(2)

    with owned(home / "runs" / "one"):
        build(home, home / "site")
    with pytest.raises(Interrupted):
        keep_fresh(home, home / "site", workspace_mark(home), pytest.fail, nap)
    assert handed_over(home / "site", "index")["rows"][0]["state"] == "interrupted"


def test_a_page_that_cannot_be_written_does_not_end_it(home: Path) -> None:
    """The reason is said once, and it is tried again after the next change."""
    said: list[str] = []
    naps = iter([lambda: created(home, "two"), lambda: None, lambda: (_ for _ in ()).throw(Interrupted(2)).__next__()])
    folder = home / "elsewhere"
    folder.mkdir()
    (folder / "mine").write_text("")
    with pytest.raises(Interrupted):
        keep_fresh(home, folder, workspace_mark(home), said.append, lambda seconds: next(naps)())
    assert len(said) == 1
