"""The ``quantflow`` command."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stderr, suppress
from io import StringIO
from typing import Annotated

import typer

from quantflow.cli.descriptors import open_missing_streams
from quantflow.cli.desk import orders, publish
from quantflow.cli.ops import cron as crontab
from quantflow.cli.ops import doctor, gc, init, serve, server
from quantflow.cli.ops import status as nights
from quantflow.cli.pipeline import profiles, stages
from quantflow.cli.review import check, checks, explain, inspect, reproduce
from quantflow.cli.run import meta, resume, select
from quantflow.execution.garbage import look_no_more, look_seldom
from quantflow.ui.streams import clean_streams

COMPLETING = "_QUANTFLOW_COMPLETE"
"""The variable by which a shell asks for what a word may become."""

app = typer.Typer(
    name="quantflow",
    help="From prices to portfolio weights in one command that survives anything.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("init")(init.init)
app.command("doctor")(doctor.doctor)
app.command("select")(select.select)
app.command("meta")(meta.meta)
app.command("resume")(resume.resume)
app.command("inspect")(inspect.inspect)
app.command("publish")(publish.publish)
app.command("orders")(orders.orders)
app.command("cron")(crontab.cron)
app.command("help")(crontab.help_topic)
app.command("why")(explain.why)
app.command("diff")(explain.diff)
app.command("reproduce")(reproduce.reproduce)
app.command("status")(nights.status)
app.command("catchup")(nights.catchup)
app.command("serve")(serve.serve)
app.command("checks")(checks.checks)
app.command("gc")(gc.gc)
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
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """From prices to portfolio weights in one command that survives anything.

    Add --debug to any command for the traceback of an error. QUANTFLOW_LOG=json makes standard error JSON lines.
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

    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    look_seldom()
    try:
        with guarded(debug=len(arguments) < len(sys.argv) - 1):
            app(args=arguments, prog_name="quantflow")
    finally:
        look_no_more()
