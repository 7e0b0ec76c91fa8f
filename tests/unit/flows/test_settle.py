"""What the API is told of tasks whose workers are gone."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from pytest_mock import MockerFixture

from quantflow.errors import InfrastructureError
from quantflow.flows import watch as ours
from quantflow.flows.states import TaskState


class Api:
    """Stands for the API: each answer once, the last one for ever."""

    def __init__(self, mocker: MockerFixture, *answers: list[TaskState]) -> None:
        self.answers, self.told = list(answers), dict[UUID, str]()
        mocker.patch("quantflow.flows.watch.asking", return_value=nullcontext(self))
        mocker.patch("quantflow.flows.watch.fetch", side_effect=self.answer)

    def answer(self, *_: Any) -> list[TaskState]:
        """Answer a question."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def set_task_run_state(self, task: UUID, state: Any, *, force: bool) -> None:
        """Note what is told."""
        assert force
        self.told[task] = state.name


def task(name: str, kind: str) -> TaskState:
    return TaskState(str(uuid4()), name, kind.title(), kind, datetime(2026, 1, 1, tzinfo=UTC))


def test_what_arrives_late_is_waited_for(mocker: MockerFixture) -> None:
    """The API is told nothing that it will hear from the worker."""
    api = Api(mocker, [task("sleeve a", "RUNNING")], [task("sleeve a", "RUNNING")], [task("sleeve a", "COMPLETED")])
    ours.settle("t", {"sleeve a"})
    assert api.told == {}
    assert len(api.answers) == 1


def test_what_never_arrives_is_told_for_the_worker(mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task whose worker was killed would be running for ever; tasks of other names are not touched."""
    monkeypatch.setattr(ours, "SETTLE_SECONDS", 0.0)
    lost, other = task("sleeve a", "RUNNING"), task("features", "RUNNING")
    api = Api(mocker, [lost, other, task("sleeve b", "COMPLETED")])
    ours.settle("t", {"sleeve a", "sleeve b"})
    assert api.told == {UUID(lost.id): "Crashed"}


def test_an_api_that_is_gone_is_not_waited_for(mocker: MockerFixture) -> None:
    """What it knows does not matter any more."""
    Api(mocker, [])
    mocker.patch("quantflow.flows.watch.fetch", side_effect=InfrastructureError("no answer"))
    ours.settle("t", {"sleeve a"})
