"""Addresses of Prefect API servers: which one is configured, whether it answers, and how it may be shown."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from quantflow.config.credentials import without_credentials
from quantflow.config.workspaces import cache_folder, refuse_foreign
from quantflow.data.sealed import sealed, unsealed
from quantflow.data.store import write_atomic
from quantflow.errors import ConfigError, InfrastructureError
from quantflow.server.proxies import proxy_of

HEALTH_SECONDS = 3.0
_WHERE = "Correct it in the environment (PREFECT_…), .env, prefect.toml, pyproject.toml or Prefect's profile."
IN_CURRENT_FOLDER = (Path(".env"), Path("prefect.toml"), Path("pyproject.toml"))
"""Where Prefect looks for settings besides the environment and the user's own profiles."""


def configured_url() -> str | None:
    """Return the API URL that the user has configured, in any of the ways that Prefect knows; None when in none.

    Prefect itself is asked, which imports it; its answer is kept in the user's cache folder for exactly these variables
    and files. Where nothing speaks of Prefect, it is not asked.

    Raises:
        ConfigError: If Prefect refuses a setting, or would take one from a file of another user.
    """
    if "prefect" in sys.modules:
        return os.environ.get("PREFECT_API_URL") or _asked()
    for path in IN_CURRENT_FOLDER:
        if _speaks_of_prefect(path):
            refuse_foreign(path, "Prefect")
    variables = sorted((name, value) for name, value in os.environ.items() if name.startswith("PREFECT_"))
    files = [
        (str(path.absolute()), path.read_text(errors="replace")) for path in _sources() if _speaks_of_prefect(path)
    ]
    if not variables and not files:
        return None
    facts = json.dumps([version("prefect"), variables, files])
    return _kept(hashlib.sha256(facts.encode()).hexdigest())


def _kept(key: str) -> str | None:
    folder = cache_folder()
    if folder is None:
        return _asked()
    path = folder / "api-url" / f"{key}.json"
    try:
        found: str | None = unsealed(json.loads(path.read_bytes()))["url"]
    except (OSError, ValueError, KeyError, TypeError):
        found = _asked()
        with suppress(InfrastructureError):  # a cache that cannot be written costs time alone
            write_atomic(path, json.dumps(sealed({"url": found})).encode())
    return found


def _asked() -> str | None:
    from pydantic import ValidationError

    try:
        from prefect.settings import get_current_settings

        return str(get_current_settings().api.url or "") or None
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
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=HEALTH_SECONDS, trust_env=bool(proxy_of(url)))
        if not answer.is_success:
            return f"HTTP {answer.status_code} {answer.reason_phrase}".rstrip()
        answer.json()
    except httpx.InvalidURL:  # its text may quote a piece of a password
        return "this is not a URL"
    except httpx.HTTPError as error:
        through = proxy_of(url)
        return first_line(error) + (f" (through the proxy of {through})" if through else "")
    except ValueError:
        return "the server answered, but not as a Prefect API (its URL must end in /api)"
    return ""


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
