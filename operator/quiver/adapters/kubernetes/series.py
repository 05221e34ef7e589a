"""Which events are the same again, by the rules of client-go's broadcaster and aggregator."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from quiver.domain.kubernetes_types import Manifest
from quiver.ports.kubernetes import Event

WINDOW_S = 360.0
"""What comes later begins a new series."""
NOTES = 10
"""Of one thing that happens to one object; what is told beyond that counts as the last one again.
"""
SUBJECTS = 4096

Subject = tuple[str, str, str, str]


@dataclass
class Series:
    """One Event object, and how often what it tells has happened."""

    name: str
    count: int = 1


@dataclass
class _Told:
    by_note: dict[str, Series] = field(default_factory=dict)
    last_at: float = 0.0


class Repeats:
    """Remembers the latest events, a bounded number of them."""

    def __init__(self, now: Callable[[], float] | None = None) -> None:
        """`now` returns seconds that never run backwards; the running loop's time unless given."""
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._told: dict[Subject, _Told] = {}

    def __len__(self) -> int:
        return len(self._told)

    def again(self, regarding: Manifest, event: Event) -> Series | None:
        """Return the series that the event goes on with, counted; None for what is new."""
        told = self._told.get(_subject(regarding, event))
        if told is None or self._now() - told.last_at > WINDOW_S:
            return None
        series = told.by_note.get(event.note)
        if series is None and len(told.by_note) >= NOTES:
            series = next(reversed(told.by_note.values()))
        if series is not None:
            series.count += 1
            told.last_at = self._now()
        return series

    def begin(self, regarding: Manifest, event: Event, name: str) -> None:
        """Take note of an event that was published as the Event object `name`."""
        subject, now = _subject(regarding, event), self._now()
        told = self._told.pop(subject, _Told())
        if now - told.last_at > WINDOW_S:
            told.by_note.clear()
        told.by_note[event.note] = Series(name)
        told.last_at = now
        self._told[subject] = told
        if len(self._told) > SUBJECTS:
            del self._told[next(iter(self._told))]


def _subject(regarding: Manifest, event: Event) -> Subject:
    return regarding["metadata"]["uid"], event.type, event.reason, event.action
