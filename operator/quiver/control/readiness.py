"""Whether the operator is at work, and if not, why."""

import logging
import time

log = logging.getLogger(__name__)

REMINDER_S = 10.0


class Readiness:
    """Holds one line that says what is missing; None when nothing is."""

    def __init__(self) -> None:
        self.problem: str | None = "the cluster's objects have not been listed yet"
        self._told_at = float("-inf")

    def blocked(self, problem: str) -> None:
        """Say what is missing, in the log too: at once when it is new, then every ten seconds."""
        now = time.monotonic()
        if problem != self.problem or now - self._told_at >= REMINDER_S:
            log.warning("not ready: %s", problem)
            self._told_at = now
        self.problem = problem

    def achieved(self) -> None:
        if self.problem is not None:
            log.info("ready")
        self.problem = None
