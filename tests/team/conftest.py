"""One server of a team for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from team_server import Team, started


@pytest.fixture(scope="session")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """A server with a credential, that schedules and knows automations."""
    with started(tmp_path_factory.mktemp("team")) as found:
        yield found
