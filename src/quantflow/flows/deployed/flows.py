"""``select`` and ``meta`` as flows for deployments of a team's own Prefect: typed parameters, one run per flow run."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import State, flow, get_run_logger
from prefect.exceptions import TerminationSignal
from prefect.runtime import deployment, flow_run
from prefect.states import Cancelled, Failed

from quantflow.config.load import find_workspace, load_meta, load_profile
from quantflow.errors import Interrupted, QuantflowError
from quantflow.flows.deployed.asked import Asked, owned_run
from quantflow.flows.deployed.ended import Ending, said_of
from quantflow.flows.entry import META, SELECTION
from quantflow.flows.watch import asking
from quantflow.runs import stopping
from quantflow.runs.header import RunOptions
from quantflow.server.prefect_internals import api_errors


def _name() -> str:
    given = flow_run.parameters
    return f"{given.get('profile') or given.get('meta_profile')} {flow_run.scheduled_start_time:%Y-%m-%d %H:%M:%S}"


@flow(name="quantflow-select", flow_run_name=_name, persist_result=False)
def select(  # noqa: PLR0913  # a form has as many fields as parameters
    profile: str,
    workspace: Path | None = None,
    as_of: date | None = None,
    overrides: list[str] = [],  # noqa: B006  # Prefect shows it; nobody changes it
    run_id: str | None = None,
    rebalance: bool = False,
    force: bool = False,
    strict: bool = False,
) -> State[Any]:
    """Run a profile, from prices to weights, as the command quantflow select does.

    A flow run that is retried, or started again after a crash, continues the run that it began.

    Args:
        profile: The profile's name, such as demo, or one of the workspace's quantflow.toml.
        workspace: The folder of quantflow.toml, as the worker sees it. Empty: the worker's working directory, or the
            nearest folder above it that has the file.
        as_of: The last session to use. Empty: the last completed one.
        overrides: Settings of this run alone, each as section.key=value, such as policy.top_n=3. Its book is not
            published.
        run_id: A run of this profile to continue, or the id of a new one. Empty: an id with session and profile.
        rebalance: Decide a portfolio also where none is due.
        force: Run also when a complete run of the same settings, session, code and data exists.
        strict: Fail when the result is degraded, such as from old prices.

    Returns:
        Completed, or AlreadyDone where there was nothing to do, or Failed with the exit code of the command line.
    """
    asked = Asked(SELECTION, profile, as_of, overrides, run_id, RunOptions(rebalance, force), strict)
    return _state(asked, workspace)


@flow(name="quantflow-meta", flow_run_name=_name, persist_result=False)
def meta(  # noqa: PLR0913  # as above
    meta_profile: str,
    workspace: Path | None = None,
    as_of: date | None = None,
    overrides: list[str] = [],  # noqa: B006
    run_id: str | None = None,
    rebalance: bool = False,
    force: bool = False,
    strict: bool = False,
) -> State[Any]:
    """Run a meta profile: its sleeves in parallel, then one portfolio of them, as the command quantflow meta does.

    A flow run that is retried, or started again after a crash, continues the run that it began; complete sleeves are
    kept.

    Args:
        meta_profile: The meta profile's name, such as demo_meta, or one of the workspace's quantflow.toml.
        workspace: The folder of quantflow.toml, as the worker sees it. Empty: the worker's working directory, or the
            nearest folder above it that has the file.
        as_of: The last session to use. Empty: the last one that all sleeves have completed.
        overrides: Settings of this run alone, each as meta.key=value, or section.key=value for all sleeves. Its book
            is not published.
        run_id: A run of this meta profile to continue, or the id of a new one. Empty: an id with session and profile.
        rebalance: Decide a portfolio also where none is due.
        force: Run also when a complete run of the same settings, session, code and data exists.
        strict: Fail when the result is degraded, such as from old prices.

    Returns:
        Completed, or AlreadyDone where there was nothing to do, or Failed with the exit code of the command line.
    """
    asked = Asked(META, meta_profile, as_of, overrides, run_id, RunOptions(rebalance, force), strict)
    return _state(asked, workspace)


def _state(asked: Asked, workspace: Path | None) -> State[Any]:
    """Run what a flow run asks for, in this process; return the state in which the flow run ends."""
    if deployment.id:  # this process is the worker's, for this flow run alone
        stopping.install()
    say = get_run_logger().info
    try:
        home = find_workspace(Path.cwd(), workspace)
        load = load_meta if asked.kind == META else load_profile
        loaded = load(asked.profile, workspace=home, overrides=asked.overrides)
        own = str(flow_run.id)
        ending = Ending(lambda: owned_run(asked, loaded, home, own), say, _stopped, asked.strict)
        state = ending.state(loaded, home)
    except Interrupted as error:
        state = _stopped(error, f"interrupted before its run began, exit code {error.exit_code}")
    except QuantflowError as error:
        state = Failed(message=said_of(error))
    say(f"{asked.profile}: {state.message}")
    return state


def _stopped(error: Interrupted, message: str) -> State[Any]:
    """Return the state of a flow run that was cancelled; any other end by a signal is Prefect's to name.

    It knows whether its infrastructure has ended the process to start the flow run again elsewhere.
    """
    get_run_logger().warning(message)
    with suppress(*api_errors(), RuntimeError, OSError), asking() as client:
        now = client.read_flow_run(UUID(str(flow_run.id))).state
        if now is not None and now.is_cancelling():
            return Cancelled(message=message)
    raise TerminationSignal(error.exit_code - 128) from error
