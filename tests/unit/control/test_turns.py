"""Who is next where not all can go on at the same time."""

import asyncio

from quiver.control.work.turns import Turns


class Queue:
    """One turn at a time; `order` has who got one."""

    def __init__(self) -> None:
        self.turns, self.order = Turns(1), list[str]()
        self.goes_on = asyncio.Event()

    async def wait(self, name: str, rank: int) -> None:
        async with self.turns.turn(rank):
            self.order.append(name)
            await self.goes_on.wait()

    async def line_up(self, **ranks: int) -> dict[str, asyncio.Task[None]]:
        tasks = {name: asyncio.create_task(self.wait(name, rank)) for name, rank in ranks.items()}
        await asyncio.sleep(0)
        return tasks


async def test_the_lowest_rank_is_next_and_of_equals_the_first() -> None:
    """Whoever has a turn keeps it."""
    queue = Queue()
    tasks = await queue.line_up(holder=9, often=5, once=1, later=1, never=0)
    queue.goes_on.set()
    await asyncio.gather(*tasks.values())
    assert queue.order == ["holder", "never", "once", "later", "often"]


async def test_a_turn_of_one_who_is_cancelled_goes_to_the_next() -> None:
    """While it waits, and when it was just given the turn."""
    queue = Queue()
    tasks = await queue.line_up(holder=0, waiting=1, given=2, last=3)
    tasks["waiting"].cancel()
    await asyncio.sleep(0)
    tasks["holder"].cancel()
    await asyncio.sleep(0)
    tasks["given"].cancel()
    queue.goes_on.set()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert queue.order[0] == "holder"
    assert queue.order[-1] == "last"
    assert "waiting" not in queue.order
    await queue.wait("free", 0)
