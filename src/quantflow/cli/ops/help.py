"""``quantflow help``: what a command does, or a topic that many commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from quantflow.cli.topics import TOPICS
from quantflow.errors import unknown_name


def help_topic(
    ctx: typer.Context,
    topic: Annotated[str, typer.Argument(help="A command, or: exit-codes, states, variables.")] = "",
) -> None:
    """Explain a command or a topic; without either, list them."""
    commands = ctx.parent.command.commands if ctx.parent else {}  # type: ignore[attr-defined]  # it is a group
    if not topic:
        typer.echo(f"topics    {', '.join(TOPICS)}\ncommands  quantflow --help")
    elif topic in TOPICS:
        width = max(len(str(word)) for word in TOPICS[topic])
        for word, meaning in TOPICS[topic].items():
            typer.echo(f"{word!s:<{width}}  {meaning}")
    elif topic in commands:
        typer.echo(commands[topic].get_help(typer.Context(commands[topic], parent=ctx.parent, info_name=topic)))
    else:
        raise unknown_name("command or topic", topic, [*TOPICS, *commands])
