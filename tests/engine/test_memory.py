"""The memory budget: what is loaded, what is let go of, what is refused."""

import resource
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from quiver_engine.errors import RequestError
from quiver_engine.model import MIB
from quiver_engine.system import allocator, headroom
from quiver_engine.system.memory import Memory, Resident
from quiver_proto import milvus_pb2 as pb
from support.engine_process import EngineProcess
from support.milvus1_client import Milvus1, found_ids

Connect = Callable[[EngineProcess], Milvus1]


class Loads:
    """Residents that note when they are loaded and let go of."""

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


def test_the_least_recently_used_is_let_go_first() -> None:
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
    """Nothing is let go of unless somebody says so."""
    loads = Loads(None)
    a, b = loads.resident("a", 10**15), loads.resident("b", 10**15)
    use(a, b, a)
    a.let_go()
    assert loads.events == ["+a", "+b", "-a"]


def test_what_can_never_fit_is_refused_with_numbers() -> None:
    """The reason names what it is, what it takes, what there is, and what to do."""
    loads = Loads(3 << 20)
    with pytest.raises(RequestError, match=r"big takes 4\.0 MiB.* 3\.0 MiB.*--memory") as refusal:
        use(loads.resident("big", 4 << 20))
    assert refusal.value.code == pb.OUT_OF_MEMORY
    assert loads.events == []


def test_who_finds_no_room_waits_for_those_that_use_it() -> None:
    """What is in use is never let go of; the next one is loaded when its user is done."""
    loads = Loads(100)
    a, b = loads.resident("a", 60), loads.resident("b", 60)
    with a.use():
        waiting = threading.Thread(target=use, args=(b,))
        waiting.start()
        waiting.join(0.05)
        assert loads.events == ["+a"]
    waiting.join(10)
    assert loads.events == ["+a", "-a", "+b"]


def test_what_is_discarded_goes_with_its_last_user() -> None:
    """A search that uses it ends well; afterwards it takes no memory, also if used once more."""
    loads = Loads(100)
    a = loads.resident("a", 60)
    with a.use():
        a.discard()
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


def held_bytes(process: EngineProcess) -> int:
    lines = process.get("/metrics")[1].splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith("quiver_engine_memory_bytes "))
    return int(float(value))


def test_a_collection_larger_than_the_budget_is_searched_all_the_same(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """Segments and indexes take turns in memory; a drop gives all of it back."""
    own_engine.stop()
    client = connect(own_engine.start("--memory", "3Mi"))
    rows = np.random.default_rng(1).normal(size=(20_000, 64)).astype(np.float32)
    client.create("large", dimension=64, index_file_size=1)
    client.insert("large", rows, range(20_000))
    client.flush("large")
    np.testing.assert_array_equal(
        found_ids(client.search("large", rows[::500])).ravel(), range(0, 20_000, 500)
    )
    assert 0 < held_bytes(own_engine) <= 3 << 20
    assert client.create_index("large", 2, '{"nlist": 16}').error_code == pb.SUCCESS
    for _ in range(2):
        found = found_ids(client.search("large", rows[::500], params='{"nprobe": 16}'))
        np.testing.assert_array_equal(found.ravel(), range(0, 20_000, 500))
        assert 0 < held_bytes(own_engine) <= 3 << 20
    client.drop("large")
    assert held_bytes(own_engine) == 0


def test_a_segment_that_cannot_fit_is_refused(own_engine: EngineProcess, connect: Connect) -> None:
    """Search, Preload and CreateIndex of it are refused with numbers; others go on."""
    own_engine.stop()
    client = connect(own_engine.start("--memory", "1000000"))
    rows = np.random.default_rng(1).normal(size=(5000, 64)).astype(np.float32)
    client.create("big", dimension=64)
    client.insert("big", rows)
    client.insert("big", rows[:10])
    client.create("small", dimension=64)
    client.insert("small", rows[:10], range(10))
    client.flush()
    result = client.search("big", rows[:1])
    assert result.status.error_code == pb.OUT_OF_MEMORY
    assert "a segment of 5010 rows takes 1.3 MiB" in result.status.reason
    whole = pb.PreloadCollectionParam(collection_name="big")
    assert client.stub.PreloadCollection(whole).error_code == pb.OUT_OF_MEMORY
    status = client.create_index("big", 2, '{"nlist": 16}')
    assert status.error_code == pb.BUILD_INDEX_ERROR
    assert "takes 1.3 MiB" in status.reason
    assert found_ids(client.search("small", rows[3:4])).tolist() == [[3]]


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


def test_inserts_use_memory_again_that_earlier_ones_had(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """The kernel gives an insert fewer fresh pages than the insert has itself."""
    client = connect(own_engine)
    client.create("fed", dimension=128)
    rows = np.ones((10_000, 128), np.float32)

    def pages_per_insert() -> float:
        before = fresh_pages(own_engine.pid)
        for _ in range(5):
            client.insert("fed", rows, range(len(rows)))
        return (fresh_pages(own_engine.pid) - before) / 5

    own_pages = rows.nbytes / resource.getpagesize()
    assert min(pages_per_insert() for _ in range(6)) < own_pages


def fresh_pages(pid: int) -> int:
    """Return how many pages the kernel has given a process (minflt of proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[7])
