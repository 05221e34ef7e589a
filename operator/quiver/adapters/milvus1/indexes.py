"""Indexes over the Milvus 1.x protocol, in which CreateIndex answers only after the build."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec

from quiver.adapters.grpc.errors import unreadable
from quiver.adapters.milvus1.errors import PROTOCOL
from quiver.domain.indexes import Index
from quiver.ports.errors import EngineError
from quiver_proto import milvus_pb2 as pb

log = logging.getLogger(__name__)

Shape = TypeVar("Shape")

TYPES = {
    2: "IVF_FLAT",
    3: "IVF_SQ8",
    4: "RNSG",
    5: "IVF_SQ8H",
    6: "IVF_PQ",
    11: "HNSW",
    12: "ANNOY",
}
_NUMBERS = {name: number for number, name in TYPES.items()}
REFUSAL_S = 1.0
"""How long `Builds.start` waits for the call: a server that refuses a build answers at once."""


MOST_FAILURES = 1024
"""How many failed calls are remembered. Tenants decide how many fail."""

Build = tuple[str, str]
"""The address of the member and the name of the collection."""


class Builds:
    """The CreateIndex calls of this process: those in progress, and why the last ones failed."""

    def __init__(self) -> None:
        self._running: dict[Build, asyncio.Task[None]] = {}
        self._failures: dict[Build, EngineError] = {}

    def is_running(self, build: Build) -> bool:
        return build in self._running

    def failure(self, build: Build) -> EngineError | None:
        """Return the error of the last call that has ended; None if it succeeded."""
        return self._failures.get(build)

    def forget(self, build: Build) -> None:
        self._failures.pop(build, None)

    async def start(self, build: Build, call: Coroutine[Any, Any, None]) -> None:
        """Run the call in the background. Raises: EngineError if it fails within REFUSAL_S."""
        task = asyncio.create_task(call)
        self._running[build] = task
        task.add_done_callback(lambda done: self._ended(build, done))
        await asyncio.wait([task], timeout=REFUSAL_S)
        if task.done():
            task.result()

    async def close(self) -> None:
        """Stop waiting for the calls. The servers go on building."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, build: Build, task: asyncio.Task[None]) -> None:
        if self._running.get(build) is task:
            del self._running[build]
        if task.cancelled():
            return
        before, error = self._failures.pop(build, None), task.exception()
        if error is None:
            return
        if str(error) != str(before):  # it is tried again and again
            log.warning("building the index of %s on %s: %s", build[1], build[0], error)
        if isinstance(error, EngineError):
            self._failures[build] = error
            for oldest in list(self._failures)[:-MOST_FAILURES]:
                del self._failures[oldest]


def index_request(name: str, index: Index) -> pb.IndexParam:
    params = pb.KeyValuePair(key="params", value=msgspec.json.encode(index.params).decode())
    number = _NUMBERS[index.type]
    return pb.IndexParam(collection_name=name, index_type=number, extra_params=[params])


def index_of(answer: pb.IndexParam) -> Index | None:
    """Return the index that DescribeIndex describes; None for brute force (FLAT).

    None also for an index that no spec can name, which a client has built: an index in the spec
    replaces it, and a spec without an index leaves it alone.
    Raises: EngineRefused for an answer that Milvus never gives. If it counted as no index, each
    reconcile could build the index again.
    """
    kind = TYPES.get(answer.index_type)
    if kind is None:
        return None
    texts = [pair.value for pair in answer.extra_params if pair.key == "params"]
    params = read(texts[0] or "{}", dict[str, Any], "its index") if texts else {}
    if any(isinstance(value, str) for value in params.values()):
        return None  # they are numbers here: only Milvus 2.x has words
    try:
        return msgspec.convert({"type": kind, "params": params}, Index)
    except msgspec.ValidationError:
        return None


def read(text: str, shape: type[Shape], what: str) -> Shape:
    """Return what a server's JSON says about `what`. Raises: EngineRefused."""
    try:
        return msgspec.json.decode(text, type=shape)
    except (msgspec.DecodeError, RecursionError) as error:
        raise unreadable(what, PROTOCOL) from error
