"""A server in memory that answers as Milvus 2.x and 3.x do, behind the engine port.

`tests/conformance` holds it against the driver and running servers.
"""

from collections.abc import Collection, Mapping

import msgspec

from quiver.adapters.milvus.errors import EXISTS
from quiver.domain.access import Login
from quiver.domain.collections import (
    CollectionSchema,
    Index,
    IndexProgress,
    ObservedCollection,
    ObservedIndex,
)
from quiver.domain.milvus_versions import (
    Feature,
    MilvusVersion,
    can,
    needed,
    parse_version,
)
from quiver.ports.engines import NO_PROPERTIES
from quiver.ports.errors import EngineRefused, EngineUnauthenticated
from support.fake_server import DEFAULT
from support.milvus_codes import (
    BAD_PARAMETER,
    LOADED,
    NOT_LOADED,
    UNIMPLEMENTED,
    refused,
    standing,
)
from support.milvus_memory import NOT_IN_MEMORY, MilvusCollection, MilvusMemory
from support.milvus_rules import (
    BINARY,
    as_it_is_told,
    check_index,
    check_metric,
    check_schema,
    is_met,
    is_name,
)

NOT_WHILE_LOADED = ("mmap.enabled", "warmup.")


class FakeMilvus(MilvusMemory):
    """`login` is what the server wants to be told; None if it asks for none."""

    told_version = "v2.6.4"

    def __init__(self) -> None:
        super().__init__()
        self.login: str | None = None
        self._builds_slowly = False
        self._build_failure: str | None = None

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

    # What the port asks.

    def check_login(self, login: Login | None) -> None:
        if self.login is not None and (login is None or login.token != self.login):
            raise EngineUnauthenticated("auth check failure, please check username and password")

    def describe(self, name: str) -> ObservedCollection | None:
        """An alias is described as the collection that it is for."""
        self.check_database(name)
        found = self.named(name)
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
        """As the driver does it: an index that is refused leaves all as it was."""
        found = self.found(name)
        default = "HAMMING" if found.is_binary else "L2"
        metric = metric_type or found.metric or default
        if found.metric is not None:
            has_failed = self.describe_index(name).failure is not None
            if metric == found.metric and not has_failed and is_met(index, found.index):
                return
        check_metric(metric, is_binary=found.is_binary)
        if index is not None:
            check_index(index, metric, found.schema, self._version)
        found.load = NOT_IN_MEMORY
        found.index, found.metric = as_it_is_told(index, self._version), metric
        found.built = 0 if self._builds_slowly and any(found.rows.values()) else None

    def take_index(self, name: str) -> None:
        """Release the collection, and leave it without an index."""
        found = self.found(name)
        found.load, found.index, found.metric = NOT_IN_MEMORY, None, None

    def search_once(self, schema: CollectionSchema) -> None:
        if self.found(schema.name).load.state != "Loaded":
            raise refused(NOT_LOADED, f"collection not loaded[collection={schema.name}]")

    def create(
        self, schema: CollectionSchema, properties: Mapping[str, str] = NO_PROPERTIES
    ) -> None:
        self.check_database(schema.name)
        check_schema(schema)
        if self.named(schema.name) is not None:
            raise EngineRefused(EXISTS, f"{schema.name} is taken by a collection or an alias")
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
        """Dropping what is not there, in whatever database, is done."""
        if name not in self.collections and self.named(name) is not None:
            raise refused(BAD_PARAMETER, f"cannot drop the collection via alias = {name}")
        super().drop(name)

    def create_partition(self, name: str, tag: str) -> None:
        rows = self.found(name).rows
        if tag in rows:
            raise EngineRefused(EXISTS, f"the partition {tag!r} exists", retriable=True)
        if not is_name(tag):
            raise standing(f"Invalid partition name: {tag}")
        rows[tag] = 0

    # What only an engine is asked that loads collections.

    def alter_properties(
        self, name: str, changed: Mapping[str, str], deleted: Collection[str]
    ) -> None:
        found = self.found(name)
        fixed = [key for key in (*changed, *deleted) if key.startswith(NOT_WHILE_LOADED)]
        if fixed and found.load.state != "NotLoaded":
            raise refused(LOADED, f"can not alter {', '.join(fixed)} if collection loaded")
        if deleted:
            self._require(Feature.DELETE_PROPERTIES)
        found.properties |= changed
        for key in deleted:
            found.properties.pop(key, None)

    def list_databases(self) -> frozenset[str]:
        return frozenset(self.databases)

    def create_database(self, database: str) -> None:
        self._require(Feature.DATABASES)
        if not is_name(database) or database in self.databases:
            raise refused(BAD_PARAMETER, f"database {database!r} exists or has no good name")
        self.databases.add(database)

    @property
    def _version(self) -> MilvusVersion | None:
        return parse_version(self.told_version)

    def _require(self, feature: Feature) -> None:
        if not can(self._version, feature):
            raise refused(UNIMPLEMENTED, f"{needed(feature)}, and this is {self.told_version}")
