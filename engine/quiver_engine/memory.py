"""What is on disk and held in memory for its users: loaded on demand, shared, let go of."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Resident(Generic[T]):
    """Something that the first user loads and the later ones share.

    Once it is discarded it goes with its last user, and a late one loads a copy of its own.
    """

    def __init__(self, load: Callable[[], T]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._value: T | None = None
        self._discarded = False

    @contextmanager
    def use(self) -> Iterator[T]:
        with self._lock:
            value = self._value
            if value is None:
                value = self._value = self._load()
        if self._discarded:
            self._value = None
        yield value

    def let_go(self) -> None:
        """Forget it until its next user; those that use it keep theirs."""
        self._value = None

    def discard(self) -> None:
        # Without the lock: whoever loads it now must not be waited for.
        self._discarded = True
        self._value = None
