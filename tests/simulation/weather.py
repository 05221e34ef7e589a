"""What goes wrong between a process and the servers, and for how long: seeded, and switched off in
the end.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from random import Random
from typing import Any, Generic, Literal, TypeVar

Answer = TypeVar("Answer")

Mishap = Literal["none", "lost", "unanswered", "refused"]
"""`lost`: it never arrives. `unanswered`: it takes effect, and the answer is lost. `refused`: the
server has no time for it, and says so.
"""

WORLD = Context()
"""Where servers live: no process's end stops what it sent."""


@dataclass(frozen=True)
class Fate:
    """Of one call: seconds there and back; what happens; whether a failure is noticed at once or
    only by the caller's deadline.
    """

    there: float
    back: float
    mishap: Mishap = "none"
    silent: bool = False


class Lost(Exception):
    """No answer comes. `silent`: the caller's deadline passed; else the connection broke."""

    def __init__(self, silent: bool) -> None:
        super().__init__("no answer" if silent else "the connection was reset")
        self.silent = silent


class Overloaded(Exception):
    """The server did nothing, and says so (429, 503)."""


class Weather:
    """`calm` ends all mishaps; latencies stay."""

    def __init__(self, rng: Random) -> None:
        self.calm = False
        self.over = False
        """Nobody's calls arrive or return any more: the simulation is being cleared up."""
        self._rng = rng
        self._mishaps = rng.choice((0.0, 0.01, 0.05, 0.15))
        self._slow = rng.choice((0.0, 0.02, 0.1))
        self._late = rng.choice((0.0, 0.1, 0.3))
        self._outage: tuple[float, float] = (0.0, 0.0)

    def outage(self, begin: float, end: float) -> None:
        """Let the API server be out of reach meanwhile (seconds)."""
        self._outage = (begin, end)

    def lag(self) -> float:
        """Return the seconds that a watch event takes."""
        longest = 12.0 if self.strikes(self._late) else 0.3
        return self._rng.uniform(0.001, longest)

    def fate(self, now: float, *, api: bool = False) -> Fate:
        there, back = self._delay(0.05, 2.0), self._delay(0.05, 1.0)
        if self.calm:
            return Fate(there, back)
        silent = self._rng.random() < 0.3
        if api and self._outage[0] <= now < self._outage[1]:
            return Fate(there, back, "lost", silent)
        if self._rng.random() >= self._mishaps:
            return Fate(there, back)
        mishap: Mishap = self._rng.choice(("lost", "unanswered", "unanswered", "refused"))
        return Fate(there, back, mishap, silent)

    def strikes(self, probability: float) -> bool:
        return not self.calm and self._rng.random() < probability

    def _delay(self, usual: float, longest: float) -> float:
        if self.strikes(self._slow):
            return self._rng.uniform(usual, longest)
        return self._rng.uniform(0.001, usual)


class _Call(Generic[Answer]):
    """A call on its way."""

    def __init__(self, effect: Callable[[], Answer], fate: Fate) -> None:
        self._effect = effect
        self._fate = fate
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Answer] = self._loop.create_future()

    def arrive(self) -> None:
        fate = self._fate
        if fate.mishap == "refused":
            self._return(self._fail, Overloaded("the server is overloaded"))
            return
        answered = self._take_effect() if fate.mishap != "lost" else None
        if fate.mishap == "none" and answered is not None:
            self._return(*answered)
        elif not fate.silent:
            self._return(self._fail, Lost(silent=False))

    def _take_effect(self) -> tuple[Callable[[Any], None], Any]:
        try:
            return self._succeed, self._effect()
        except Exception as error:  # noqa: BLE001 - the caller's business
            return self._fail, error

    def _return(self, settle: Callable[[Any], None], what: object) -> None:
        self._loop.call_later(self._fate.back, settle, what, context=WORLD)

    def _succeed(self, answer: Answer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def _fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


async def exchange(
    effect: Callable[[], Answer], fate: Fate, *, deadline: float, arrive_at: float = 0.0
) -> Answer:
    """Carry a call there, have it take effect, and carry the answer back.

    It takes effect even where the caller is gone by then. `deadline` is in seconds, `arrive_at` the
    time of the loop at which the server gets to it.
    Raises: whatever `effect` raises; Lost, Overloaded.
    """
    loop, call = asyncio.get_running_loop(), _Call(effect, fate)
    loop.call_at(max(loop.time() + fate.there, arrive_at), call.arrive, context=WORLD)
    try:
        async with asyncio.timeout(deadline):
            return await call.answer
    except TimeoutError:
        raise Lost(silent=True) from None
