"""Addresses of Prefect API servers: which one is configured, whether it answers, and how it may be shown."""

from __future__ import annotations

import os
import socket
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from quantflow.config.credentials import without_credentials

HEALTH_SECONDS = 3.0


def configured_url() -> str | None:
    """Return the API URL that the user has configured: in the environment, or in the active Prefect profile."""
    if url := os.environ.get("PREFECT_API_URL"):
        return url
    if "prefect" in sys.modules:
        from prefect.settings import PREFECT_API_URL

        return str(PREFECT_API_URL.value() or "") or None
    try:
        home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")
        profiles = tomllib.loads((home / "profiles.toml").read_text())
        active = os.environ.get("PREFECT_PROFILE", profiles.get("active", ""))
        return str(profiles["profiles"][active]["PREFECT_API_URL"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):  # the last of a user without a home
        return None


def trouble_at(url: str) -> str:
    """Return in one line why no API server answers at *url*, without its credentials; empty if one does."""
    import httpx

    try:
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=HEALTH_SECONDS)
        if not answer.is_success:
            return f"HTTP {answer.status_code} {answer.reason_phrase}".rstrip()
        answer.json()
    except httpx.InvalidURL:  # its text may quote a piece of a password
        return "this is no URL"
    except httpx.HTTPError as error:
        return first_line(error)
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
