"""Properties of credentials in settings."""

from __future__ import annotations

import os
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantflow.config.credentials import concealed, missing, revealed, scrubbed
from quantflow.errors import ConfigError

WORD = st.text(alphabet="abcXYZ019._~%+-", min_size=4, max_size=20)
NAME = st.sampled_from(["token", "api_key", "X-Amz-Signature", "password", "SECRET", "sessionid", "sig"])
PLAIN = st.sampled_from(["", "year=2020&", "symbols=A,B&"])


@st.composite
def addresses(draw: st.DrawFn) -> tuple[str, list[str]]:
    """An address and the credentials in it."""
    user = draw(st.none() | st.tuples(WORD, WORD))
    token = draw(st.none() | st.tuples(NAME, WORD))
    head = f"{user[0]}:{user[1]}@" if user else ""
    tail = f"?{draw(PLAIN)}{token[0]}={token[1]}" if token else ""
    text = f"{draw(st.sampled_from(['https', 's3', 'sftp']))}://{head}host.example/a/*.csv{tail}"
    return text, [part for part in ((user[1] if user else ""), (token[1] if token else "")) if part]


@given(addresses())
def test_concealed_and_revealed_again(drawn: tuple[str, list[str]]) -> None:
    """Any address comes back as it was, and holds no password and no token in between."""
    address, secrets = drawn
    with mock.patch.dict(os.environ):
        hidden = concealed({"data": {"paths": [address, 3]}})
        (text, number) = hidden["data"]["paths"]
        assert number == 3
        bare = text.replace("host.example/a/*.csv", "")
        assert not [secret for secret in secrets if secret in bare.replace("QUANTFLOW_SECRET_", "")]
        assert revealed(text) == address
        assert concealed(hidden) == hidden
        assert not missing(hidden)


@given(addresses(), st.text(max_size=20))
def test_known_credentials_are_scrubbed_from_any_text(drawn: tuple[str, list[str]], around: str) -> None:
    """Whatever a library says of an address, the words of its credentials are not in it."""
    address, secrets = drawn
    with mock.patch.dict(os.environ):
        concealed(address)
        said = scrubbed(f"{around}{address}{around}")
    assert not [secret for secret in secrets if secret in said and secret not in f"{around}host.example/a/*.csv"]


@given(st.text(max_size=40))
def test_text_without_address_is_left_alone(text: str) -> None:
    """What is not an address is not changed."""
    assert concealed(text.replace("://", "")) == text.replace("://", "")


def test_named_variable_is_filled_in_where_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """`${NAME}` stays in the settings, is read from the environment, and names itself when it is not there."""
    address = "https://${MY_KEY}@host.example/prices.csv"
    assert concealed(address) == address
    assert missing({"data": {"path": address}})
    with pytest.raises(ConfigError, match="MY_KEY"):
        revealed(address)
    monkeypatch.setenv("MY_KEY", "ann:open-sesame")
    assert revealed(address) == "https://ann:open-sesame@host.example/prices.csv"
    assert scrubbed("401 for ann:open-sesame and open-sesame") == "401 for *** and ***"
