"""Milvus' own client, pymilvus 3.0.2, and the fakes of servers that cannot be had: it drives them,
and sees there what Quiver does.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from machine.milvus_servers import pymilvus_python
from quiver.adapters.milvus.driver import MilvusEngines
from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.milvus_fields import Field, Form, Function
from quiver.domain.milvus_forms import differences
from quiver.ports.engines import EngineClient, Fields
from support.field_kinds import index
from support.milvus_server.server import FakeMilvusServer

MAKE = """
import json, sys
from pymilvus import DataType, Function, FunctionType, MilvusClient, MilvusException

client, name = MilvusClient(uri="http://" + sys.argv[1]), "docs"
schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=64)
schema.add_field("tenant", DataType.VARCHAR, max_length=64, is_partition_key=True)
schema.add_field("title", DataType.VARCHAR, max_length=512, enable_analyzer=True)
schema.add_field("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=4,
                 max_length=16)
schema.add_field("seen", DataType.INT64, nullable=True, default_value=7)
schema.add_field("at", DataType.TIMESTAMPTZ, nullable=True,
                 default_value="2026-01-01T02:00:00+02:00")
schema.add_field("about", DataType.JSON)
schema.add_field("terms", DataType.SPARSE_FLOAT_VECTOR)
schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=8)
schema.add_function(Function("bm25", FunctionType.BM25, ["title"], ["terms"]))
indexes = client.prepare_index_params()
indexes.add_index("embedding", index_name="by_meaning", index_type="HNSW", metric_type="COSINE",
                  params={"M": 16, "efConstruction": 64})
indexes.add_index("terms", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
indexes.add_index("title", index_name="by_title", index_type="INVERTED")
client.create_collection(name, schema=schema, index_params=indexes)
year = {"field_name": "year", "data_type": DataType.INT64, "nullable": True}
client.add_collection_field(name, **year)
try:
    client.add_collection_field(name, **year)
except MilvusException as error:
    again = error.code
client.alter_collection_field(name, field_name="title", field_params={"max_length": 1024})
client.alter_collection_properties(name, {"dynamicfield.enabled": True})
client.search(name, ["words"], anns_field="terms", limit=1)
client.search(name, [[0.5] * 8], anns_field="embedding", limit=1)
print(json.dumps({"again": again, "partitions": len(client.list_partitions(name))}))
"""
SEE = """
import json, sys
from pymilvus import MilvusClient

client, name = MilvusClient(uri="http://" + sys.argv[1]), "docs"
about = client.describe_collection(name)
fields = {f["name"]: f for f in about["fields"]}
print(json.dumps({"fields": list(fields), "title": fields["title"]["params"],
    "functions": [f["name"] for f in about["functions"]],
    "state": str(client.get_load_state(name)["state"]),
    "indexes": {i: client.describe_index(name, i)["index_type"]
                for i in client.list_indexes(name)}}))
"""
TITLE = Field(
    name="title",
    type="VarChar",
    max_length=1024,
    # All that pymilvus sends is text.
    params={"enable_analyzer": "true"},
)
EMBEDDING = Field(name="embedding", type="FloatVector", dimension=8)
TERMS = Field(name="terms", type="SparseFloatVector")
BM25 = Function(name="bm25", type="BM25", input_fields=("title",), output_fields=("terms",))
HNSW = index("embedding", "HNSW", "COSINE", M=16, efConstruction=64)
MADE = Form(
    fields=(
        Field(name="key", type="VarChar", max_length=64, primary_key=True),
        Field(name="tenant", type="VarChar", max_length=64, partition_key=True),
        TITLE,
        Field(name="tags", type="Array", element_type="VarChar", max_capacity=4, max_length=16),
        Field(name="seen", type="Int64", nullable=True, default=7),
        Field(name="at", type="Timestamptz", nullable=True, default="2026-01-01T00:00:00Z"),
        Field(name="about", type="JSON"),
        TERMS,
        EMBEDDING,
        Field(name="year", type="Int64", nullable=True),
    ),
    dynamic_fields=True,
    functions=(BM25,),
)


@pytest.fixture
async def server() -> AsyncIterator[FakeMilvusServer]:
    async with FakeMilvusServer(version="v3.0.0", has_storage_v3=True) as running:
        yield running


@pytest.fixture
async def client(server: FakeMilvusServer) -> AsyncIterator[EngineClient]:
    engines = MilvusEngines()
    yield engines.at(Target(server.address, "Milvus"))
    await engines.close()


@pytest.fixture
def fields(client: EngineClient) -> Fields:
    assert client.fields is not None
    return client.fields


async def pymilvus(script: str, address: str) -> Any:
    """Run a script with pymilvus; return what it prints as JSON."""
    python = await asyncio.to_thread(pymilvus_python)
    process = await asyncio.create_subprocess_exec(
        str(python), "-c", script, address, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(said)


async def test_what_pymilvus_makes_and_grows_is_described(
    server: FakeMilvusServer, client: EngineClient, fields: Fields
) -> None:
    """Field by field, with indexes of names that Quiver would not give."""
    said = await pymilvus(MAKE, server.address)
    assert said == {"again": 1100, "partitions": 16}
    found = await client.describe("docs")
    assert found is not None
    assert found.schema.form is not None
    assert [*differences(MADE, found.schema.form)] == []
    assert (found.other_fields, found.partitions) == ((), frozenset())
    indexes = await fields.describe_indexes("docs")
    assert HNSW.is_met_by(indexes["embedding"].index)
    assert {name: each.index.type for name, each in indexes.items()} == {
        "embedding": "HNSW",
        "terms": "SPARSE_INVERTED_INDEX",
        "title": "INVERTED",
    }
    await fields.drop_field_index("docs", "title")
    await fields.set_field_index("docs", index("embedding", "FLAT", "IP"))
    assert server.catalog.get("", "docs").indexes.keys() == {"embedding", "terms"}


async def test_what_quiver_makes_and_grows_is_seen_by_pymilvus(
    server: FakeMilvusServer, client: EngineClient, fields: Fields
) -> None:
    """With the function and the field that come later."""
    form = Form(fields=(Field(name="id", type="Int64", primary_key=True), TITLE, EMBEDDING))
    await client.create(CollectionSchema(name="docs", form=form))
    await fields.add_function("docs", BM25, TERMS)
    await fields.add_field("docs", Field(name="year", type="Int64", nullable=True))
    await fields.alter_field("docs", "title", {"max_length": "2048"})
    await fields.set_field_index("docs", HNSW)
    assert client.loads is not None
    await client.loads.load("docs", 1)
    assert await pymilvus(SEE, server.address) == {
        "fields": ["id", "title", "embedding", "terms", "year"],
        "title": {"max_length": 2048, "enable_analyzer": "true"},
        "functions": ["bm25"],
        "state": "Loaded",
        "indexes": {"terms": "SPARSE_INVERTED_INDEX", "embedding": "HNSW"},
    }
