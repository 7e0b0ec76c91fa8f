"""The ``quantflow`` command."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stderr, suppress
from io import StringIO
from typing import Annotated

import typer

from quantflow.cli.descriptors import open_missing_streams
from quantflow.cli.desk.orders import orders
from quantflow.cli.desk.promote import promote
from quantflow.cli.desk.publish import publish
from quantflow.cli.ending import ending_at_once
from quantflow.cli.groups import Grouped
from quantflow.cli.ops import server
from quantflow.cli.ops.catchup import catchup
from quantflow.cli.ops.cron import cron
from quantflow.cli.ops.doctor import doctor
from quantflow.cli.ops.gc import gc
from quantflow.cli.ops.help import help_topic
from quantflow.cli.ops.init import init
from quantflow.cli.ops.morning import morning
from quantflow.cli.ops.serve import serve
from quantflow.cli.ops.status import status
from quantflow.cli.pipeline import profiles, stages
from quantflow.cli.review import check
from quantflow.cli.review.diff import diff
from quantflow.cli.review.inspect import inspect
from quantflow.cli.review.logs import logs
from quantflow.cli.review.open import open_report
from quantflow.cli.review.reproduce import reproduce
from quantflow.cli.review.trials import trials
from quantflow.cli.review.ui import ui
from quantflow.cli.review.why import why
from quantflow.cli.run.meta import meta
from quantflow.cli.run.resume import resume
from quantflow.cli.run.select import select
from quantflow.cli.run.sweep import sweep
from quantflow.execution.garbage import relax_gc
from quantflow.ui.streams import clean_streams

COMPLETING = "_QUANTFLOW_COMPLETE"
"""The variable by which a shell asks for what a word may become."""

app = typer.Typer(
    name="quantflow",
    cls=Grouped,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Turn daily prices into portfolio weights: one command, resumable after any failure.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    init,
    doctor,
    select,
    meta,
    sweep,
    resume,
    inspect,
    logs,
    ui,
    promote,
    publish,
    orders,
    cron,
    why,
    diff,
    reproduce,
    morning,
    status,
    catchup,
    serve,
    trials,
    gc,
):
    app.command(command.__name__)(command)
app.command("help")(help_topic)
app.command("checks", hidden=True)(check.data)  # as scripts call it
app.command("open")(open_report)
app.add_typer(profiles.app, name="profiles")
app.add_typer(stages.app, name="stages")
app.add_typer(server.app, name="server")
app.add_typer(check.app, name="check")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"quantflow {version('quantflow')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Turn daily prices into portfolio weights: one command, resumable after any failure.

    Begin with: quantflow init, then quantflow select --profile demo, then quantflow open.

    Add --debug to any command for the traceback of an error, --no-color for text without colors.
    QUANTFLOW_LOG=json makes standard error JSON lines.
    """


def main() -> None:
    """Run the command line; the process ends with one of the documented exit codes."""
    open_missing_streams()
    clean_streams()
    if COMPLETING in os.environ:
        with redirect_stderr(StringIO()), suppress(Exception):  # nothing may get between the user and the prompt
            app(prog_name="quantflow")
        return
    from quantflow.cli.boundary import guarded

    everywhere = {"--debug", "--no-color"}
    arguments = [argument for argument in sys.argv[1:] if argument not in everywhere]
    if "--no-color" in sys.argv:
        os.environ["NO_COLOR"] = "1"
    relax_gc()
    with ending_at_once(), guarded(debug="--debug" in sys.argv):
        app(args=arguments, prog_name="quantflow")
