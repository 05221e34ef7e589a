"""Whether the operator is at work, and if not, why."""

import logging
import time

log = logging.getLogger(__name__)

REMINDER_S = 10.0


class Readiness:
    """Holds one line that says what is missing; None when nothing is. `state` then says what this
    process does.
    """

    def __init__(self) -> None:
        self.problem: str | None = "the cluster's objects have not been listed yet"
        self.state = "ok"
        self._told_at = float("-inf")

    def blocked(self, problem: str) -> None:
        """Say what is missing, in the log too: at once when it is new, then every ten seconds."""
        now = time.monotonic()
        if problem != self.problem or now - self._told_at >= REMINDER_S:
            log.warning("not ready: %s", problem)
            self._told_at = now
        self.problem = problem

    def standing_by(self, leader: str) -> None:
        """Say that another process is at work, and that this one is ready to follow it."""
        state = f"standby: {leader} leads"
        if state != self.state or self.problem is not None:
            log.info(state)
        self.problem, self.state = None, state

    def achieved(self) -> None:
        if self.problem is not None or self.state != "ok":
            log.info("ready")
        self.problem, self.state = None, "ok"
