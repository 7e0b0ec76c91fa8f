"""Credentials in settings: kept in the environment of the process, never in a record, a log or an error.

A setting may name a variable, ``https://${USER_AND_KEY}@host/prices.csv``; it is filled in when the address is opened.
A credential that stands in an address itself (``user:password@``, or a query parameter such as ``token=``) is taken out
when the profile is loaded, and becomes such a variable of this process and its children.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from quantflow.config.printable import cleaned
from quantflow.errors import ConfigError
from quantflow.types import Settings

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAMES_OF_KEYS = r"token|key|secret|passw|pwd|sig|auth|cred|session"
_CREDENTIAL = re.compile(
    rf"(?P<before>://)(?P<user>[^/?#\s]+)(?P<after>@)|(?P<name>[?&][^=&#\s]*(?:{_NAMES_OF_KEYS})[^=&#\s]*=)(?P<value>[^&#\s]+)",
    re.IGNORECASE,
)
_OWN = "QUANTFLOW_SECRET_"
_OF_SERVERS = ("PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_KEY", "RAY_AUTH_TOKEN")
_KEYS_OF_EXCHANGES = re.compile(r"QUANTFLOW_[A-Z0-9]+_(APIKEY|SECRET|PASSWORD|UID)")
_SHORTEST = 4
"""What is shorter is in every text by chance, and protects nothing."""

_used: set[str] = set()


def concealed(value: Any) -> Any:
    """Return a setting, or a table or list of settings, with the credentials in its addresses replaced by variables.

    Puts each credential that it replaces into the environment, under the variable's name.
    """
    if isinstance(value, dict):
        return {key: concealed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(concealed(inner) for inner in value)
    return _concealed_text(value) if isinstance(value, str) and "://" in value else value


def _concealed_text(text: str) -> str:
    blank = _CREDENTIAL.sub(lambda found: f"{found['before'] or found['name']}{found['after'] or ''}", text)
    place = hashlib.sha256(blank.encode()).hexdigest()[:8].upper()
    count = 0

    def replace(found: re.Match[str]) -> str:
        nonlocal count
        credential = found["user"] or found["value"]
        if VARIABLE.search(credential):
            return found[0]
        count += 1
        name = f"{_OWN}{place}_{count}"
        os.environ[name] = credential
        return f"{found['before'] or found['name']}${{{name}}}{found['after'] or ''}"

    return _CREDENTIAL.sub(replace, text)


def concealed_address(address: str) -> str:
    """Return an address of which every part may be a credential with all but its scheme replaced by a variable."""
    scheme, slashes, rest = address.partition("://")
    if not slashes or VARIABLE.search(rest):
        return address
    name = f"{_OWN}{hashlib.sha256(address.encode()).hexdigest()[:8].upper()}"
    os.environ[name] = rest
    return f"{scheme}://${{{name}}}"


def revealed(text: str) -> str:
    """Return *text* with its variables filled in.

    Raises:
        ConfigError: If one is not set.
    """

    def fill(found: re.Match[str]) -> str:
        _used.add(found[1])
        if found[1] not in os.environ:
            raise ConfigError(_missing(text, found[1]), hint=_how_to_set(found[1]))
        return os.environ[found[1]]

    return VARIABLE.sub(fill, text)


def _missing(text: str, name: str) -> str:
    where = re.sub(r"[?#].*", "", text)
    return f"{where} needs a credential that is not in this process's environment ({name})."


def _how_to_set(name: str) -> str:
    if name.startswith(_OWN):
        return (
            "It stood in the address in quantflow.toml, QUANTFLOW_* or --set: put it back there, or set the variable."
        )
    return f"Set {name}, on a cluster for Ray's workers too."


def without_credentials(text: str) -> str:
    """Return *text* with whatever credential stands in an address replaced by ``***``, known or not."""
    return _CREDENTIAL.sub(lambda found: f"{found['before'] or found['name']}***{found['after'] or ''}", text)


def missing(settings: Settings) -> bool:
    """Whether settings name a variable that the environment does not have."""
    return any(name not in os.environ for name in VARIABLE.findall(str(settings)))


def scrubbed(text: str) -> str:
    """Return *text* with every credential that this process knows replaced by ``***``."""
    for secret in sorted(_known(), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _known() -> set[str]:
    names = {name for name in os.environ if name.startswith(_OWN) or _KEYS_OF_EXCHANGES.fullmatch(name)} | _used
    values = {os.environ.get(name, "") for name in names}
    parts = {part for value in values for part in (value, *value.split(":"))}
    parts |= {part for name in _OF_SERVERS for part in _secret_parts(os.environ.get(name, ""))}
    return {form for part in parts for form in (part, unquote(part)) if len(form) >= _SHORTEST}


def _secret_parts(credential: str) -> tuple[str, str]:
    """Return a server's credential and its password: the name before it may be any word."""
    return credential, credential.partition(":")[2]


@contextmanager
def scrubbed_logs() -> Iterator[None]:
    """Within the block, no log line of this process holds a credential, or what a terminal would obey.

    That is so a process that writes it and wherever it goes.
    """
    make, formatter = logging.getLogRecordFactory(), logging.Formatter()

    def scrubbed_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        record.msg, record.args = cleaned(scrubbed(record.getMessage())), None
        if record.exc_info:
            record.exc_text = cleaned(scrubbed(formatter.formatException(record.exc_info)))
        return record

    logging.setLogRecordFactory(scrubbed_record)
    try:
        yield
    finally:
        logging.setLogRecordFactory(make)
