"""Addresses of Prefect API servers: which one is configured, whether it answers, and how it may be shown."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import ssl
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import certifi

from quantflow.config.credentials import without_credentials
from quantflow.config.workspaces import cache_folder, refuse_foreign
from quantflow.data.sealed import sealed, unsealed
from quantflow.data.store import write_atomic
from quantflow.errors import ConfigError, InfrastructureError, said
from quantflow.server.proxies import proxy_of

if TYPE_CHECKING:
    from httpx import Response

HEALTH_SECONDS = 3.0
ASKS_WHO, NOT_FOUND = (401, 403), 404
"""Answers of a server that is there: to a stranger, and of Prefect Cloud to a question that only other servers know."""
UNTRUSTED = "its certificate is not trusted"
_UNTRUSTED = re.compile(r"certificate verify failed: (.*?)(?:\(_ssl|$)")
_WHERE = "Correct it in the environment (PREFECT_…), .env, prefect.toml, pyproject.toml or Prefect's profile."
IN_CURRENT_FOLDER = (Path(".env"), Path("prefect.toml"), Path("pyproject.toml"))
"""Where Prefect looks for settings besides the environment and the user's own profiles."""


@dataclass(frozen=True)
class Access:
    """How Prefect's clients reach the configured API server; nothing in it is secret.

    Attributes:
        url: Its API URL; None where none is configured.
        authorities: The file of the certificate authorities that are trusted; None for the usual ones.
        checked: Whether its certificate is checked.
        cloud: Whether it is Prefect Cloud.
    """

    url: str | None
    authorities: str | None = None
    checked: bool = True
    cloud: bool = False


def configured_url() -> str | None:
    """Return the API URL that the user has configured, in any of the ways that Prefect knows; None when in none.

    Raises:
        ConfigError: As ``configured_access``.
    """
    return configured_access().url


def configured_access() -> Access:
    """Return how the user's configured API server is reached, in any of the ways that Prefect knows.

    Prefect itself is asked, which imports it; its answer is kept in the user's cache folder for exactly these variables
    and files. Where nothing speaks of Prefect, it is not asked.

    Raises:
        ConfigError: If Prefect refuses a setting, or would take one from a file of another user.
    """
    if "prefect" in sys.modules:
        found = _asked()
        return replace(found, url=os.environ.get("PREFECT_API_URL") or found.url)
    for path in IN_CURRENT_FOLDER:
        if _speaks_of_prefect(path):
            refuse_foreign(path, "Prefect")
    names = ("PREFECT_", "SSL_CERT_FILE")
    variables = sorted((name, value) for name, value in os.environ.items() if name.startswith(names))
    files = [
        (str(path.absolute()), path.read_text(errors="replace")) for path in _sources() if _speaks_of_prefect(path)
    ]
    if not files and not any(name.startswith("PREFECT_") for name, _ in variables):
        return Access(None)
    facts = json.dumps([version("prefect"), variables, files])
    return _kept(hashlib.sha256(facts.encode()).hexdigest())


def _kept(key: str) -> Access:
    folder = cache_folder()
    if folder is None:
        return _asked()
    path = folder / "api-access" / f"{key}.json"
    try:
        found = Access(**unsealed(json.loads(path.read_bytes())))
    except (OSError, ValueError, KeyError, TypeError):
        found = _asked()
        with suppress(InfrastructureError):  # a cache that cannot be written costs time alone
            write_atomic(path, json.dumps(sealed(asdict(found))).encode())
    return found


def _asked() -> Access:
    from pydantic import ValidationError

    try:
        from prefect.settings import get_current_settings

        settings = get_current_settings()
        url, file = str(settings.api.url or ""), settings.api.ssl_cert_file
        cloud = bool(url) and url.startswith(str(settings.cloud.api_url))
        return Access(url or None, file and str(file), not settings.api.tls_insecure_skip_verify, cloud)
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False, include_input=False)
        where = ".".join(str(part) for part in first["loc"]) or error.title
        raise ConfigError(
            f"Prefect refuses its settings: {where}: {first['msg']}.",
            hint=_WHERE,
        ) from error
    except Exception as error:  # Prefect reads its settings, and a logging file, while it is imported
        raise ConfigError(f"Prefect cannot use its settings: {first_line(error).rstrip('.')}.", hint=_WHERE) from error


def _sources() -> Iterator[Path]:
    """Return the files in which Prefect looks for settings, the environment apart."""
    yield from IN_CURRENT_FOLDER
    with suppress(RuntimeError):  # of a user without a home
        home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")
        yield Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml")


def _speaks_of_prefect(path: Path) -> bool:
    try:
        text = path.read_text(errors="replace")
        if path.name == "pyproject.toml":
            return "prefect" in tomllib.loads(text).get("tool", {})
    except tomllib.TOMLDecodeError:  # for Prefect to complain of
        return True
    except OSError:
        return False
    return path.name == "prefect.toml" or "prefect_" in text.lower()


def trouble_at(url: str) -> str:
    """Return in one line why no API server answers at *url*, without its credentials; empty if one does."""
    import httpx

    try:
        answer = answer_of(url, "health", HEALTH_SECONDS)
        if answer.status_code in ASKS_WHO or (answer.status_code == NOT_FOUND and configured_access().cloud):
            return ""
        if not answer.is_success:
            return f"HTTP {answer.status_code} {answer.reason_phrase}".rstrip()
        answer.json()
    except httpx.InvalidURL:  # its text may quote a piece of a password
        return "this is not a URL"
    except httpx.HTTPError as error:
        if refused := _UNTRUSTED.search(str(error)):
            return f"{UNTRUSTED} ({refused[1].strip()})"
        through = proxy_of(url)
        return first_line(error) + (f" (through the proxy of {through})" if through else "")
    except ValueError:
        return "the server answered, but not as a Prefect API (its URL must end in /api)"
    return ""


def answer_of(url: str, path: str, seconds: float) -> Response:
    """Return what an API server answers to a stranger, who trusts the authorities that Prefect's clients do.

    Args:
        url: Its API URL.
        path: What is asked for below it.
        seconds: How long to wait.

    Raises:
        ConfigError: If the file of the authorities cannot be used.
        httpx.HTTPError, httpx.InvalidURL: If it does not answer, or that is no URL.
    """
    import httpx

    trusted = _trusted() if url.startswith("https:") else True
    through = bool(proxy_of(url))
    return httpx.get(f"{url.rstrip('/')}/{path}", timeout=seconds, trust_env=through, verify=trusted)


def _trusted() -> ssl.SSLContext:
    access = configured_access()
    try:
        context = ssl.create_default_context(cafile=access.authorities or certifi.where())
    except OSError as error:
        raise ConfigError(
            f"The certificate authorities in {access.authorities} cannot be used: {error.strerror or said(error)}.",
            hint="PREFECT_API_SSL_CERT_FILE names a file of certificates, in PEM.",
        ) from error
    if not access.checked:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, without the credentials of the addresses in it."""
    return without_credentials((str(error) or type(error).__name__).splitlines()[0])


def reachable(url: str) -> bool:
    """Whether anything listens at an API URL, asked within a second; Prefect's client would try for many."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=1):
            return True
    except OSError:
        return False


def without_secrets(url: str) -> str:
    """Return *url* without user, password and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
