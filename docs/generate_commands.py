"""Writes ``commands.md`` from the command line itself; ``python docs/generate.py`` calls it."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from typer.models import ArgumentInfo, OptionInfo

from quantflow import errors
from quantflow.cli.main import app, options
from quantflow.cli.topics import EXIT_CODES

PAGE = Path(__file__).with_name("commands.md")
ROOT = PAGE.parents[1]
KINDS: dict[Any, str] = {str: "TEXT", int: "NUMBER", float: "NUMBER", Path: "PATH"}
INTRODUCTION = """# Commands

<!-- Written by `python docs/generate.py` from the command line in `src/quantflow/cli`. A test fails when this page is
     not current. -->

Arguments in `[ ]` can be left out. A command prints data to standard output and the rest to standard error.
`--debug`, anywhere on the line, adds the traceback of an error, `--no-color` leaves colors out; `quantflow COMMAND
--help` says what this page says. Below each command is the first line of each page that shows it: all of these are
run by a test."""


def page() -> str:
    """Return the whole page, Markdown."""
    every = list(_commands(app, "quantflow"))
    parts = [INTRODUCTION, _contents(every)]
    parts += [_command(name, callback) for name, callback in every]
    own = _table(_rows(options)) + _COMPLETION
    parts += [f"## Options of quantflow itself\n\n{inspect.getdoc(options)}\n\n{own}", _exit_codes(), _errors()]
    return "\n\n".join(parts) + "\n"


_COMPLETION = """
| `--install-completion` | | | Teach the shell to complete commands, options and names |
| `--show-completion` | | | Print what that would put into the shell's files |"""


def _commands(group: typer.Typer, before: str) -> Iterator[tuple[str, Any]]:
    for command in (each for each in group.registered_commands if not each.hidden):
        yield f"{before} {command.name}", command.callback
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            yield from _commands(inner.typer_instance, f"{before} {inner.name}")


def _contents(every: list[tuple[str, Any]]) -> str:
    rows = [f"| [`{name}`](#{name.replace(' ', '-')}) | {_first_line(callback)} |" for name, callback in every]
    return "| command | what it does |\n|---|---|\n" + "\n".join(rows)


def _first_line(callback: Any) -> str:
    return (inspect.getdoc(callback) or "").split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def _command(name: str, callback: Any) -> str:
    parameters = list(_parameters(callback))
    words = [_word(parameter, info) for parameter, _, info in parameters if isinstance(info, ArgumentInfo)]
    words += [f"{_flags(info)[0]} {_value(hint, info)}" for p, hint, info in parameters if _is_needed(p, info)]
    said = inspect.getdoc(callback) or ""
    parts = [f"## {name}", said, f"```text\n{' '.join([name, *words, '[OPTIONS]'])}\n```", _table(_rows(callback))]
    if examples := _examples(name):
        parts.append(examples)
    return "\n\n".join(parts)


def _parameters(callback: Any) -> Iterator[tuple[inspect.Parameter, Any, OptionInfo | ArgumentInfo]]:
    hints = typing.get_type_hints(callback, include_extras=True)
    for name, parameter in inspect.signature(callback).parameters.items():
        if hints[name] is not typer.Context:
            kind, info = typing.get_args(hints[name])[:2]
            yield parameter, kind, info


def _rows(callback: Any) -> list[str]:
    return [
        f"| {_called(parameter, info)} | {_value(kind, info)} | {_default(parameter)} | {_said(info)} |"
        for parameter, kind, info in _parameters(callback)
    ]


def _table(rows: list[str]) -> str:
    return "| name | value | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows)


def _word(parameter: inspect.Parameter, info: ArgumentInfo) -> str:
    name = (info.metavar or parameter.name).upper()
    return name if parameter.default is parameter.empty else f"[{name}]"


def _is_needed(parameter: inspect.Parameter, info: OptionInfo | ArgumentInfo) -> bool:
    return isinstance(info, OptionInfo) and parameter.default is parameter.empty


def _flags(info: OptionInfo | ArgumentInfo) -> list[str]:
    """Return an option's names; in an annotation Typer keeps the first one as if it were the default."""
    return [str(name) for name in (info.default, *(info.param_decls or ())) if str(name).startswith("-")]


def _called(parameter: inspect.Parameter, info: OptionInfo | ArgumentInfo) -> str:
    if isinstance(info, ArgumentInfo):
        return f"`{_word(parameter, info)}`"
    return ", ".join(f"`{name}`" for name in _flags(info))


def _value(kind: Any, info: OptionInfo | ArgumentInfo) -> str:
    """Return what may stand there; empty for a switch."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is list:
        kind = next(inner for inner in typing.get_args(kind) if inner is not type(None))
        return _value(kind, info)
    if kind is bool:
        return ""
    if info.metavar:
        return f"`{info.metavar}`".replace("|", "\\|")
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(f"`{member.value}`" for member in kind)
    bounds = [f"{sign} {bound}" for sign, bound in ((">=", info.min), ("<=", info.max)) if bound is not None]
    return ", ".join([KINDS[kind], *bounds])


def _default(parameter: inspect.Parameter) -> str:
    value = parameter.default
    if value is parameter.empty:
        return "required"
    return "" if value is None or value is False else f"`{value}`"


def _said(info: OptionInfo | ArgumentInfo) -> str:
    return (info.help or "").rstrip(".").replace("|", "\\|")


def _examples(name: str) -> str:
    """Return the first line of each page that shows the command, under a link to the page."""
    out = []
    for page in [ROOT / "README.md", *sorted(PAGE.parent.glob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        if page != PAGE and (found := re.search(rf"^\$ (?:\S+=\S+ )?({name}(?: [^\n]*)?)$", text, re.MULTILINE)):
            link = f"../{page.name}" if page.parent == ROOT else page.name
            out.append(f"- `{found[1]}` ([{page.stem}]({link}))".replace("|", "\\|"))
    return "\n".join(out)


def _exit_codes() -> str:
    rows = "\n".join(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    about = "Of every command; [what each means for a run](exit-codes.md) in more words."
    return f"## Exit codes\n\n{about}\n\n| code | meaning |\n|---|---|\n{rows}"


def _errors() -> str:
    tree = [each for each in vars(errors).values() if inspect.isclass(each) and each.__module__ == errors.__name__]
    rows = "\n".join(
        f"| `{each.__name__}` | `{each.__base__.__name__}` | {_code(each)} | {_retried(each)} | {_first_line(each)} |"
        for each in tree
    )
    head = "| error | is a | exit code | tried again | when |\n|---|---|---|---|---|"
    about = (
        "What `quantflow.errors` raises, in a notebook too. Each has `message`, `hint`, `exit_code` and `retryable`."
    )
    return f"## Errors\n\n{about}\n\n{head}\n{rows}"


def _code(error: Any) -> str:
    return str(error.exit_code) if hasattr(error, "exit_code") else "128 + signal"


def _retried(error: Any) -> str:
    return "yes" if getattr(error, "retryable", False) else "no"
