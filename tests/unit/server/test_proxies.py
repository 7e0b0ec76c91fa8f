"""The user's proxies: none of them stands between a run and its own API server."""

from __future__ import annotations

import pytest

from quantflow.errors import InfrastructureError
from quantflow.server.proxies import proxy_of, refuse_unusable_proxy, without_proxy

OWN = "http://127.0.0.1:4711/api"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        for form in (name, name.upper()):
            monkeypatch.delenv(form, raising=False)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "intranet, .corp"}, "intranet,.corp,127.0.0.1,localhost"),
        ({"no_proxy": "intranet", "NO_PROXY": "other"}, "intranet,127.0.0.1,localhost"),
        ({"NO_PROXY": "localhost,127.0.0.1"}, "localhost,127.0.0.1"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_own_servers_are_added_to_what_goes_without_proxy(
    given: dict[str, str], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both forms of the variable, for libraries read either; what the user has in it stays."""
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert without_proxy(OWN) == {"NO_PROXY": wanted, "no_proxy": wanted}


def test_other_servers_keep_the_users_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is changed for a server elsewhere, and what stands in between is named."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert without_proxy("https://prefect.corp/api") == {}
    assert proxy_of("https://prefect.corp/api") == "HTTPS_PROXY"
    assert proxy_of("http://prefect.corp/api") is None
    monkeypatch.setenv("NO_PROXY", ".corp")
    assert proxy_of("https://prefect.corp/api") is None
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy:1080")
    assert proxy_of("http://prefect.example/api") == "ALL_PROXY"
    assert proxy_of(OWN) is None


@pytest.mark.parametrize("address", ["http://p:1", "https://p:1", "socks5://p:1", "socks5h://p:1", "p:3128", ""])
def test_proxies_that_the_client_can_use_pass(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one without a scheme, as many write it."""
    monkeypatch.setenv("ALL_PROXY", address)
    refuse_unusable_proxy()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks4://p:1080"),
        ("ALL_PROXY", "foo:bar"),
        ("HTTP_PROXY", "http://[::1"),
    ],
)
def test_one_that_it_cannot_use_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client would fail for every address, with an error that does not say why."""
    monkeypatch.setenv(name, value)
    with pytest.raises(InfrastructureError, match=name):
        refuse_unusable_proxy()


def test_an_exception_to_proxies_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Together with the proxy that it is an exception to."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "[::1")
    with pytest.raises(InfrastructureError, match="NO_PROXY"):
        refuse_unusable_proxy()
