"""The flow behind each schedule: one run of a profile, with the rules of ``select`` and ``meta``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from prefect import State, flow
from prefect.runtime import flow_run
from prefect.states import Cancelled, Failed

from quantflow.config import catalogue
from quantflow.config.printable import CleanStream
from quantflow.data.store import private_folder
from quantflow.errors import ConfigError, Interrupted, LockedError, QuantflowError, said
from quantflow.flows.deployed.ended import Ending, said_of
from quantflow.runs import stopping
from quantflow.runs.as_of import resolve_as_of
from quantflow.runs.begin import begun_unless_done
from quantflow.runs.lock import owned, owner


class _StillGoing(Exception):  # noqa: N818  # nothing is wrong: the former run is not over
    """The former run of the same profile goes on."""


def _name() -> str:
    return f"{flow_run.parameters['profile']} {flow_run.scheduled_start_time:%Y-%m-%d %H:%M:%S}"


@flow(name="Scheduled Run", flow_run_name=_name, validate_parameters=False, persist_result=False)
def scheduled_run(profile: str, workspace: str) -> State[Any]:
    """Run a profile or meta profile up to its last completed session, unless that is done, or its former run goes on.

    Args:
        profile: Its name.
        workspace: The folder of ``quantflow.toml``.

    Returns:
        ``Completed`` naming the run; ``AlreadyDone`` (also completed) when there was nothing to do; ``Skipped`` (a
        cancelled state) when the former run goes on; ``Interrupted`` (one too) after a signal; ``Failed`` with the
        exit code that the command line would have had, and the command that continues the run.
    """
    stopping.install()
    sys.stderr = CleanStream(sys.stderr)
    try:
        _refuse_unserved(Path(workspace))
        with _alone(Path(workspace), profile):
            state = _run(Path(workspace), profile)
    except _StillGoing as found:
        state = Cancelled(name="Skipped", message=f"skipped: {found}")
    except Interrupted as error:
        state = Cancelled(name="Interrupted", message=f"interrupted before its run began, exit code {error.exit_code}")
    except QuantflowError as error:
        state = Failed(message=said_of(error))
    except Exception as error:  # shown where people look, then left to Prefect
        sys.stderr.write(f"{profile}: {type(error).__name__}: {said(error)}\n")
        raise
    sys.stderr.write(f"{profile}: {state.message}\n")
    return state


def _refuse_unserved(home: Path) -> None:
    """Refuse a workspace that the process above does not serve: any user of its API server may name any.

    Raises:
        ConfigError: If it does not.
    """
    if (owner(home / ".quantflow" / "serve") or {}).get("pid") != os.getppid():
        raise ConfigError(f"{home} is not served by the process that has started this run.")


def _run(home: Path, name: str) -> State[Any]:
    """Run the profile, or find it done; publish its book. The states of a run that failed say how to go on."""
    loaded = catalogue.load(catalogue.find(name, home), home)
    ending = Ending(
        begin=lambda: begun_unless_done(loaded, home, resolve_as_of(loaded, None)),
        say=lambda line: sys.stderr.write(f"{line}\n"),
        interrupted=lambda _, message: Cancelled(name="Interrupted", message=message),
    )
    return ending.state(loaded, home)


@contextmanager
def _alone(home: Path, profile: str) -> Iterator[None]:
    """Own the profile's schedule until the block ends; the kernel frees it when its owner dies, however it dies."""
    folder = home / ".quantflow" / "schedules" / profile
    private_folder(folder)
    with ExitStack() as stack:
        try:
            stack.enter_context(owned(folder))
        except LockedError:
            pid = (owner(folder) or {"pid": "that has just ended"})["pid"]
            raise _StillGoing(f"the former run goes on in process {pid}") from None
        yield
