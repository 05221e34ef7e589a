"""What the server keeps: databases, collections with their partitions, and indexes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from quiver_proto import milvus2_pb2 as pb
from support.milvus_server.refusals import NO_COLLECTION, NO_DATABASE, Refusal
from support.milvus_server.versions import Version, version_of

DEFAULT_DATABASE = "default"
DEFAULT_PARTITION = "_default"
VECTORS = frozenset(
    {
        pb.BINARY_VECTOR,
        pb.FLOAT_VECTOR,
        pb.FLOAT16_VECTOR,
        pb.BFLOAT16_VECTOR,
        pb.SPARSE_FLOAT_VECTOR,
        pb.INT8_VECTOR,
    }
)


@dataclass
class StoredIndex:
    """`params` are all that the server tells, the type and the metric among them."""

    name: str
    field: str
    params: dict[str, str]
    is_built: bool = True

    @property
    def metric(self) -> str:
        return self.params.get("metric_type", "")


@dataclass
class Stored:
    """A collection. `partitions` have their numbers of rows, `indexes` go by their names.

    `released` are partitions that are out of memory while the others are there.
    """

    id: int
    schema: pb.CollectionSchema
    shards: int
    level: int
    properties: dict[str, str]
    partitions: dict[str, int]
    aliases: set[str] = field(default_factory=set)
    indexes: dict[str, StoredIndex] = field(default_factory=dict)
    state: pb.LoadState.ValueType = pb.NOT_LOAD
    replicas: int = 1
    released: set[str] = field(default_factory=set)

    @property
    def is_loaded(self) -> bool:
        return self.state != pb.NOT_LOAD

    @property
    def vectors(self) -> list[pb.FieldSchema]:
        return [each for each in self.schema.fields if each.data_type in VECTORS]

    @property
    def has_partition_key(self) -> bool:
        return any(each.is_partition_key for each in self.schema.fields)

    def field(self, name: str) -> pb.FieldSchema | None:
        return next((each for each in self.schema.fields if each.name == name), None)

    def index_on(self, name: str) -> StoredIndex | None:
        return next((index for index in self.indexes.values() if index.field == name), None)


class Catalog:
    """`query_nodes` is how many copies of a collection can be in memory."""

    def __init__(self, version: str, *, query_nodes: int, has_storage_v3: bool) -> None:
        self.told_version = version
        self.query_nodes = query_nodes
        self.has_storage_v3 = has_storage_v3
        self.is_slow = False
        self.databases: dict[str, dict[str, Stored]] = {DEFAULT_DATABASE: {}}
        self._ids = count(450000)

    @property
    def version(self) -> Version:
        return version_of(self.told_version)

    def next_id(self) -> int:
        return next(self._ids)

    def database(self, name: str) -> dict[str, Stored]:
        found = self.databases.get(name or DEFAULT_DATABASE)
        if found is None:
            raise Refusal(NO_DATABASE, f"database not found[database={name}]")
        return found

    def find(self, database: str, name: str) -> Stored | None:
        """Return the collection that has the name or the alias."""
        there = self.database(database)
        by_alias = (found for found in there.values() if name in found.aliases)
        return there.get(name) or next(by_alias, None)

    def get(self, database: str, name: str) -> Stored:
        found = self.find(database, name)
        if found is None:
            where = f"[database={database or DEFAULT_DATABASE}][collection={name}]"
            raise Refusal(NO_COLLECTION, f"can't find collection{where}")
        return found

    def all(self) -> list[Stored]:
        return [found for there in self.databases.values() for found in there.values()]


def entries(pairs: Iterable[pb.KeyValuePair]) -> dict[str, str]:
    return {pair.key: pair.value for pair in pairs}


def pairs(entries: Mapping[str, str]) -> list[pb.KeyValuePair]:
    return [pb.KeyValuePair(key=key, value=value) for key, value in entries.items()]
