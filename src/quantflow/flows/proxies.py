"""The user's HTTP proxies and the API server: what stays on this machine goes through none of them."""

from __future__ import annotations

import os
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from quantflow.errors import InfrastructureError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SPOKEN = ("http", "https", "socks5", "socks5h")
"""The kinds of proxy that the API's client can use; with any other it can be used for no address at all."""


def without_proxy(url: str) -> dict[str, str]:
    """Return what keeps a process's requests to *url* from any proxy, if it is on this machine; else nothing."""
    if urlsplit(url).hostname not in LOOPBACK:
        return {}
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    names = [name.strip() for name in given.split(",") if name.strip()]
    value = given if "*" in names else ",".join(dict.fromkeys([*names, *LOOPBACK[:2]]))
    return {"NO_PROXY": value, "no_proxy": value}


def proxy_of(url: str) -> str | None:
    """Return the variable that sends requests to *url* through a proxy; None when none does."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    found = getproxies_environment()
    if host in LOOPBACK or proxy_bypass(host):
        return None
    return next((f"{kind.upper()}_PROXY" for kind in (parts.scheme, "all") if kind in found), None)


def refuse_unusable_proxy() -> None:
    """Check that the API's client can use each proxy that the environment names.

    Raises:
        InfrastructureError: Naming the variable of one that it cannot.
    """
    for kind, address in getproxies_environment().items():
        scheme = address.partition("://")[0].lower() if "://" in address else "http"
        if kind in ("http", "https", "all") and address and scheme not in SPOKEN:
            raise InfrastructureError(
                f"{kind.upper()}_PROXY names a proxy of the kind {scheme!r}, which Prefect's client cannot use.",
                hint=f"Unset it for this command, or name one of the kinds {', '.join(SPOKEN)}.",
            )
