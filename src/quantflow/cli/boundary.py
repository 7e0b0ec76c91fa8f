"""The one place where errors and signals become words on stderr and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from quantflow.errors import InfrastructureError, Interrupted, QuantflowError, refused_by_machine
from quantflow.runs import stopping
from quantflow.ui.log import end_json_log, start_json_log


@contextmanager
def guarded(*, debug: bool) -> Iterator[None]:
    """Turn what leaves the block into an exit code and at most three lines on stderr."""
    stopping.install()
    try:
        start_json_log()
        yield
    except QuantflowError as error:
        _print(error, debug)
        if isinstance(error, InfrastructureError):
            _leave(error.exit_code)
        raise SystemExit(error.exit_code) from None
    except Interrupted as error:
        raise SystemExit(error.exit_code) from None
    except BrokenPipeError:
        raise SystemExit(0) from None
    except Exception as error:  # noqa: BLE001  # the last resort: one line instead of a traceback
        if (number := stopping.received()) is not None:  # a library made an error of the signal
            raise SystemExit(128 + number) from None
        if refused := refused_by_machine(error):
            _print(refused.with_traceback(error.__traceback__), debug)
            _leave(refused.exit_code)
        _print(error, debug)
        raise SystemExit(1) from None


def _leave(code: int) -> NoReturn:
    """End at once: Prefect's own threads would try for minutes to tell a dead server what they have."""
    end_json_log()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # it may be what cannot be written
            stream.flush()
    os._exit(code)


def _print(error: Exception, debug: bool) -> None:
    from quantflow.ui.errors import print_error

    print_error(error, debug=debug)
