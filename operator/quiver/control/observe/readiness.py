"""Whether the operator is ready, and if not, why."""

import logging
import time

log = logging.getLogger(__name__)

REMINDER_S = 10.0


class Readiness:
    """The state that `/readyz` reports.

    `problem` is one line that says why the operator is not ready; None if it is. `state` then says
    whether it works or stands by.
    """

    def __init__(self) -> None:
        self.problem: str | None = "the cluster's objects have not been listed yet"
        self.state = "ok"
        self._logged_at = float("-inf")

    def blocked(self, problem: str) -> None:
        """Set the problem, and log it: at once if it is new, then every ten seconds."""
        now = time.monotonic()
        if problem != self.problem or now - self._logged_at >= REMINDER_S:
            log.warning("not ready: %s", problem)
            self._logged_at = now
        self.problem = problem

    def standing_by(self, leader: str) -> None:
        """Report that another process leads, and that this one is ready to take over."""
        state = f"standby: {leader} leads"
        if state != self.state or self.problem is not None:
            log.info(state)
        self.problem, self.state = None, state

    def achieved(self) -> None:
        if self.problem is not None or self.state != "ok":
            log.info("ready")
        self.problem, self.state = None, "ok"
