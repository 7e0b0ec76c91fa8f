"""How a morning looks: a block per profile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.markup import escape

from quantflow.ops.morning import Morning, Move
from quantflow.ui.progress.marks import STYLES
from quantflow.ui.sessions import track_of
from quantflow.ui.tables import out


def print_mornings(found: Sequence[Morning]) -> None:
    """Print a block per profile, those with something wrong last, where the eye is."""
    console = out()
    for each in sorted(found, key=lambda each: (bool(each.wrong), each.profile)):
        style = STYLES.get(each.state, "")
        state = f"[{style}]{each.state}[/]" if style else each.state
        age = "" if each.age is None else f", data {each.age} session{'s' * (each.age != 1)} old"
        console.print(f"[bold]{escape(each.profile)}[/]  {each.session} {state}{age}", soft_wrap=True)
        for name, text in lines_of(each):
            line = f"  {name:<8} {escape(text)}"
            console.print(f"[bold red]{line}[/]" if name == "wrong" else line, soft_wrap=True)
    wrong = sum(bool(each.wrong) for each in found)
    console.print(
        f"{len(found)} profile{'s' * (len(found) != 1)}: {f'{wrong} with something wrong' if wrong else 'all is well'}"
    )


def text_of(each: Morning) -> str:
    """Return a profile's morning as plain text."""
    head = f"{each.profile}: {each.session} {each.state}"
    return "\n".join([head, *(f"{name:<8} {text}" for name, text in lines_of(each))])


def lines_of(each: Morning) -> Iterator[tuple[str, str]]:
    """Yield what there is to say of a profile: what each line is about, and the line."""
    if each.decision == "hold":
        yield "hold", f"until {each.next}"
    elif each.decision:
        yield "decided", f"{each.decision}: {each.came} new, {each.went} gone; next decision {each.next or 'unknown'}"
    for move in each.moves:
        yield "", _move(move)
    if each.moved > len(each.moves):
        yield "", f"and {each.moved - len(each.moves)} more"
    if each.band is not None:
        yield "track", track_of(each.band)
    if each.orders is not None:
        when = f"in {each.orders.left} session{'s' * (each.orders.left != 1)}"
        yield "orders", f"turnover {each.orders.turnover:.2%}, to be traded at the close {when}: {each.orders.command}"
    for text in each.wrong:
        yield "wrong", text


def _move(move: Move) -> str:
    why = f"  {move.why}" if move.why else ""
    return f"{move.symbol:<8} {move.before:>7.2%} to {move.now:>7.2%}{why}"
