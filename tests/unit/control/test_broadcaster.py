"""Events that are published beside the work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from quiver.control.observe.broadcaster import EventBroadcaster
from quiver.domain.kubernetes_types import Manifest
from quiver.ports.errors import ApiUnavailable
from quiver.ports.kubernetes import Event
from support.builders import collection


def event(note: str) -> Event:
    return Event("Normal", "Created", "Create", note)


class Recorder:
    """Publishes when it is let to, and fails where it is told to."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.published: asyncio.Queue[str] = asyncio.Queue()
        self.may = asyncio.Event()
        self._fails = fails

    async def record(self, _regarding: Manifest, event: Event) -> None:
        await self.may.wait()
        if self._fails is not None:
            failure, self._fails = self._fails, None
            raise failure
        self.published.put_nowait(event.note)


@asynccontextmanager
async def running(broadcaster: EventBroadcaster) -> AsyncIterator[None]:
    task = asyncio.create_task(broadcaster.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_nobody_waits_for_an_event_and_their_order_stays() -> None:
    """Events are taken while the API server is slow, and published in the order they came."""
    recorder = Recorder()
    broadcaster = EventBroadcaster(recorder)
    async with running(broadcaster):
        for note in ("first", "second"):
            await broadcaster.record(collection(), event(note))
        assert recorder.published.empty()
        recorder.may.set()
        assert [await recorder.published.get() for _ in range(2)] == ["first", "second"]


@pytest.mark.parametrize("failure", [ApiUnavailable("no answer"), KeyError("a bug")])
async def test_an_event_that_fails_holds_up_no_other(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named in the log, and the next one is published."""
    recorder = Recorder(failure)
    broadcaster = EventBroadcaster(recorder)
    recorder.may.set()
    async with running(broadcaster):
        for note in ("first", "second"):
            await broadcaster.record(collection(), event(note))
        assert await recorder.published.get() == "second"
    assert "could not publish the event Created" in caplog.text


async def test_too_many_events_are_dropped_and_named(caplog: pytest.LogCaptureFixture) -> None:
    """Memory stays bounded while the API server does not answer."""
    broadcaster = EventBroadcaster(Recorder(), limit=1)
    for note in ("first", "second"):
        await broadcaster.record(collection(), event(note))
    assert "dropped Created (second)" in caplog.text
