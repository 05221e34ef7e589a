"""What is on disk and held in memory for its users: loaded on demand, shared, evicted.

Evicted means out of memory: the next use loads it again. Retired means that it is no longer part of
any collection: it leaves memory with its last user and never stays there again. With a budget, what
was used least recently is evicted first; what is in use stays. A user holds one thing at a time, so
nobody waits for a user that waits for room.
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


def _always() -> bool:
    return True


class Memory:
    """Counts the bytes that residents hold, and evicts where they would exceed the budget.

    `budget` is in bytes, None for no limit. `option` is the command-line option that sets it.
    `longest_wait` for room is in seconds.
    """

    def __init__(
        self, budget: int | None = None, option: str = "--memory", longest_wait: float = WAIT_S
    ) -> None:
        self.budget = budget
        self._option = option
        self._longest_wait = longest_wait
        self._held: OrderedDict[Resident[Any], None] = OrderedDict()
        self._bytes = 0
        self._changed = threading.Condition()

    @property
    def held_bytes(self) -> int:
        return self._bytes

    def resize(self, budget: int) -> None:
        """Change the budget, and evict where it is exceeded; what is in use stays until its end."""
        with self._changed:
            self.budget = budget
            for resident in [other for other in self._held if not other.users]:
                if self._bytes > budget:
                    self._evict(resident)
            self._changed.notify_all()

    def check(self, name: str, size: int) -> None:
        """Raise RequestError OUT_OF_MEMORY for what cannot fit even alone; `size` is in bytes."""
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
        """Make room for a resident, and keep the room until the end.

        Raises CallerLeft when the caller no longer waits, RequestError OUT_OF_MEMORY when no room
        is found.
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
        """Yield whether a resident is loaded; if it is, keep it until the end. Never waits."""
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
            if not resident.users and (resident.is_retired or not resident.is_loaded):
                self._evict(resident)
            self._changed.notify_all()

    def _wait_for_room(self, resident: "Resident[Any]", caller_waits: CallerWaits) -> None:
        until = time.monotonic() + self._longest_wait
        while not self._admit(resident):
            if not caller_waits():
                raise CallerLeft
            if time.monotonic() > until:
                raise RequestError(
                    pb.OUT_OF_MEMORY,
                    f"{resident.name} found no room in memory for {self._longest_wait:.0f} s, for"
                    " other calls use all of it: try again, or start the engine with a larger"
                    f" {self._option}",
                )
            self._changed.wait(LOOK_S)

    def _admit(self, resident: "Resident[Any]") -> bool:
        if resident in self._held:
            self._held.move_to_end(resident)
            return True
        unused = [other for other in self._held if not other.users]
        while unused and not self._has_room(resident):
            self._evict(unused.pop(0))
        if not self._has_room(resident):
            return False
        self._held[resident] = None
        self._bytes += resident.bytes
        return True

    def _has_room(self, resident: "Resident[Any]") -> bool:
        return self.budget is None or self._bytes + resident.bytes <= self.budget

    def evict(self, resident: "Resident[Any]") -> None:
        """Take it out of memory, unless it is in use."""
        with self._changed:
            if not resident.users:
                self._evict(resident)
                self._changed.notify_all()

    def _evict(self, resident: "Resident[Any]") -> None:
        if resident in self._held:
            del self._held[resident]
            self._bytes -= resident.bytes
            resident.unload()


class Resident(Generic[T]):
    """A value that its first user loads and later users share, for as long as memory holds it.

    `name` stands in messages, `size` is in bytes. `unload` runs when the value is evicted.
    """

    def __init__(
        self,
        memory: Memory,
        name: str,
        size: int,
        load: Callable[[], T],
        unload: Callable[[], object] = lambda: None,
    ) -> None:
        self.name = name
        self.bytes = size
        self.users = 0
        self.is_retired = False
        self._memory = memory
        self._load = load
        self._unload = unload
        self._lock = threading.Lock()
        self._value: T | None = None
        self._copying = threading.Lock()
        self._copy: Resident[Any] | None = None

    @contextmanager
    def use(self, caller_waits: CallerWaits = _always) -> Iterator[T]:
        """Load it unless it is loaded, and keep it until the end.

        Raises RequestError OUT_OF_MEMORY when it cannot fit, CallerLeft when the caller no longer
        waits.
        """
        with self._memory.holding(self, caller_waits):
            with self._lock:
                value = self._value
                if value is None:
                    value = self._value = self._load()
            yield value

    def keep(self) -> AbstractContextManager[bool]:
        """Yield whether it is loaded; if it is, its use until the end waits for nothing."""
        return self._memory.holding_if_loaded(self)

    @property
    def is_loaded(self) -> bool:
        return self._value is not None

    def check(self) -> None:
        """Raise RequestError OUT_OF_MEMORY when it cannot fit."""
        self._memory.check(self.name, self.bytes)

    def copy(self, make: "Callable[[], Resident[Any]]") -> "Resident[Any]":
        """Return its copy in another memory: made once, evicted and retired with this one."""
        with self._copying:
            if self._copy is None:
                self._copy = make()
                self._copy.is_retired = self.is_retired
            return self._copy

    def evict(self) -> None:
        """Take it out of memory, unless it is in use; the next use loads it again."""
        self._memory.evict(self)
        if self._copy is not None:
            self._copy.evict()

    def retire(self) -> None:
        """Take it out of memory for good: now, or with its last user."""
        with self._copying:
            self.is_retired = True
        self._memory.evict(self)
        if self._copy is not None:
            self._copy.retire()

    def unload(self) -> None:
        """Release the value. The memory calls this when it evicts, so there are no users."""
        self._value = None
        self._unload()
