"""Collections as wholes: created, described, altered, dropped, and their aliases."""

from google.protobuf.message import Message

from quiver_proto import milvus2_pb2 as pb
from support.milvus_server.catalog import (
    DEFAULT_PARTITION,
    Catalog,
    Stored,
    entries,
    pairs,
)
from support.milvus_server.default_rules import told
from support.milvus_server.names import is_name
from support.milvus_server.properties import check_properties
from support.milvus_server.refusals import NAME_TAKEN, NO_ALIAS, Refusal, wrong
from support.milvus_server.schema_rules import as_read, check_collection, check_schema

HIDDEN_PARTITIONS = 16
"""How many a partition key spreads rows over, unless the client says."""


class Collections:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def show(self, request: pb.ShowCollectionsRequest) -> Message:
        there = self._catalog.database(request.db_name)
        return pb.ShowCollectionsResponse(collection_names=list(there))

    def has(self, request: pb.HasCollectionRequest) -> Message:
        found = self._catalog.find(request.db_name, request.collection_name)
        return pb.BoolResponse(value=found is not None)

    def describe(self, request: pb.DescribeCollectionRequest) -> Message:
        """Fields come in the order of their creation, that of dynamic values never."""
        found = self._catalog.get(request.db_name, request.collection_name)
        schema = pb.CollectionSchema()
        schema.CopyFrom(found.schema)
        del schema.fields[:]
        schema.fields.extend(told(field) for field in found.schema.fields)
        return pb.DescribeCollectionResponse(
            schema=schema,
            collection_id=found.id,
            shards_num=found.shards,
            aliases=sorted(found.aliases),
            consistency_level=pb.ConsistencyLevel.ValueType(found.level),
            collection_name=schema.name,
            properties=pairs(found.properties),
        )

    def create(self, request: pb.CreateCollectionRequest) -> None:
        """The same collection once more is accepted."""
        there = self._catalog.database(request.db_name)
        schema = pb.CollectionSchema.FromString(request.schema)
        check_collection(request, schema)
        as_read(schema, self._catalog.version)
        check_schema(schema, self._catalog.version)
        properties = entries(request.properties)
        check_properties(properties)
        found = self._catalog.find(request.db_name, request.collection_name)
        if found is None:
            there[schema.name] = self._stored(request, schema, properties)
        elif schema.name in found.aliases:
            raise Refusal(NAME_TAKEN, f"collection name [{schema.name}] conflicts with an alias")
        elif found.schema != schema:
            raise wrong("create duplicate collection with different parameters")

    def drop(self, request: pb.DropCollectionRequest) -> None:
        """Dropping what is not there is done."""
        there = self._catalog.database(request.db_name)
        name = request.collection_name
        if name not in there and self._catalog.find(request.db_name, name) is not None:
            raise wrong(f"cannot drop the collection via alias = {name}")
        there.pop(name, None)

    def create_alias(self, request: pb.CreateAliasRequest) -> None:
        found = self._catalog.get(request.db_name, request.collection_name)
        if not is_name(request.alias):
            raise wrong(f"Invalid collection alias: {request.alias}")
        if self._catalog.find(request.db_name, request.alias) is not None:
            raise Refusal(NAME_TAKEN, f"{request.alias} is the name of another one")
        found.aliases.add(request.alias)

    def drop_alias(self, request: pb.DropAliasRequest) -> None:
        found = self._catalog.find(request.db_name, request.alias)
        if found is None or request.alias not in found.aliases:
            raise Refusal(NO_ALIAS, f"alias not found[alias={request.alias}]")
        found.aliases.discard(request.alias)

    def _stored(
        self,
        request: pb.CreateCollectionRequest,
        schema: pb.CollectionSchema,
        properties: dict[str, str],
    ) -> Stored:
        if any(field.is_partition_key for field in schema.fields):
            names = [f"{DEFAULT_PARTITION}_{number}" for number in range(HIDDEN_PARTITIONS)]
        else:
            names = [DEFAULT_PARTITION]
        return Stored(
            id=self._catalog.next_id(),
            schema=schema,
            shards=request.shards_num or 1,
            level=request.consistency_level,
            properties=properties,
            partitions=dict.fromkeys(names, 0),
        )
