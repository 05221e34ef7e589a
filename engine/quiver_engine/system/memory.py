"""What is on disk and held in memory for its users: loaded on demand, shared, let go of.

With a budget, what was used least recently is let go first; what is in use stays. A user holds one
thing at a time, so whoever waits for room is waited for by nobody.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Generic, TypeVar

from quiver_engine.errors import CallerLeft, RequestError
from quiver_engine.model import MIB, CallerWaits
from quiver_proto import milvus_pb2 as pb

T = TypeVar("T")

LOOK_S = 0.2
WAIT_S = 60.0
"""Longest wait for room, in seconds."""


def _always() -> bool:
    return True


class Memory:
    """Counts what is held; `budget` is in bytes, None for as much as there is.

    `option` is what sets the budget.
    """

    def __init__(self, budget: int | None = None, option: str = "--memory") -> None:
        self.budget = budget
        self._option = option
        self._held: OrderedDict[Resident[Any], None] = OrderedDict()
        self._bytes = 0
        self._changed = threading.Condition()

    @property
    def held_bytes(self) -> int:
        return self._bytes

    def check(self, name: str, size: int) -> None:
        """Raise RequestError 24 for what would not fit if it were alone; `size` is in bytes."""
        if self.budget is not None and size > self.budget:
            raise RequestError(
                pb.OUT_OF_MEMORY,
                f"{name} takes {size / MIB:.1f} MiB, and the engine may use"
                f" {self.budget / MIB:.1f} MiB in all: start it with a larger {self._option},"
                " or make the collection anew with a smaller index_file_size",
            )

    @contextmanager
    def holding(
        self, resident: "Resident[Any]", caller_waits: CallerWaits = _always
    ) -> Iterator[None]:
        """Make room for it, and keep it until the end.

        Raises CallerLeft when nobody waits for it any more, RequestError 24 when no room is found.
        """
        self.check(resident.name, resident.bytes)
        with self._changed:
            self._wait_for_room(resident, caller_waits)
            resident.users += 1
        try:
            yield
        finally:
            self._leave(resident)

    @contextmanager
    def holding_if_loaded(self, resident: "Resident[Any]") -> Iterator[bool]:
        """Keep it until the end if it is there, without a wait; tell whether it is."""
        with self._changed:
            is_there = resident in self._held and resident.is_loaded
            resident.users += is_there
            if is_there:
                self._held.move_to_end(resident)
        try:
            yield is_there
        finally:
            if is_there:
                self._leave(resident)

    def _leave(self, resident: "Resident[Any]") -> None:
        with self._changed:
            resident.users -= 1
            if not resident.users and not (resident.is_wanted and resident.is_loaded):
                self._drop(resident)
            self._changed.notify_all()

    def _wait_for_room(self, resident: "Resident[Any]", caller_waits: CallerWaits) -> None:
        until = time.monotonic() + WAIT_S
        while not self._admit(resident):
            if not caller_waits():
                raise CallerLeft
            if time.monotonic() > until:
                raise RequestError(
                    pb.OUT_OF_MEMORY,
                    f"{resident.name} found no room in memory for {WAIT_S:.0f} s, for other calls"
                    f" use all of it: try again, or start the engine with a larger {self._option}",
                )
            self._changed.wait(LOOK_S)

    def _admit(self, resident: "Resident[Any]") -> bool:
        if resident in self._held:
            self._held.move_to_end(resident)
            return True
        unused = [other for other in self._held if not other.users]
        while unused and not self._has_room(resident):
            self._drop(unused.pop(0))
        if not self._has_room(resident):
            return False
        self._held[resident] = None
        self._bytes += resident.bytes
        return True

    def _has_room(self, resident: "Resident[Any]") -> bool:
        return self.budget is None or self._bytes + resident.bytes <= self.budget

    def drop(self, resident: "Resident[Any]") -> None:
        """Let go of it, now or with its last user."""
        with self._changed:
            if not resident.users:
                self._drop(resident)
                self._changed.notify_all()

    def _drop(self, resident: "Resident[Any]") -> None:
        if resident in self._held:
            del self._held[resident]
            self._bytes -= resident.bytes
            resident.forget()


class Resident(Generic[T]):
    """Something that the first user loads and the later ones share."""

    def __init__(
        self,
        memory: Memory,
        name: str,
        size: int,
        load: Callable[[], T],
        on_let_go: Callable[[], object] = lambda: None,
    ) -> None:
        self.name = name
        self.bytes = size
        self.users = 0
        self.is_wanted = True
        self._memory = memory
        self._load = load
        self._on_let_go = on_let_go
        self._lock = threading.Lock()
        self._value: T | None = None
        self._copying = threading.Lock()
        self._copy: Resident[Any] | None = None

    @contextmanager
    def use(self, caller_waits: CallerWaits = _always) -> Iterator[T]:
        """Load it if need be.

        Raises RequestError 24 when it cannot fit, CallerLeft when nobody waits for it any more.
        """
        with self._memory.holding(self, caller_waits):
            with self._lock:
                value = self._value
                if value is None:
                    value = self._value = self._load()
            yield value

    def keep(self) -> AbstractContextManager[bool]:
        """Keep it if it is loaded, so that its use waits for nothing; give whether it is."""
        return self._memory.holding_if_loaded(self)

    @property
    def is_loaded(self) -> bool:
        return self._value is not None

    def check(self) -> None:
        """Raise RequestError 24 when it cannot fit."""
        self._memory.check(self.name, self.bytes)

    def copy(self, make: "Callable[[], Resident[Any]]") -> "Resident[Any]":
        """Return the same held in another memory; made once, and let go of with this."""
        with self._copying:
            if self._copy is None:
                self._copy = make()
                self._copy.is_wanted = self.is_wanted
            return self._copy

    def let_go(self) -> None:
        """Give its memory back, unless somebody uses it right now."""
        self._memory.drop(self)
        if self._copy is not None:
            self._copy.let_go()

    def discard(self) -> None:
        """Give its memory back for good, at the latest with its last user."""
        with self._copying:
            self.is_wanted = False
        self._memory.drop(self)
        if self._copy is not None:
            self._copy.discard()

    def forget(self) -> None:
        """Called by the memory, when there are no users."""
        self._value = None
        self._on_let_go()
