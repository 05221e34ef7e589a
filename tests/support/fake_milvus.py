"""A server in memory that answers as Milvus 2.x and 3.x do, behind the engine port.

`tests/conformance` holds it against the driver and running servers, as far as these go: Milvus
2.3.5 and milvus-lite 3.2.2. No later server can be had. What those lack (fields and functions that
are added, indexes by field and version, what is refused while a collection is loaded) follows
Milvus' sources, 2.4 to 3.0, and its release notes.
"""

from collections.abc import Collection, Mapping

import msgspec

from quiver.adapters.milvus.errors import EXISTS
from quiver.domain.access import Login
from quiver.domain.collection_schemas import CollectionSchema, ObservedCollection
from quiver.domain.milvus_features import features_unread
from quiver.domain.milvus_forms import VECTOR_FIELD, short_form
from quiver.domain.milvus_versions import Feature, can
from quiver.ports.engines import NO_PROPERTIES
from quiver.ports.errors import EngineRefused, EngineUnauthenticated
from support.fake_server import DEFAULT
from support.milvus_codes import BAD_PARAMETER, LOADED, NO_INDEX, NOT_LOADED, refused, standing
from support.milvus_growth import DYNAMIC, MilvusGrowth
from support.milvus_memory import MilvusCollection
from support.milvus_rules import check_schema, is_name

NOT_WHILE_LOADED = ("mmap.enabled", "warmup.")


class FakeMilvus(MilvusGrowth):
    """`login` is what the server wants to be told; None if it asks for none. `told_version` decides
    what it can do.
    """

    told_version = "v2.6.4"

    def __init__(self) -> None:
        super().__init__()
        self.login: str | None = None

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

    def search_once(self, schema: CollectionSchema) -> None:
        found = self.found(schema.name)
        if found.load.state != "Loaded":
            raise refused(NOT_LOADED, f"collection not loaded[collection={schema.name}]")
        form = schema.form or short_form(schema.dimension, schema.metric_type)
        for field in form.vectors:
            if field.name not in found.indexes:
                raise refused(NO_INDEX, f"there is no vector index on field: [{field.name}]")

    def create(
        self, schema: CollectionSchema, properties: Mapping[str, str] = NO_PROPERTIES
    ) -> None:
        self.check_database(schema.name)
        form = schema.form or short_form(schema.dimension, schema.metric_type)
        for feature in features_unread(form):
            self._require(feature)
        check_schema(schema, form, self.version)
        if self.named(schema.name) is not None:
            raise EngineRefused(EXISTS, f"{schema.name} is taken by a collection or an alias")
        vector = form.find(VECTOR_FIELD)
        self.collections[schema.name] = MilvusCollection(
            msgspec.structs.replace(
                schema,
                dimension=(vector and vector.dimension) or 0,
                index_file_size=None,
                metric_type=None,
                shards=schema.shards or 1,
                consistency_level=schema.consistency_level or "Bounded",
                form=form,
            ),
            properties=dict(properties),
        )

    def drop(self, name: str) -> None:
        """Dropping what is not there, in whatever database, is done."""
        if name not in self.collections and self.named(name) is not None:
            raise refused(BAD_PARAMETER, f"cannot drop the collection via alias = {name}")
        super().drop(name)

    def create_partition(self, name: str, tag: str) -> None:
        found = self.found(name)
        rows = found.rows
        if any(field.partition_key for field in found.form.fields):
            reason = "disable create partition if partition key mode is used"
            raise refused(BAD_PARAMETER, reason)
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
        if DYNAMIC in changed and can(self.version, Feature.ENABLE_DYNAMIC_FIELDS):
            if len(changed) + len(deleted) > 1:
                reason = "cannot alter dynamic schema with other properties"
                raise refused(BAD_PARAMETER, reason)
            self._enable_dynamic_fields(found, changed[DYNAMIC])
            return
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
