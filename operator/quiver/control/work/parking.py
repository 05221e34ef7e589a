"""Objects that can do nothing until an engine answers: they wait for that, not for a time."""

from collections.abc import Callable, Collection

from quiver.control.work.breakers import Breakers
from quiver.domain.access import Target
from quiver.domain.kubernetes_types import Key


class Parking:
    """Parked keys cost nothing; when their engine answers they all come back."""

    def __init__(
        self,
        breakers: Breakers,
        come_back: Callable[[Key], None],
        report_size: Callable[[int], object],
    ) -> None:
        self._breakers = breakers
        self._come_back = come_back
        self._report_size = report_size
        self._waiting: dict[Key, Target] = {}
        breakers.subscribe(self._recovered)

    def __contains__(self, key: object) -> bool:
        return key in self._waiting

    def park(self, key: Key, unanswered: Collection[Target]) -> bool:
        """Tell whether the key is parked: not if all targets answer by now."""
        target = next(filter(self._breakers.is_open, unanswered), None)
        if target is None:
            return False
        self._waiting[key] = target
        self._report_size(len(self._waiting))
        return True

    def _recovered(self, recovered: Target) -> None:
        back = [key for key, target in self._waiting.items() if target == recovered]
        for key in back:
            del self._waiting[key]
            self._come_back(key)
        self._report_size(len(self._waiting))
