"""Whether the cluster that a run waits for is still the one that knows of its work."""

from __future__ import annotations

import threading
import time

from quantflow.errors import InfrastructureError
from quantflow.execution.ray import probe
from quantflow.execution.ray_internals import session_at

LOOK_SECONDS, ASK_SECONDS = 1.0, 5.0
GONE_SECONDS = 8.0
"""How long nothing listens before the head counts as gone; Ray itself ends this process after a minute, in silence."""
SILENT_SECONDS = 60.0
"""How long a head that listens may answer nothing: one that is busy does answer."""
HINT = "Bring the cluster up and resume the run, or resume it with --set execution.runner=local."


class HeadWatch:
    """Notices that the head of the cluster is gone, has been started again, or hangs.

    A head that was started again knows nothing of the work that it was given before, unless it keeps its state in a
    store of its own: what has not begun never begins, and Ray does not report it. Nor may this process ask it by
    ``ray.nodes()``, with which Ray would abort it. So it is asked, by a connection of its own, for its session.
    """

    def __init__(self) -> None:
        import ray

        context = ray.get_runtime_context()
        self._address, self._session = str(context.gcs_address), context.get_session_name()
        self._listened = self._answered = self._looked = self._asked = time.monotonic()
        self._found = self._session
        self._asking: threading.Thread | None = None

    def check(self) -> None:
        """Look, at most once a second, whether the head is there and the same.

        Raises:
            InfrastructureError: If it has not listened for ``GONE_SECONDS``, has another session, or has not answered
                for ``SILENT_SECONDS``.
        """
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._look(now)
        if self._found != self._session:
            raise self._lost("was started again, and knows nothing of this run's work")

    def _look(self, now: float) -> None:
        try:
            probe(self._address)
        except InfrastructureError as error:
            if now - self._listened > GONE_SECONDS:
                raise self._lost("is gone") from error
            return
        self._listened = now
        if now - self._answered > SILENT_SECONDS:
            raise self._lost(f"has answered nothing for {SILENT_SECONDS:.0f} s")
        if now - self._asked >= ASK_SECONDS and not (self._asking and self._asking.is_alive()):
            self._asked = now
            self._asking = threading.Thread(target=self._ask, daemon=True)  # it may hang
            self._asking.start()

    def _ask(self) -> None:
        found = session_at(self._address)
        if found is not None:
            self._answered, self._found = time.monotonic(), found

    def _lost(self, what: str) -> InfrastructureError:
        return InfrastructureError(f"The head of the Ray cluster, {self._address}, {what}.", hint=HINT)
