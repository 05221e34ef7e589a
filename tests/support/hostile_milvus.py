"""What a server of Milvus 2.x that is out to do harm is asked, and how it answers."""

from types import NoneType
from typing import Any

from google.protobuf.message_factory import GetMessageClass

from quiver.domain.collection_schemas import (
    CollectionSchema,
    ObservedCollection,
    ObservedIndex,
    ObservedLoad,
)
from quiver.domain.indexes import Index
from quiver.domain.milvus_fields import Field, FieldIndex, Form, Function
from quiver.domain.milvus_forms import short_form
from quiver.domain.troubles import EngineReport
from quiver.ports.engines import EngineClient, Fields, Loads
from quiver_proto import milvus2_pb2 as pb
from support.hostile_server import Answer, Calls

METHODS = {
    method.name: method for method in pb.DESCRIPTOR.services_by_name["MilvusService"].methods
}
HNSW = Index(type="HNSW", params={"M": 16, "efConstruction": 64})
SCHEMA = CollectionSchema(
    name="docs",
    dimension=8,
    metric_type="IP",
    shards=1,
    consistency_level="Strong",
    form=short_form(8, "IP"),
)
FORM = Form(
    fields=(
        Field(name="id", type="Int64", primary_key=True),
        Field(name="body", type="VarChar", max_length=64, default="x"),
        Field(name="terms", type="SparseFloatVector"),
    ),
    functions=(
        Function(name="bm25", type="BM25", input_fields=("body",), output_fields=("terms",)),
    ),
)
"""A long form."""
OF_VECTOR = FieldIndex(field="vector", type="IVF_FLAT", metric_type="L2", params={"nlist": 8})
TITLE = Field(name="title", type="VarChar", max_length=64, nullable=True)
EMBEDDING = Function(
    name="embed",
    type="TextEmbedding",
    input_fields=("body",),
    output_fields=("vector",),
    params={"url": "http://x"},
)
OK = pb.Status()
NOTHING = (NoneType,)


def loads_of(client: EngineClient) -> Loads:
    assert client.loads is not None
    return client.loads


def fields_of(client: EngineClient) -> Fields:
    assert client.fields is not None
    return client.fields


CALLS: Calls = {
    "version": (lambda c: c.version(), (str,)),
    "instance": (lambda c: c.instance(), NOTHING),
    "report": (lambda c: c.report(), (EngineReport,)),
    "list_collections": (lambda c: c.list_collections(), (frozenset,)),
    "describe": (lambda c: c.describe("docs"), (ObservedCollection, NoneType)),
    "describe_there": (lambda c: c.describe("d/docs"), (ObservedCollection, NoneType)),
    "count_rows": (lambda c: c.count_rows("docs"), (int,)),
    "count_rows_of": (lambda c: c.count_rows("docs", "2024"), (int,)),
    "describe_index": (lambda c: c.describe_index("docs"), (ObservedIndex,)),
    "set_index": (lambda c: c.set_index("docs", HNSW, "IP"), NOTHING),
    "drop_index": (lambda c: c.set_index("docs", None), NOTHING),
    "search_once": (lambda c: c.search_once(SCHEMA), NOTHING),
    "create": (lambda c: c.create(SCHEMA, {"a": "b"}), NOTHING),
    "drop": (lambda c: c.drop("docs"), NOTHING),
    "create_partition": (lambda c: c.create_partition("docs", "2024"), NOTHING),
    "drop_partition": (lambda c: c.drop_partition("docs", "2024"), NOTHING),
    "describe_load": (lambda c: loads_of(c).describe_load("docs"), (ObservedLoad,)),
    "load": (lambda c: loads_of(c).load("docs", 2), NOTHING),
    "release": (lambda c: loads_of(c).release("docs"), NOTHING),
    "alter": (lambda c: loads_of(c).alter_properties("docs", {"a": "b"}, ["c"]), NOTHING),
    "list_databases": (lambda c: loads_of(c).list_databases(), (frozenset,)),
    "create_database": (lambda c: loads_of(c).create_database("d"), NOTHING),
    "create_long": (
        lambda c: c.create(CollectionSchema(name="docs", form=FORM), {"a": "b"}),
        NOTHING,
    ),
    "search_long": (lambda c: c.search_once(CollectionSchema(name="docs", form=FORM)), NOTHING),
    "describe_indexes": (lambda c: fields_of(c).describe_indexes("docs"), (dict,)),
    "set_field_index": (lambda c: fields_of(c).set_field_index("docs", OF_VECTOR), NOTHING),
    "drop_field_index": (lambda c: fields_of(c).drop_field_index("docs", "vector"), NOTHING),
    "add_field": (lambda c: fields_of(c).add_field("docs", TITLE), NOTHING),
    "alter_field": (
        lambda c: fields_of(c).alter_field("docs", "vector", {"mmap.enabled": "true"}),
        NOTHING,
    ),
    "add_function": (lambda c: fields_of(c).add_function("docs", EMBEDDING, None), NOTHING),
    "add_function_there": (
        lambda c: fields_of(c).add_function("docs", FORM.functions[0], FORM.fields[2]),
        NOTHING,
    ),
    "alter_function": (lambda c: fields_of(c).alter_function("docs", EMBEDDING), NOTHING),
}


def answer_of(method: str, status: pb.Status, **fields: Any) -> bytes:
    """Return the method's answer with the status; of the fields, those that it has."""
    type_ = METHODS[method].output_type
    if type_.name == "Status":
        return status.SerializeToString()
    known = {name: value for name, value in fields.items() if name in type_.fields_by_name}
    return GetMessageClass(type_)(status=status, **known).SerializeToString()


def always(status: pb.Status, **fields: Any) -> Answer:
    return lambda method: answer_of(method, status, **fields)


def honest(**fields: Any) -> Answer:
    """Return the answers of a server with one loaded collection, `docs`, but for some fields."""
    return always(OK, **{**HONEST, **fields})


def pairs(**entries: str) -> list[pb.KeyValuePair]:
    return [pb.KeyValuePair(key=key, value=value) for key, value in entries.items()]


def described(*fields: pb.FieldSchema, **more: Any) -> pb.CollectionSchema:
    """Return a schema of the short form, or of the given fields."""
    key = pb.FieldSchema(name="id", is_primary_key=True, data_type=pb.INT64, auto_id=True)
    vector = pb.FieldSchema(name="vector", data_type=pb.FLOAT_VECTOR, type_params=pairs(dim="8"))
    form = {"name": "docs", "enable_dynamic_field": True, "fields": fields or (key, vector)}
    return pb.CollectionSchema(**{**form, **more})


def index_of(**more: Any) -> pb.IndexDescription:
    params = pairs(index_type="HNSW", metric_type="IP", params='{"M": 16, "efConstruction": 64}')
    plain = {"field_name": "vector", "state": pb.FINISHED, "params": params}
    return pb.IndexDescription(**{**plain, **more})


HONEST: dict[str, Any] = {
    "version": "v3.0.0",
    "db_names": ["default", "d"],
    "collection_names": ["docs"],
    "partition_names": ["_default", "2024"],
    "schema": described(),
    "shards_num": 1,
    "stats": pairs(row_count="5"),
    "index_descriptions": [index_of()],
    "state": pb.LOADED,
    "replicas": [pb.ReplicaInfo()],
    "flushed": True,
}
