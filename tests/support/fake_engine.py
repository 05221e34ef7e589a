"""An engine in memory that answers as a Milvus 1.x server does, behind the engine port; and where
servers in memory are found.

`tests/conformance` holds it against the driver and a running engine.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from quiver.domain.access import Target
from quiver.domain.collection_schemas import (
    CollectionSchema,
    IndexProgress,
    ObservedCollection,
    ObservedIndex,
)
from quiver.domain.indexes import Index
from quiver.domain.troubles import EngineReport
from quiver.ports.engines import NO_PROPERTIES, EngineClient, Fields, Loads
from quiver.ports.errors import EngineDiskFull, EngineRefused, EngineUnreachable
from support.fake_fields import FakeFields
from support.fake_loads import FakeLoads
from support.fake_milvus import FakeMilvus
from support.fake_server import DEFAULT, FakeCollection, FakeServer

Server = TypeVar("Server", bound=FakeServer)
SMALLEST_INDEXED = 4096
"""Rows; smaller segments stay without an index."""
MATCHES = frozenset({"SUBSTRUCTURE", "SUPERSTRUCTURE"})
BINARY = MATCHES | {"HAMMING", "JACCARD", "TANIMOTO"}
METRICS = BINARY | {"L2", "IP"}
RANGES = {
    "IVF_FLAT": {"nlist": (1, 65536)},
    "IVF_SQ8": {"nlist": (1, 65536)},
    "IVF_SQ8H": {"nlist": (1, 65536)},
    "IVF_PQ": {"nlist": (1, 65536), "m": (1, 32768)},
    "HNSW": {"M": (4, 64), "efConstruction": (8, 512)},
    "RNSG": {
        "search_length": (10, 300),
        "out_degree": (5, 300),
        "candidate_pool_size": (50, 1000),
        "knng": (5, 300),
    },
    "ANNOY": {"n_trees": (1, 1024)},
}
NBITS = (1, 16)


@dataclass
class EngineCollection(FakeCollection):
    """`built` counts the segments that have their index while an index is built."""

    index: Index | None = None
    built: int | None = None


class FakeEngine(FakeServer):
    """A server of Milvus 1.x, or Quiver's own."""

    told_version = "1.1.1"

    def __init__(self, *, gpu: bool = False, instance: str | None = None) -> None:
        super().__init__(instance)
        self.report = EngineReport(why_no_gpu=None if gpu else "it has none")
        self._gpu = gpu
        self._slow = False
        self._failure: str | None = None

    def build_slowly(self) -> None:
        """From now on an index is built when the test says so, a segment at a time."""
        self._slow = True

    def fail_builds(self, why: str | None) -> None:
        """From now on no index is built, for this reason; with None, those that failed are.

        The engine notes the index all the same.
        """
        self._failure = why

    def build_segment(self, name: str) -> None:
        """Index one more segment; the last one ends the build."""
        collection = self.found(name)
        assert collection.built is not None
        collection.built += 1
        if collection.built >= segments_of(collection):
            collection.built = None

    def found(self, name: str) -> EngineCollection:
        found = self.collections.get(name)
        if not isinstance(found, EngineCollection):
            reason = f"there is no collection {name!r}"
            raise EngineRefused("COLLECTION_NOT_EXISTS", reason, retriable=True)
        return found

    def describe(self, name: str) -> ObservedCollection | None:
        found = self.collections.get(name)
        if found is None:
            return None
        return ObservedCollection(schema=found.schema, partitions=frozenset(found.rows) - {DEFAULT})

    def describe_index(self, name: str) -> ObservedIndex:
        found = self.found(name)
        segments = segments_of(found)
        has_failed = self._failure is not None and segments > 0
        if found.index is None or (found.built is None and not has_failed):
            return ObservedIndex(index=found.index)
        progress = IndexProgress(built=found.built or 0, total=segments)
        return ObservedIndex(index=found.index, progress=progress, failure=self._failure)

    def set_index(
        self,
        name: str,
        index: Index | None,
        metric_type: str | None = None,  # noqa: ARG002 - the collection has it
    ) -> None:
        found = self.found(name)
        if index is not None:
            self._check_index(index, found.schema)
            if found.built is not None:
                return
        found.index = index
        has_work = index is not None and segments_of(found) > 0
        found.built = 0 if has_work and self._slow else None
        if self._failure is not None and has_work:
            raise EngineRefused("BUILD_INDEX_ERROR", self._failure)

    def search_once(self, schema: CollectionSchema) -> None:
        self.found(schema.name)

    def create(
        self,
        schema: CollectionSchema,
        properties: Mapping[str, str] = NO_PROPERTIES,  # noqa: ARG002 - Milvus 1.x has none
    ) -> None:
        _check_schema(schema)
        self._check_room()
        if schema.name in self.collections:
            raise EngineRefused("ILLEGAL_COLLECTION_NAME", f"collection {schema.name!r} exists")
        self.collections[schema.name] = EngineCollection(schema)

    def create_partition(self, name: str, tag: str) -> None:
        rows = self.found(name).rows
        self._check_room()
        if not tag.strip() or len(tag.encode()) > 255 or tag in rows:
            reason = f"partition {tag!r} exists or has no good name"
            raise EngineRefused("UNEXPECTED_ERROR", reason, retriable=True)
        rows[tag] = 0

    def _check_room(self) -> None:
        if self.report.full_disk is not None:
            raise EngineDiskFull("UNEXPECTED_ERROR", "the disk is full")

    def _check_index(self, index: Index, schema: CollectionSchema) -> None:
        if index.type == "IVF_SQ8H" and not self._gpu:
            raise EngineRefused("ILLEGAL_INDEX_TYPE", "IVF_SQ8H needs a GPU; this engine has none")
        if schema.metric_type in MATCHES or (
            schema.metric_type in BINARY and index.type != "IVF_FLAT"
        ):
            raise EngineRefused("ILLEGAL_INDEX_TYPE", f"{index.type} does not index bits")
        params = {key: int(value) for key, value in index.params.items()}
        for name, (low, high) in RANGES[index.type].items():
            if not low <= params.get(name, low - 1) <= high:
                raise EngineRefused("ILLEGAL_ARGUMENT", f"{name} must be from {low} to {high}")
        if index.type == "IVF_PQ":
            if schema.dimension % params["m"]:
                raise EngineRefused("ILLEGAL_DIMENSION", "m does not divide the dimension")
            if not NBITS[0] <= params.get("nbits", 8) <= NBITS[1]:
                raise EngineRefused("ILLEGAL_ARGUMENT", "nbits must be from 1 to 16")


class FakeEngines:
    """Implements `quiver.ports.engines.Engines` over servers in memory, by address."""

    def __init__(self) -> None:
        self._engines: dict[str, FakeServer] = {}

    def start(self, address: str, *, gpu: bool = False, instance: str | None = None) -> FakeEngine:
        return self._started(address, FakeEngine(gpu=gpu, instance=instance))

    def start_milvus(self, address: str) -> FakeMilvus:
        return self._started(address, FakeMilvus())

    def at(self, target: Target) -> EngineClient:
        return FakeClient(self._engines, target)

    def _started(self, address: str, server: Server) -> Server:
        self._engines[address] = server
        return server


class FakeClient:
    """Implements `quiver.ports.engines.EngineClient` for one target."""

    def __init__(self, engines: Mapping[str, FakeServer], target: Target) -> None:
        self._engines = engines
        self._target = target

    @property
    def fields(self) -> Fields | None:
        return FakeFields(self._milvus) if self._target.type == "Milvus" else None

    @property
    def loads(self) -> Loads | None:
        return FakeLoads(self._milvus) if self._target.type == "Milvus" else None

    async def version(self) -> str:
        return self._asked("version").told_version

    async def instance(self) -> str | None:
        return self._asked("instance").instance

    async def report(self) -> EngineReport:
        return self._asked("report").report

    async def list_collections(self) -> frozenset[str]:
        return self._asked("list_collections").list_collections()

    async def describe(self, name: str) -> ObservedCollection | None:
        return self._asked("describe").describe(name)

    async def count_rows(self, name: str, tag: str | None = None) -> int:
        return self._asked("count_rows").count_rows(name, tag)

    async def describe_index(self, name: str) -> ObservedIndex:
        return self._asked("describe_index").describe_index(name)

    async def set_index(
        self,
        name: str,
        index: Index | None,
        metric_type: str | None = None,
    ) -> None:
        self._asked("set_index").set_index(name, index, metric_type)

    async def search_once(self, schema: CollectionSchema) -> None:
        self._asked("search_once").search_once(schema)

    async def create(
        self, schema: CollectionSchema, properties: Mapping[str, str] = NO_PROPERTIES
    ) -> None:
        self._asked("create").create(schema, properties)

    async def drop(self, name: str) -> None:
        self._asked("drop").drop(name)

    async def create_partition(self, name: str, tag: str) -> None:
        self._asked("create_partition").create_partition(name, tag)

    async def drop_partition(self, name: str, tag: str) -> None:
        self._asked("drop_partition").drop_partition(name, tag)

    def _asked(self, call: str) -> FakeServer:
        target = self._target
        engine = self._engines.get(target.address)
        if engine is None or not engine.up:
            raise EngineUnreachable(f"{target.address} cannot be reached: connection refused")
        if isinstance(engine, FakeMilvus) != (target.type == "Milvus"):
            raise EngineRefused("UNIMPLEMENTED", f"{target.name} speaks another protocol")
        engine.check(call, target.instance, target.login)
        return engine

    def _milvus(self, call: str) -> FakeMilvus:
        engine = self._asked(call)
        assert isinstance(engine, FakeMilvus)
        return engine


def segments_of(collection: FakeCollection) -> int:
    """Return how many segments have enough rows for an index."""
    schema = collection.schema
    assert schema.index_file_size is not None
    per_segment = -(-schema.index_file_size * 2**20 // (4 * schema.dimension))
    full = sum(rows // per_segment for rows in collection.rows.values())
    return full + sum(r % per_segment >= SMALLEST_INDEXED for r in collection.rows.values())


def _check_schema(schema: CollectionSchema) -> None:
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", schema.name) or len(schema.name) > 255:
        raise EngineRefused("ILLEGAL_COLLECTION_NAME", f"{schema.name!r} is no collection's name")
    if not 1 <= schema.dimension <= 32768:
        raise EngineRefused("ILLEGAL_DIMENSION", "dimension must be from 1 to 32768")
    if schema.metric_type in BINARY and schema.dimension % 8:
        raise EngineRefused("ILLEGAL_DIMENSION", "bits come in whole bytes")
    if not 1 <= (schema.index_file_size or 0) <= 131072:
        raise EngineRefused("ILLEGAL_ARGUMENT", "index_file_size must be from 1 to 131072")
    if schema.metric_type not in METRICS:
        raise EngineRefused("ILLEGAL_METRIC_TYPE", f"there is no metric {schema.metric_type!r}")
