"""How long a list of jobs still takes: their usual times, scaled by the pace so far."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

USUAL_CORES = 2
TRUST_S = 20.0
"""Usual seconds of work after which the pace seen counts as much as the one that was guessed."""
OVERDUE = 0.1
"""Share of its time so far that a job is given when it has outrun what was foreseen."""


class Forecast:
    """Knows which jobs are done, which one is under way since when, and what that says of the rest.

    `first_pace` is what the usual times are multiplied with as long as nothing was done.
    """

    def __init__(
        self,
        usual_s: Mapping[str, float],
        clock: Callable[[], float] = time.monotonic,
        first_pace: float = 1.0,
    ) -> None:
        self._left = dict(usual_s)
        self._clock = clock
        self._usual_done_s = TRUST_S
        self._done_s = TRUST_S * first_pace
        self._current: str | None = None
        self._since = 0.0

    @property
    def left(self) -> list[str]:
        """The jobs that are not done, that under way among them."""
        return list(self._left)

    def begin(self, job: str, at: float | None = None) -> None:
        """Note that a job is under way, since now or since `at` of the clock."""
        self._current, self._since = job, self._clock() if at is None else at

    def end(self, job: str, at: float | None = None) -> None:
        """Note that a job is done. One that was never begun says nothing of the pace."""
        usual_s = self._left.pop(job)
        if job == self._current:
            self._usual_done_s += usual_s
            self._done_s += (self._clock() if at is None else at) - self._since
            self._current = None

    def remaining_s(self, *jobs: str) -> float:
        """Seconds until these jobs are done, or all of them."""
        wanted = {job: self._left[job] for job in jobs or self._left if job in self._left}
        pace = self._done_s / self._usual_done_s
        if self._current not in wanted:
            return pace * sum(wanted.values())
        usual_s = wanted.pop(self._current)
        taken_s = self._clock() - self._since
        if taken_s > pace * usual_s:
            pace = (self._done_s + taken_s) / (self._usual_done_s + usual_s)
        rest_s = max(pace * usual_s - taken_s, OVERDUE * taken_s)
        return rest_s + pace * sum(wanted.values())


def pace_of_cores() -> float:
    """What compiling takes on this machine, if it takes 1 on two cores."""
    return USUAL_CORES / (os.cpu_count() or 1)


def told(seconds: float) -> str:
    """A time to come, no more exact than it is known: `about 40 s`, `about 3 min`."""
    if seconds < 90:
        return f"about {max(10 * round(seconds / 10), 10)} s"
    return f"about {round(seconds / 60)} min"
