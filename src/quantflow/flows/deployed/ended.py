"""How a run that Prefect starts ends there: in which state, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import State
from prefect.events import emit_event
from prefect.states import Completed, Failed

from quantflow.config.profile import MetaProfile, Profile
from quantflow.desk.publish import publish, stale_when_it_fails
from quantflow.errors import DegradedError, Interrupted, QuantflowError
from quantflow.flows.launch import execute
from quantflow.ops.notify import notifying
from quantflow.runs.book import current
from quantflow.runs.done import AlreadyDone
from quantflow.runs.run import Run
from quantflow.server.server import ApiServer, inherited_server

PUBLISHED, HELD_BACK = "quantflow.book.published", "quantflow.book.held-back"
"""The events that Prefect hears of, beside the states of flow runs."""


@dataclass(frozen=True)
class Ending:
    """A run that Prefect starts, in this process.

    Attributes:
        begin: Finds or creates the run, and owns it.
        say: Shows a line to people.
        interrupted: Returns the state after a signal, given it and a text about the run; it may raise instead.
        strict: Whether a degraded result is a failure.
    """

    begin: Callable[[], AbstractContextManager[Run | AlreadyDone]]
    say: Callable[[str], object]
    interrupted: Callable[[Interrupted, str], State[Any]]
    strict: bool = False

    def state(self, loaded: Profile | MetaProfile, home: Path) -> State[Any]:
        """Run it, publish its book, and return its state; that of a run that failed says how to go on.

        Args:
            loaded: The profile.
            home: The workspace.

        Raises:
            QuantflowError: What went wrong before the run began.
            DegradedError: If the run is complete, but its book is held back, or not as it was asked for.
        """
        server, run_id = inherited_server(home), ""
        try:
            with notifying(loaded, home), self.begin() as found:
                if isinstance(found, AlreadyDone):
                    published(found.run)
                    self._refuse_degraded(found.run, stale=True)
                    message = f"already done: {found.run.id} (as-of {found.run.as_of})"
                    return Completed(name="AlreadyDone", message=message)
                run_id = found.id
                self.say(f"{loaded.name}: {run_id} is running")
                return Completed(message=self._executed(found, server))
        except Interrupted as error:
            code = f"exit code {error.exit_code}"
            before = f"interrupted before its run began, {code}"
            return self.interrupted(error, f"{run_id} was interrupted, {code}; {_way_on(run_id)}" if run_id else before)
        except DegradedError:
            raise
        except QuantflowError as error:
            if not run_id:
                raise
            return Failed(message=f"{run_id} failed, {said_of(error)}\n{_way_on(run_id)}")

    def _executed(self, record: Run, server: ApiServer) -> str:
        """Execute the run and publish its book; return what became of it, in words."""
        with stale_when_it_fails(record):
            run = execute(record, server)
        published(run)
        self._refuse_degraded(run)
        return f"{record.id} is complete{', but degraded' if run.degraded else ''}"

    def _refuse_degraded(self, run: Run, *, stale: bool = False) -> None:
        """Refuse a degraded run where that is asked for; of one that was there before, only for its old prices."""
        if self.strict and run.degraded and (run.header.stale or not stale):
            why = f": {run.header.stale}" if run.header.stale else ""
            raise DegradedError(f"Run {run.id} is complete, but degraded{why}.", hint=f"quantflow inspect {run.id}")


def published(run: Run) -> None:
    """Publish a complete run's book; Prefect hears of a book that is new, and of one that a gate holds back.

    Raises:
        DegradedError: If a gate holds it back.
    """
    before = current(run.workspace, run.profile)
    try:
        publish(run)
    except DegradedError as error:
        _emit(HELD_BACK, run, reason=error.message)
        raise
    now = current(run.workspace, run.profile)
    if now is not None and now.run_id == run.id and (before is None or before.run_id != run.id):
        _emit(PUBLISHED, run)


def _emit(event: str, run: Run, **facts: str) -> None:
    """Send an event of a profile's book; its flow run, deployment and tags are added as related resources."""
    resource = {
        "prefect.resource.id": f"quantflow.book.{run.profile}",
        "prefect.resource.name": run.profile,
        "quantflow.workspace": str(run.workspace),
    }
    payload = {"run_id": run.id, "as_of": run.as_of.isoformat(), "degraded": run.degraded, **facts}
    emit_event(event, resource, payload=payload)


def said_of(error: QuantflowError) -> str:
    """Return an error's exit code, message and hint in one line."""
    return f"exit code {error.exit_code}: {error.message} {error.hint or ''}".rstrip()


def _way_on(run_id: str) -> str:
    return f"go on with: quantflow resume {run_id}"
