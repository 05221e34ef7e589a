"""Calls take turns by collection, and those that wait and are alike are answered together."""

import asyncio
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from quiver_engine.calls.search_calls import SearchCalls
from quiver_engine.metrics.metrics import Metrics
from quiver_engine.server.answering import Answering
from quiver_engine.server.fair_queue import MAX_WEIGHT, FairQueue
from quiver_engine.store.store import Store
from quiver_engine.wire.rpc import BatchItem, Call
from quiver_proto import milvus_pb2 as pb

DEADLINE_S = 30.0


class Worker:
    """Answers with the request's bytes; holds whoever asks for `hold` until `go_on` is set."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.go_on = threading.Event()

    def __call__(self, calls: Sequence[Call]) -> Sequence[bytes]:
        self.batches.append([call.raw for call in calls])
        if calls[0].raw.startswith(b"hold"):
            self.go_on.wait(DEADLINE_S)
        return [call.raw for call in calls]


def call(collection: str, raw: str, batch_key: str | None = None, weight: int = 1) -> Call:
    item = BatchItem(batch_key, weight, None) if batch_key else None
    return Call("Search", raw.encode(), collection.encode(), item)


async def ask(queue: FairQueue, calls: Iterable[Call]) -> list[asyncio.Task[bytes]]:
    """Ask in this order, and return once all of them wait or are worked on."""
    tasks = [asyncio.ensure_future(queue.answer(one)) for one in calls]
    await asyncio.sleep(0)
    return tasks


def queue_of(worker: Worker, threads: int, most_of_one: int) -> FairQueue:
    return FairQueue(ThreadPoolExecutor(threads), threads, most_of_one, worker)


@pytest.fixture
def worker() -> Worker:
    return Worker()


async def test_a_hammered_collection_does_not_hold_up_another(worker: Worker) -> None:
    """One call of another collection is answered after one of a hundred that came before it."""
    queue = queue_of(worker, threads=1, most_of_one=1)
    await ask(queue, [call("hammered", "hold")])
    await ask(queue, [call("hammered", f"{n}") for n in range(100)])
    other = await ask(queue, [call("other", "other")])
    worker.go_on.set()
    await asyncio.wait_for(asyncio.gather(*other), DEADLINE_S)
    assert [b"other"] in worker.batches[:3]


async def test_no_collection_takes_all_threads(worker: Worker) -> None:
    """While all calls of one collection hang, those of another are answered."""
    queue = queue_of(worker, threads=4, most_of_one=3)
    hanging = await ask(queue, [call("hanging", f"hold {n}") for n in range(10)])
    (other,) = await ask(queue, [call("other", "other")])
    assert await asyncio.wait_for(other, DEADLINE_S) == b"other"
    assert not any(task.done() for task in hanging)
    worker.go_on.set()
    answers = await asyncio.wait_for(asyncio.gather(*hanging), DEADLINE_S)
    assert answers == [f"hold {n}".encode() for n in range(10)]


async def test_calls_alike_that_wait_are_answered_together(worker: Worker) -> None:
    """Each gets its own answer; calls of another kind in between are answered by themselves."""
    queue = queue_of(worker, threads=1, most_of_one=1)
    await ask(queue, [call("rows", "hold")])
    kinds = ["a", "b", "a", "a", None]
    tasks = await ask(queue, [call("rows", f"{n}", kind) for n, kind in enumerate(kinds)])
    worker.go_on.set()
    answers = await asyncio.wait_for(asyncio.gather(*tasks), DEADLINE_S)
    assert answers == [b"0", b"1", b"2", b"3", b"4"]
    assert worker.batches == [[b"hold"], [b"0", b"2", b"3"], [b"1"], [b"4"]]


async def test_a_batch_stays_below_what_is_computed_otherwise(worker: Worker) -> None:
    """Calls go together only as far as their queries are fewer than FAISS computes at once."""
    queue = queue_of(worker, threads=1, most_of_one=1)
    await ask(queue, [call("rows", "hold")])
    weights = [9, 10, 1, MAX_WEIGHT, 30]
    tasks = await ask(queue, [call("rows", f"{weight}", "kind", weight) for weight in weights])
    worker.go_on.set()
    await asyncio.wait_for(asyncio.gather(*tasks), DEADLINE_S)
    assert worker.batches[1:] == [[b"9", b"10"], [b"1"], [b"19"], [b"30"]]


async def test_a_caller_who_leaves_is_known_to_have_left(worker: Worker) -> None:
    """A call that is cancelled while it waits is marked before it is worked on."""
    queue = queue_of(worker, threads=1, most_of_one=1)
    held = await ask(queue, [call("rows", "hold")])
    leaving = call("rows", "leaving")
    (task,) = await ask(queue, [leaving])
    task.cancel()
    await asyncio.wait([task])
    assert leaving.left
    worker.go_on.set()
    await asyncio.wait_for(asyncio.gather(*held), DEADLINE_S)
    (last,) = await ask(queue, [call("rows", "last")])
    await asyncio.wait_for(last, DEADLINE_S)
    assert worker.batches == [[b"hold"], [b"leaving"], [b"last"]]


@pytest.mark.parametrize("rpc", ["Search", "SearchByID", "SearchInFiles"])
def test_every_search_takes_the_turn_of_its_collection(tmp_path: Path, rpc: str) -> None:
    """Not one of its own for each list of files, or a client of many files would go first."""
    named = {
        "Search": pb.SearchParam(collection_name="c"),
        "SearchByID": pb.SearchByIDParam(collection_name="c"),
        "SearchInFiles": pb.SearchInFilesParam(
            file_id_array=["1", "2"], search_param=pb.SearchParam(collection_name="c")
        ),
    }
    store, metrics = Store(tmp_path / "data"), Metrics()
    answering = Answering(SearchCalls(store, metrics.traffic).rpcs(), metrics, lambda _: None)
    assert answering.call(rpc, named[rpc].SerializeToString(), None).collection == b"c"
    store.close()
