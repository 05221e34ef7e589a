"""Each collection is looked at once per period."""

import asyncio

from quiver.control.cache.cache import Cache
from quiver.control.drift.rounds import VerificationRounds
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key
from support.builders import collection

PERIOD_S = 1.0


async def test_a_round_looks_at_each_collection_once_and_evenly() -> None:
    """At half time half of them were queued, at the end all, in an order that mixes names."""
    cache, queued = Cache(), list[tuple[float, Key]]()
    for number in range(100):
        cache.put(VECTOR_COLLECTION, collection(f"docs-{number:02}"))
    loop = asyncio.get_running_loop()
    begun = loop.time()

    def note(key: Key) -> None:
        queued.append((loop.time(), key))

    rounds = VerificationRounds(cache, note, PERIOD_S, step=0.02)
    await asyncio.wait_for(rounds._round(), 20)
    keys = [key for _, key in queued]
    assert sorted(keys) == sorted(set(keys))
    assert len(keys) == 100
    assert keys != sorted(keys)
    assert all(at - begun >= PERIOD_S * n / 100 for n, (at, _) in enumerate(queued))


async def test_without_collections_it_waits() -> None:
    """An empty cluster costs nothing, and what is created later has its turn in a later round."""
    cache, queued = Cache(), asyncio.Event()
    rounds = VerificationRounds(cache, lambda _key: queued.set(), 0.05, step=0.01)
    task = asyncio.create_task(rounds.run())
    await asyncio.sleep(0.1)
    assert not queued.is_set()
    cache.put(VECTOR_COLLECTION, collection("docs"))
    await asyncio.wait_for(queued.wait(), 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
