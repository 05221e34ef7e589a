"""The memory budget: what is loaded, what is evicted, what is refused."""

import threading

import pytest

from quiver_engine.errors import RequestError
from quiver_engine.model import MIB
from quiver_engine.system import allocator, headroom
from quiver_engine.system.memory import Memory, Resident
from quiver_proto import milvus_pb2 as pb


class Loads:
    """Residents that note when they are loaded and unloaded."""

    def __init__(self, budget: int | None) -> None:
        self.memory = Memory(budget)
        self.events: list[str] = []

    def resident(self, name: str, size: int) -> Resident[str]:
        def load() -> str:
            self.events.append(f"+{name}")
            return name

        return Resident(self.memory, name, size, load, lambda: self.events.append(f"-{name}"))


def use(*residents: Resident[str]) -> None:
    for resident in residents:
        with resident.use():
            pass


def test_the_least_recently_used_is_evicted_first() -> None:
    """Within the budget nothing is loaded twice; beyond it the one unused for longest goes."""
    loads = Loads(100)
    a, b, c = (loads.resident(name, 40) for name in "abc")
    use(a, b, a, b, a, c, a, b)
    assert loads.events == ["+a", "+b", "-b", "+c", "-c", "+b"]
    assert loads.memory.held_bytes == 80


def test_what_is_kept_is_used_without_a_wait() -> None:
    """Something loaded that is kept stays while others take the room."""
    loads = Loads(100)
    a, b, c = (loads.resident(name, 40) for name in "abc")
    use(a, b)
    with a.keep() as is_there, c.keep() as other_is_there:
        use(c)
        with a.use():
            pass
    assert is_there
    assert not other_is_there
    assert loads.events == ["+a", "+b", "-b", "+c"]


def test_without_a_budget_everything_stays() -> None:
    """Nothing is evicted unless somebody says so."""
    loads = Loads(None)
    a, b = loads.resident("a", 10**15), loads.resident("b", 10**15)
    use(a, b, a)
    a.evict()
    assert loads.events == ["+a", "+b", "-a"]


def test_what_can_never_fit_is_refused_with_numbers() -> None:
    """The reason names what it is, what it takes, what there is, and what to do."""
    loads = Loads(3 << 20)
    with pytest.raises(RequestError, match=r"big takes 4\.0 MiB.* 3\.0 MiB.*--memory") as refusal:
        use(loads.resident("big", 4 << 20))
    assert refusal.value.code == pb.OUT_OF_MEMORY
    assert loads.events == []


def test_who_finds_no_room_waits_for_those_that_use_it() -> None:
    """What is in use is never evicted; the next one is loaded when its user is done."""
    loads = Loads(100)
    a, b = loads.resident("a", 60), loads.resident("b", 60)
    with a.use():
        waiting = threading.Thread(target=use, args=(b,))
        waiting.start()
        waiting.join(0.05)
        assert loads.events == ["+a"]
    waiting.join(10)
    assert loads.events == ["+a", "-a", "+b"]


def test_what_is_retired_goes_with_its_last_user() -> None:
    """A search that uses it ends well; afterwards it takes no memory, also if used once more."""
    loads = Loads(100)
    a = loads.resident("a", 60)
    with a.use():
        a.retire()
        assert loads.memory.held_bytes == 60
    assert loads.memory.held_bytes == 0
    use(a)
    assert loads.memory.held_bytes == 0
    assert loads.events == ["+a", "-a", "+a", "-a"]


def test_a_failed_load_takes_no_memory() -> None:
    """What could not be loaded is not counted for good, and the next user tries again."""
    memory = Memory(100)

    def fail() -> str:
        raise OSError("no such file")

    broken = Resident(memory, "broken", 60, fail)
    with pytest.raises(OSError, match="no such file"):
        use(broken)
    assert memory.held_bytes == 0


def test_memory_is_given_back_each_time_the_process_has_grown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is free goes back once after each growth of 64 MiB, counted from the lowest since."""
    now, given_back = [100], []
    monkeypatch.setattr(headroom, "anonymous_bytes", lambda: now[0] * MIB)
    monkeypatch.setattr(allocator, "return_free_memory", lambda: given_back.append(now[0]))
    trimming = allocator.Trimming()
    for now[0] in (150, 165, 165, 200, 110, 170, 175):
        trimming.look()
    assert given_back == [165, 175]


def test_memory_is_given_back_after_a_drop_and_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that was under way may have held the rest of it at first."""
    given_back: list[str] = []
    monkeypatch.setattr(headroom, "anonymous_bytes", lambda: MIB)
    monkeypatch.setattr(allocator, "return_free_memory", lambda: given_back.append("all"))
    trimming = allocator.Trimming()
    counts = []
    for dropped in (False, True, False, False):
        trimming.look(dropped=dropped)
        counts.append(len(given_back))
    assert counts == [0, 1, 2, 2]


def test_a_smaller_budget_evicts_what_is_unused_and_a_larger_one_lets_more_in() -> None:
    """The least recently used goes first; what is in use stays until its end."""
    loads = Loads(None)
    a, b, c = (loads.resident(name, 40) for name in "abc")
    use(a, b, c)
    with a.use():
        loads.memory.resize(50)
        assert loads.events == ["+a", "+b", "+c", "-b", "-c"]
    use(b)
    loads.memory.resize(90)
    use(a)
    assert loads.events[5:] == ["-a", "+b", "+a"]
    assert loads.memory.held_bytes == 80
