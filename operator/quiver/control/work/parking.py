"""Parks objects that wait for an engine to answer, instead of retrying them after a delay."""

from collections.abc import Callable, Collection

from quiver.control.work.breakers import Breakers
from quiver.domain.access import Target
from quiver.domain.kubernetes_types import Key


class Parking:
    """Parked keys cost nothing. When their engine answers, all of them are enqueued again."""

    def __init__(
        self,
        breakers: Breakers,
        enqueue: Callable[[Key], None],
        report_size: Callable[[int], object],
    ) -> None:
        self._breakers = breakers
        self._enqueue = enqueue
        self._report_size = report_size
        self._waiting: dict[Key, Target] = {}
        breakers.subscribe(self._recovered)

    def __contains__(self, key: object) -> bool:
        return key in self._waiting

    def park(self, key: Key, unanswered: Collection[Target]) -> bool:
        """Park the key until a target answers; tell whether it is parked. It is not if no breaker
        of the targets is open any more.
        """
        target = next(filter(self._breakers.is_open, unanswered), None)
        if target is None:
            return False
        self._waiting[key] = target
        self._report_size(len(self._waiting))
        return True

    def _recovered(self, recovered: Target) -> None:
        released = [key for key, target in self._waiting.items() if target == recovered]
        for key in released:
            del self._waiting[key]
            self._enqueue(key)
        self._report_size(len(self._waiting))
