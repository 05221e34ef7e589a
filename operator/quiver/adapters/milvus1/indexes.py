"""Indexes over the Milvus 1.x protocol, in which CreateIndex answers only after the build."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

import msgspec

from quiver.adapters.grpc.errors import unreadable
from quiver.adapters.milvus1.errors import PROTOCOL
from quiver.domain.collections import Index, IndexProgress
from quiver_proto import milvus_pb2 as pb

log = logging.getLogger(__name__)

Shape = TypeVar("Shape")
Rows = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

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
_UNINDEXED = ("IDMAP", "BIN_IDMAP")
SMALLEST_INDEXED = 4096
"""Rows. Segments with fewer get no index."""
REFUSAL_S = 1.0
"""How long `Builds.start` waits for the call: a server that refuses a build answers at once."""


class _Segment(msgspec.Struct):
    row_count: Rows
    index_name: str


class _Partition(msgspec.Struct):
    """`segments` is null where there are none."""

    tag: str
    row_count: Rows
    segments: tuple[_Segment, ...] | None


class _Info(msgspec.Struct):
    """The part of ShowCollectionInfo's JSON that the driver reads. It lists every partition."""

    partitions: tuple[_Partition, ...]


class Builds:
    """The CreateIndex calls in progress, by the address of the member and the collection."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}

    def is_running(self, address: str, name: str) -> bool:
        return (address, name) in self._running

    async def start(self, address: str, name: str, call: Coroutine[Any, Any, None]) -> None:
        """Run the call in the background. Raises: EngineError if it fails within REFUSAL_S."""
        key = (address, name)
        task = asyncio.create_task(call)
        self._running[key] = task
        task.add_done_callback(lambda done: self._ended(key, done))
        await asyncio.wait([task], timeout=REFUSAL_S)
        if task.done():
            task.result()

    async def close(self) -> None:
        """Stop waiting for the calls. The servers go on building."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        if self._running.get(key) is task:
            del self._running[key]
        if not task.cancelled() and task.exception() is not None:
            log.warning("building the index of %s on %s: %s", key[1], key[0], task.exception())


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
    params = _read(texts[0] or "{}", dict[str, Any], "its index") if texts else {}
    try:
        return msgspec.convert({"type": kind, "params": params}, Index)
    except msgspec.ValidationError:
        return None


def progress_of(info: str) -> IndexProgress:
    """Count, in ShowCollectionInfo's JSON, the segments that get an index, and that have it."""
    partitions = _read(info, _Info, "its segments").partitions
    segments = [s for p in partitions for s in p.segments or ()]
    large = [s for s in segments if s.row_count >= SMALLEST_INDEXED]
    built = sum(s.index_name not in _UNINDEXED for s in large)
    return IndexProgress(built=built, total=len(large))


def rows_in(info: str, tag: str) -> int:
    """Count, in ShowCollectionInfo's JSON, the rows of one partition."""
    partitions = _read(info, _Info, "its partitions").partitions
    return sum(p.row_count for p in partitions if p.tag == tag)


def _read(text: str, shape: type[Shape], what: str) -> Shape:
    try:
        return msgspec.json.decode(text, type=shape)
    except (msgspec.DecodeError, RecursionError) as error:
        raise unreadable(what, PROTOCOL) from error
