"""Finds repeated events, by the rules of client-go's broadcaster and aggregator."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from quiver.domain.kubernetes_types import Manifest
from quiver.ports.kubernetes import Event

WINDOW_S = 360.0
"""A repetition after a longer time starts a new series."""
NOTES = 10
"""Different notes per subject. An event with a further note counts as the last one again."""
SUBJECTS = 4096

Subject = tuple[str, str, str, str]
"""The object's uid, and the type, reason and action of the event."""


@dataclass
class Series:
    """The name of one Event object, and how often its event has happened."""

    name: str
    count: int = 1


@dataclass
class _Published:
    by_note: dict[str, Series] = field(default_factory=dict)
    last_at: float = 0.0


class Repeats:
    """Remembers the published events of the last SUBJECTS subjects."""

    def __init__(self, now: Callable[[], float] | None = None) -> None:
        """`now` returns seconds that never run backwards; by default the running loop's time."""
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._published: dict[Subject, _Published] = {}

    def __len__(self) -> int:
        return len(self._published)

    def again(self, regarding: Manifest, event: Event) -> Series | None:
        """Count a repeated event, and return its series; None for a new event."""
        published = self._published.get(_subject(regarding, event))
        if published is None or self._now() - published.last_at > WINDOW_S:
            return None
        series = published.by_note.get(event.note)
        if series is None and len(published.by_note) >= NOTES:
            series = next(reversed(published.by_note.values()))
        if series is not None:
            series.count += 1
            published.last_at = self._now()
        return series

    def begin(self, regarding: Manifest, event: Event, name: str) -> None:
        """Remember an event that was published as the Event object `name`."""
        subject, now = _subject(regarding, event), self._now()
        published = self._published.pop(subject, _Published())
        if now - published.last_at > WINDOW_S:
            published.by_note.clear()
        published.by_note[event.note] = Series(name)
        published.last_at = now
        self._published[subject] = published
        if len(self._published) > SUBJECTS:
            del self._published[next(iter(self._published))]


def _subject(regarding: Manifest, event: Event) -> Subject:
    return regarding["metadata"]["uid"], event.type, event.reason, event.action
