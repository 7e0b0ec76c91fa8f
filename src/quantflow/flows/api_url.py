"""Addresses of Prefect API servers: which one is configured, whether it answers, and how it may be shown."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from quantflow.config.credentials import without_credentials
from quantflow.errors import ConfigError
from quantflow.flows.proxies import proxy_of

if TYPE_CHECKING:
    from prefect.settings.models.root import Settings

HEALTH_SECONDS = 3.0


def configured_url() -> str | None:
    """Return the API URL that the user has configured, in any of the ways that Prefect knows; None when in none.

    Prefect itself is asked, unless it cannot know of any: to import it takes as long as all else until a run begins.

    Raises:
        ConfigError: If Prefect refuses its settings.
    """
    if url := os.environ.get("PREFECT_API_URL"):
        return url
    if "prefect" not in sys.modules and not any(map(_speaks_of_prefect, _sources())):
        return None
    return str(_settings().api.url or "") or None


def check_settings() -> None:
    """Have Prefect read its settings, if the user has made any.

    Raises:
        ConfigError: If it refuses one.
    """
    if any(name.startswith("PREFECT_") for name in os.environ) or any(map(_speaks_of_prefect, _sources())):
        _settings()


def _settings() -> Settings:
    from pydantic import ValidationError

    try:
        from prefect.settings import get_current_settings

        return get_current_settings()
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False, include_input=False)
        where = ".".join(str(part) for part in first["loc"]) or error.title
        raise ConfigError(
            f"Prefect refuses its settings: {where}: {first['msg']}.",
            hint="Correct it in the environment (PREFECT_…), .env, prefect.toml, pyproject.toml or Prefect's profile.",
        ) from error


def _sources() -> Iterator[Path]:
    """Return the files in which Prefect looks for settings, the environment apart."""
    yield from (Path(".env"), Path("prefect.toml"), Path("pyproject.toml"))
    with suppress(RuntimeError):  # of a user without a home
        home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")
        yield Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml")


def _speaks_of_prefect(path: Path) -> bool:
    word = {"prefect.toml": "", "pyproject.toml": "tool.prefect"}.get(path.name, "prefect_")
    try:
        return word in path.read_text(errors="replace").lower()
    except OSError:
        return False


def trouble_at(url: str) -> str:
    """Return in one line why no API server answers at *url*, without its credentials; empty if one does."""
    import httpx

    try:
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=HEALTH_SECONDS, trust_env=bool(proxy_of(url)))
        if not answer.is_success:
            return f"HTTP {answer.status_code} {answer.reason_phrase}".rstrip()
        answer.json()
    except httpx.InvalidURL:  # its text may quote a piece of a password
        return "this is no URL"
    except httpx.HTTPError as error:
        through = proxy_of(url)
        return first_line(error) + (f" (through the proxy of {through})" if through else "")
    except ValueError:
        return "what answers is no Prefect API, whose address ends with /api"
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
