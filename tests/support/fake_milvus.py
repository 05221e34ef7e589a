"""A server in memory that answers as Milvus 2.x and 3.x do, behind the engine port.

`tests/conformance` holds it against the driver and running servers.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import msgspec

from quiver.domain.access import Login
from quiver.domain.collections import (
    CollectionSchema,
    Index,
    IndexProgress,
    ObservedCollection,
    ObservedIndex,
    ObservedLoad,
)
from quiver.ports.engines import NO_PROPERTIES
from quiver.ports.errors import EngineUnauthenticated
from support.fake_server import DEFAULT, FakeCollection, FakeServer
from support.milvus_codes import (
    BAD_PARAMETER,
    LOADED,
    MEMORY,
    NO_COLLECTION,
    NO_DATABASE,
    NO_INDEX,
    NOT_LOADED,
    OTHER,
    refused,
)
from support.milvus_rules import (
    BINARY,
    as_it_is_told,
    check_index,
    check_metric,
    check_schema,
    is_name,
)

DEFAULT_DATABASE = "default"
NOT_IN_MEMORY = ObservedLoad(state="NotLoaded")
NOT_WHILE_LOADED = ("mmap.enabled", "warmup.")


@dataclass
class MilvusCollection(FakeCollection):
    """`metric` is that of the index; None while there is none. `is_binary`: the vectors are bits.
    `copies` are those that the last load asked for.
    """

    is_binary: bool = False
    metric: str | None = None
    load: ObservedLoad = NOT_IN_MEMORY
    copies: int = 1
    properties: dict[str, str] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)
    other_fields: tuple[str, ...] = ()


class FakeMilvus(FakeServer):
    """`login` is what the server wants to be told; None if it asks for none. `query_nodes` is how
    many copies of a collection can be in memory.
    """

    told_version = "v2.6.4"

    def __init__(self) -> None:
        super().__init__()
        self.databases = {DEFAULT_DATABASE}
        self.login: str | None = None
        self.query_nodes = 2
        self._builds_slowly = False
        self._loads_slowly = False
        self._build_failure: str | None = None
        self._load_failure: str | None = None

    # What a test does behind the port.

    def build_slowly(self) -> None:
        """From now on an index is built when the test says so, by `build_rows`."""
        self._builds_slowly = True

    def build_rows(self, name: str, rows: int) -> None:
        """Index more rows; the last ones end the build."""
        found = self.found(name)
        assert found.built is not None
        found.built += rows
        if found.built >= sum(found.rows.values()):
            found.built = None

    def fail_builds(self, why: str | None) -> None:
        """From now on no index is built, for this reason; with None, those that failed are."""
        self._build_failure = why

    def load_slowly(self) -> None:
        """From now on a load goes on when the test says so, by `load_part`."""
        self._loads_slowly = True

    def load_part(self, name: str, percent: int) -> None:
        """Load the collection up to so much; 100 ends the load."""
        found = self.found(name)
        assert found.load.state == "Loading"
        if percent < 100:
            found.load = ObservedLoad(state="Loading", progress=percent)
        else:
            found.load = ObservedLoad(state="Loaded", replicas=found.copies)

    def fail_loads(self, why: str | None) -> None:
        """From now on there is no memory for a load, in these words; with None there is again."""
        self._load_failure = why

    def restarted(self, *, is_empty: bool = False, forgets: bool = False) -> None:
        """Come up anew: what was in memory is being loaded again, or is not if the server
        `forgets`, as milvus-lite does.
        """
        super().restarted(is_empty=is_empty)
        if is_empty:
            self.databases = {DEFAULT_DATABASE}
        for found in map(self.found, self.collections):
            if found.load.state != "NotLoaded":
                found.load = NOT_IN_MEMORY
                if not forgets:
                    self._begin_load(found)

    # What the port asks.

    def check_login(self, login: Login | None) -> None:
        if self.login is not None and (login is None or login.token != self.login):
            raise EngineUnauthenticated("auth check failure, please check username and password")

    def found(self, name: str) -> MilvusCollection:
        self._check_database(name)
        found = self._named(name)
        if found is None:
            raise refused(NO_COLLECTION, f"can't find collection[collection={name}]")
        return found

    def describe(self, name: str) -> ObservedCollection | None:
        """An alias is described as the collection that it is for."""
        self._check_database(name)
        found = self._named(name)
        if found is None:
            return None
        return ObservedCollection(
            schema=msgspec.structs.replace(found.schema, metric_type=found.metric),
            partitions=frozenset(found.rows) - {DEFAULT},
            aliases=frozenset(found.aliases),
            properties=dict(found.properties),
            other_fields=found.other_fields,
        )

    def describe_index(self, name: str) -> ObservedIndex:
        found = self.found(name)
        if found.metric is None:
            return ObservedIndex(index=None, missing=True)
        rows = sum(found.rows.values())
        has_failed = self._build_failure is not None and rows > 0
        if found.built is None and not has_failed:
            return ObservedIndex(index=found.index)
        progress = None if has_failed else IndexProgress(built=found.built or 0, total=rows)
        return ObservedIndex(index=found.index, progress=progress, failure=self._build_failure)

    def set_index(self, name: str, index: Index | None, metric_type: str | None = None) -> None:
        found = self.found(name)
        metric = metric_type or ("HAMMING" if found.is_binary else "COSINE")
        check_metric(metric, is_binary=found.is_binary)
        if index is not None:
            check_index(index, metric, found.schema)
        found.load = NOT_IN_MEMORY
        found.index, found.metric = as_it_is_told(index), metric
        found.built = 0 if self._builds_slowly and any(found.rows.values()) else None

    def search_once(self, schema: CollectionSchema) -> None:
        if self.found(schema.name).load.state != "Loaded":
            raise refused(NOT_LOADED, f"collection not loaded[collection={schema.name}]")

    def create(
        self, schema: CollectionSchema, properties: Mapping[str, str] = NO_PROPERTIES
    ) -> None:
        self._check_database(schema.name)
        check_schema(schema)
        if self._named(schema.name) is not None:
            raise refused(BAD_PARAMETER, f"collection {schema.name} already exists")
        self.collections[schema.name] = MilvusCollection(
            msgspec.structs.replace(
                schema,
                index_file_size=None,
                metric_type=None,
                shards=schema.shards or 1,
                consistency_level=schema.consistency_level or "Bounded",
            ),
            is_binary=schema.metric_type in BINARY,
            properties=dict(properties),
        )

    def drop(self, name: str) -> None:
        if name not in self.collections and self._named(name) is not None:
            raise refused(BAD_PARAMETER, f"cannot drop the collection via alias = {name}")
        super().drop(name)

    def create_partition(self, name: str, tag: str) -> None:
        rows = self.found(name).rows
        if not is_name(tag) or tag in rows:
            raise refused(OTHER, f"partition {tag!r} exists or has no good name")
        rows[tag] = 0

    # What only an engine is asked that loads collections.

    def describe_load(self, name: str) -> ObservedLoad:
        return self.found(name).load

    def load(self, name: str, replicas: int) -> None:
        found = self.found(name)
        if found.metric is None:
            raise refused(NO_INDEX, "there is no vector index on field: [vector]")
        if self._load_failure is not None:
            raise refused(MEMORY, self._load_failure)
        if replicas > self.query_nodes:
            reason = f"{replicas} replicas need as many query nodes, and there are fewer"
            raise refused(BAD_PARAMETER, reason)
        if found.load.state != "NotLoaded" and found.copies == replicas:
            return
        found.copies = replicas
        self._begin_load(found)

    def release(self, name: str) -> None:
        self.found(name).load = NOT_IN_MEMORY

    def alter_properties(
        self, name: str, changed: Mapping[str, str], deleted: Collection[str]
    ) -> None:
        found = self.found(name)
        fixed = [key for key in (*changed, *deleted) if key.startswith(NOT_WHILE_LOADED)]
        if fixed and found.load.state != "NotLoaded":
            raise refused(LOADED, f"can not alter {', '.join(fixed)} if collection loaded")
        kept = {key: value for key, value in found.properties.items() if key not in deleted}
        found.properties = kept | dict(changed)

    def list_databases(self) -> frozenset[str]:
        return frozenset(self.databases)

    def create_database(self, database: str) -> None:
        if not is_name(database) or database in self.databases:
            raise refused(BAD_PARAMETER, f"database {database!r} exists or has no good name")
        self.databases.add(database)

    def _begin_load(self, found: MilvusCollection) -> None:
        found.load = ObservedLoad(state="Loading", progress=0)
        if not self._loads_slowly:
            found.load = ObservedLoad(state="Loaded", replicas=found.copies)

    def _named(self, name: str) -> MilvusCollection | None:
        """Return the collection that has the name, or the alias."""
        database, _, own = name.rpartition("/")
        for full, found in self.collections.items():
            assert isinstance(found, MilvusCollection)
            is_alias = full.rpartition("/")[0] == database and own in found.aliases
            if full == name or is_alias:
                return found
        return None

    def _check_database(self, name: str) -> None:
        database = name.rpartition("/")[0] or DEFAULT_DATABASE
        if database not in self.databases:
            raise refused(NO_DATABASE, f"database not found[database={database}]")
