"""Whether the cluster that a run waits for is still the one that knows of its work, and can do it."""

from __future__ import annotations

import threading
import time

from quantflow.errors import InfrastructureError
from quantflow.execution.ray import probe
from quantflow.execution.ray_internals import Head, head_at

LOOK_SECONDS, ASK_SECONDS = 1.0, 5.0
GONE_SECONDS = 8.0
"""How long nothing listens before the head counts as gone; Ray itself ends this process after a minute, in silence."""
SILENT_SECONDS = 60.0
"""How long a head that listens may answer nothing: one that is busy does answer."""
IDLE_SECONDS = 600.0
"""How long a cluster may be without CPUs: a node is restarted, or made by an autoscaler, in less."""


class HeadWatch:
    """Notices that what a run waits for will not come: the head is gone, is another, or hangs, or nodes are missing.

    A head that was started again knows nothing of the work that it was given before, unless it keeps its state in a
    store of its own: what has not begun never begins, and Ray does not report it. Nor does it report that the node is
    gone by which this process submits work. Nor may this process ask by ``ray.nodes()``, with which Ray would abort
    it when the head is another. So the head is asked by a connection of its own.
    """

    def __init__(self) -> None:
        import ray

        context = ray.get_runtime_context()
        self._address, self._session = str(context.gcs_address), context.get_session_name()
        self._node = context.get_node_id()
        self._listened = self._answered = self._worked = self._looked = self._asked = time.monotonic()
        self._found: Head | None = None
        self._asking: threading.Thread | None = None

    def check(self) -> None:
        """Look, at most once a second, whether the work can still be done.

        Raises:
            InfrastructureError: If the head has not listened for ``GONE_SECONDS``, is another, or has not answered for
                ``SILENT_SECONDS``; if this process's node is gone; or if no node had CPUs for ``IDLE_SECONDS``.
        """
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._look(now)
        if self._found and self._found.session != self._session:
            raise self._lost("was started again, and knows nothing of this run's work")
        if self._found and self._node not in self._found.nodes:
            raise _over(f"The node by which this command uses the Ray cluster at {self._address} is gone.")
        if now - self._worked > IDLE_SECONDS:
            raise _over(
                f"The Ray cluster at {self._address} has had no node with CPUs for {IDLE_SECONDS / 60:.0f} min."
            )

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
        found = head_at(self._address)
        if found is None:
            return
        self._answered, self._found = time.monotonic(), found
        if any(found.nodes.values()):
            self._worked = self._answered

    def _lost(self, what: str) -> InfrastructureError:
        return _over(f"The head of the Ray cluster, {self._address}, {what}.")


def _over(message: str) -> InfrastructureError:
    hint = "Bring the cluster up and resume the run, or resume it with --set execution.runner=local."
    return InfrastructureError(message, hint=hint)
