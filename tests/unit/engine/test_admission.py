"""Requests are let in while there is memory for them, and slow ones keep nobody out."""

import asyncio
import itertools

import pytest

from quiver_engine.model import MIB
from quiver_engine.server.admission import Admission
from quiver_engine.system import headroom

DEADLINE_S = 30.0


class Sender:
    """A client whose message comes when it is told to send it."""

    def __init__(self, size: int = 10) -> None:
        self.is_let_in = False
        self.send = asyncio.Event()
        self._size = size

    async def read(self) -> bytes:
        self.is_let_in = True
        await self.send.wait()
        return bytes(self._size)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def receive(door: Admission, *senders: Sender) -> list[asyncio.Task[bytes]]:
    tasks = [asyncio.ensure_future(door.receive(one.read, largest=50)) for one in senders]
    await settle()
    return tasks


async def test_no_more_is_received_than_there_is_room_for() -> None:
    """Of three messages that may fill a room for two, the third waits until one is there."""
    door, senders = Admission(room=200), [Sender(), Sender(), Sender()]
    tasks = await receive(door, *senders)
    assert [sender.is_let_in for sender in senders] == [True, True, False]
    senders[0].send.set()
    await asyncio.wait_for(tasks[0], DEADLINE_S)
    await settle()
    assert senders[2].is_let_in
    for task in tasks:
        task.cancel()


async def test_what_is_worked_on_counts_by_its_size() -> None:
    """A message that is being answered leaves room for what it does not take itself."""
    door, sender = Admission(room=200), Sender()
    with door.holding(bytes(51)):
        (task,) = await receive(door, sender)
        assert not sender.is_let_in
    await settle()
    assert sender.is_let_in
    task.cancel()


async def test_a_single_request_is_let_in_whatever_its_size() -> None:
    """What would never fit beside another is received alone."""
    door, sender = Admission(room=50), Sender()
    (task,) = await receive(door, sender)
    sender.send.set()
    assert len(await asyncio.wait_for(task, DEADLINE_S)) == 10


async def test_slow_clients_keep_nobody_out() -> None:
    """Messages that do not come, and no memory with them, no longer count as what they may be."""
    door, slow, quick = Admission(room=200, look=0.001), [Sender(), Sender()], Sender()
    hanging = await receive(door, *slow)
    (task,) = await receive(door, quick)
    quick.send.set()
    await asyncio.wait_for(task, DEADLINE_S)
    for one in hanging:
        one.cancel()


async def test_senders_take_turns() -> None:
    """A sender's second request waits for the first of another, whichever came first."""
    door, holding = Admission(room=50), Sender()
    held = (await receive(door, holding))[0]
    waiting = {who: Sender() for who in ("a1", "a2", "b1")}
    tasks = [
        asyncio.ensure_future(door.receive(sender.read, largest=50, sender=who[0]))
        for who, sender in waiting.items()
    ]
    await settle()
    admitted = []
    for sending in (holding, waiting["a1"], waiting["b1"]):
        sending.send.set()
        await settle()
        admitted += [who for who, one in waiting.items() if one.is_let_in and who not in admitted]
    assert admitted == ["a1", "b1", "a2"]
    for task in (held, *tasks):
        task.cancel()


async def test_messages_on_their_way_count_while_memory_fills(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As long as the process grows, what is being received still counts."""
    sizes = itertools.count(0, 64 * MIB)
    looks = asyncio.Event()

    def growing() -> int:
        size = next(sizes)
        if size > 10 * 64 * MIB:
            looks.set()
        return size

    monkeypatch.setattr(headroom, "anonymous_bytes", growing)
    door, large, other = Admission(room=100, look=0.001), Sender(), Sender()
    tasks = await receive(door, large, other)
    await asyncio.wait_for(looks.wait(), DEADLINE_S)
    assert not other.is_let_in
    large.send.set()
    await asyncio.wait_for(tasks[0], DEADLINE_S)
    await settle()
    assert other.is_let_in
    tasks[1].cancel()


async def test_nothing_more_is_let_in_when_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine has less left than a message may take, messages come one by one."""
    monkeypatch.setattr(headroom, "available_bytes", lambda: 99)
    door, senders = Admission(room=1000), [Sender(), Sender()]
    tasks = await receive(door, *senders)
    assert [sender.is_let_in for sender in senders] == [True, False]
    senders[0].send.set()
    await asyncio.wait_for(tasks[0], DEADLINE_S)
    await settle()
    assert senders[1].is_let_in
    tasks[1].cancel()


@pytest.mark.parametrize("leaves_when", ["waiting", "let in"])
async def test_who_leaves_takes_no_room(leaves_when: str) -> None:
    """A client that leaves while it waits, or at the moment it is let in, is not counted."""
    door, senders = Admission(room=100), [Sender(), Sender(), Sender()]
    first, leaving, last = await receive(door, *senders)
    if leaves_when == "waiting":
        leaving.cancel()
        await settle()
    senders[0].send.set()
    await asyncio.wait_for(first, DEADLINE_S)
    leaving.cancel()
    await settle()
    assert senders[2].is_let_in
    last.cancel()


def test_what_is_left_is_what_the_kernel_says() -> None:
    """On a machine with memory something is left, and no more than it has."""
    assert 0 < headroom.available_bytes() < 1 << 50
