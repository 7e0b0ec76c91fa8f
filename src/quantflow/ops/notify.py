"""Who hears of what happened to a profile, by whatever Apprise can reach: chat, mail, a web hook."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quantflow.config.credentials import revealed, scrubbed
from quantflow.config.operation import Event
from quantflow.config.profile import MetaProfile, Profile
from quantflow.config.source import changes_weights
from quantflow.errors import ConfigError, DegradedError, Interrupted, LockedError, said
from quantflow.ops.sessions import Mark, band_of, quality
from quantflow.runs.book import Book, current
from quantflow.runs.find import find_run
from quantflow.runs.header import Kind

PATIENCE_SECONDS = 15.0
"""All notifications of one event together take no longer; what is not sent by then is given up."""
MOST_CHARACTERS = 1500


@dataclass(frozen=True)
class Notice:
    """Something that happened to a profile.

    Attributes:
        event: What kind of thing, as ``notify.on`` has it.
        text: What, in a few lines.
    """

    event: Event
    text: str


@contextmanager
def notifying(profile: Profile | MetaProfile, workspace: Path) -> Iterator[None]:
    """Send what the profile's ``notify`` asks for of what happens in the block, in which the profile is run.

    Nothing is sent of a run with settings that are not the profile's, of one that a person ends with Ctrl-C, or of one
    that never began because another has the lock. A notification that cannot be sent is a warning, nothing more.
    """
    if not profile.notify.to or changes_weights(profile.sources):
        yield
        return
    before = current(workspace, profile.name)
    try:
        yield
    except (Interrupted, Exception) as error:
        _tell(profile, [notice for notice in [_of_error(error)] if notice])
        raise
    _tell(profile, list(notices(profile, workspace, before)))


def _of_error(error: BaseException) -> Notice | None:
    if isinstance(error, LockedError) or (isinstance(error, Interrupted) and error.exit_code == 128 + signal.SIGINT):
        return None
    hint = getattr(error, "hint", None)
    return Notice("stale" if isinstance(error, DegradedError) else "failed", f"{said(error)}\n{hint or ''}".strip())


def notices(profile: Profile | MetaProfile, workspace: Path, before: Book | None) -> Iterator[Notice]:
    """Yield what became of a profile's book by a run that has ended well.

    Args:
        profile: The profile.
        workspace: Where.
        before: Its book before the run.
    """
    book = current(workspace, profile.name)
    if book is None or (before is not None and before.run_id == book.run_id):
        return
    run = find_run(workspace, book.run_id)
    if before is None or before.decided != book.decided:
        yield Notice("published", f"Book of {book.as_of}: {len(book.weights)} names, next decision {book.next}.")
    if run.header.stale:
        yield Notice("stale", f"{run.header.stale} (run {run.id}).")
    calendar = str(run.header.settings["calendar"]["name"])
    if run.header.decision.kind is Kind.LATE or quality(run.as_of, [run], calendar) is Mark.LATE:
        yield Notice(
            "late", f"Run {run.id} for {book.as_of} came after the next session had closed, or was due before."
        )
    band = band_of(workspace, profile.name, book)
    if band is not None and band.outside:
        promised = f"the promised {band.low:+.2%} to {band.high:+.2%}"
        yield Notice("out_of_band", f"The track: {band.growth:+.2%} in {band.sessions} sessions, outside {promised}.")


def _tell(profile: Profile | MetaProfile, found: Sequence[Notice]) -> None:
    for notice in found:
        if notice.event in profile.notify.on:
            title = f"quantflow {profile.name}: {notice.event.replace('_', ' ')}"
            send(profile.notify.to, title, notice.text, bad=notice.event != "published")


def send(addresses: Sequence[str], title: str, text: str, *, bad: bool) -> None:
    """Send a message to each address; say on stderr which ones could not be reached.

    Args:
        addresses: As ``notify.to`` has them.
        title: One line.
        text: The message; what is too long is cut, and credentials are left out.
        bad: Whether it is bad news.
    """
    body = scrubbed(text)[:MOST_CHARACTERS]
    open_ = dict.fromkeys(addresses, f"no answer in {PATIENCE_SECONDS:.0f} s")
    lock = threading.Lock()

    def deliver(address: str) -> None:
        trouble = _delivered(address, title, body, bad)
        with lock:
            if trouble is None:
                open_.pop(address, None)
            else:
                open_[address] = trouble

    threads = [threading.Thread(target=deliver, args=(address,), daemon=True) for address in open_]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    with lock:
        failed = dict(open_)
    for address, trouble in failed.items():
        sys.stderr.write(f"warning: {address.partition('://')[0]} was not notified of {title!r}: {trouble}\n")


def _delivered(address: str, title: str, body: str, bad: bool) -> str | None:
    """Send to one address; return why that failed, None if it did not."""
    from apprise import Apprise, NotifyType

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its lines may hold the address
    try:
        there = Apprise()
        if not there.add(revealed(address)):
            return "Apprise does not understand the address"
        kind = NotifyType.WARNING if bad else NotifyType.INFO
        return None if there.notify(body=body, title=title, notify_type=kind) else "it was refused, or not reached"
    except ConfigError as error:
        return error.message
    except Exception as error:  # noqa: BLE001  # whatever a service does: the run must not fail for it
        return scrubbed(f"{type(error).__name__}: {said(error)}")
