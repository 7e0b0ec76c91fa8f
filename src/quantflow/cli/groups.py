"""The commands in the order in which people need them, each in a few words: what ``quantflow --help`` lists."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from typer.core import TyperGroup

GROUPS: Mapping[str, Mapping[str, str]] = {
    "Run": {
        "select": "run a profile, from prices to weights",
        "meta": "run a portfolio of profiles",
        "sweep": "try many variants of a profile",
        "resume": "continue a run that did not finish",
    },
    "Look": {
        "inspect": "list runs, or show one",
        "logs": "what a run, or one stage of it, logged",
        "ui": "one page over all runs, in the browser",
        "open": "open a run's report in the browser",
        "why": "why a name is held, or is not",
        "diff": "what changed from one run to the next",
        "orders": "what to trade to reach the book",
    },
    "Trust": {
        "check": "data of a run; a profile for look-ahead and impurity",
        "trials": "what a Sharpe ratio is worth after so many trials",
        "reproduce": "compute a run again and compare the bytes",
    },
    "Every night": {
        "morning": "all profiles on one screen: what to do, what is wrong",
        "status": "what ran per session, and what is missing",
        "catchup": "run what was missed",
        "cron": "lines for a crontab or systemd",
        "serve": "run profiles on their schedules",
        "publish": "make a run's weights the book",
        "promote": "make a run's settings a profile",
        "gc": "remove old runs",
    },
    "Set up": {
        "init": "begin, with sample prices or your own files",
        "doctor": "check this machine and workspace",
        "profiles": "list, show and check profiles",
        "stages": "list and show stages",
        "server": "keep the API server running between runs",
        "help": "explain a command, exit codes, states, variables",
    },
}
WIDTH = max(len(name) for name in chain.from_iterable(GROUPS.values()))


class Grouped(TyperGroup):
    """The command group of ``quantflow`` itself."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # click's own types, or those that typer brings
        """Write the commands by group; one that no group has would be missing, which a test forbids."""
        for title, commands in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(WIDTH), words) for name, words in commands.items()])
