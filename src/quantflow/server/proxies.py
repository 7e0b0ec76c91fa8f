"""The user's HTTP proxies and the API server: what stays on this machine goes through none of them."""

from __future__ import annotations

import os
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from quantflow.errors import InfrastructureError, last_line

LOOPBACK = ("127.0.0.1", "localhost", "::1")


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
    """Check that the API's client can be made where the environment names proxies: else it can be used for no address.

    Raises:
        InfrastructureError: Naming the variables.
    """
    if not (found := getproxies_environment()):
        return
    import httpx

    try:
        httpx.Client().close()
    except Exception as error:  # the client raises errors of several kinds, and of other packages
        names = ", ".join(f"{kind.upper()}_PROXY" for kind in sorted(found))
        raise InfrastructureError(
            f"Prefect's client cannot use the proxies of the environment ({names}): {last_line(error).rstrip('.')}.",
            hint="Correct them, or unset them for this command.",
        ) from error
