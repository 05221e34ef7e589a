"""Milvus' own client, pymilvus 3.0.2, and Quiver see the same of each other's collections."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from machine.milvus_servers import MilvusLiteServer, MilvusServer, pymilvus_python
from quiver.adapters.milvus.driver import MilvusEngines
from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema, ObservedIndex
from quiver.domain.indexes import Index
from quiver.domain.milvus_fields import Field, Form
from quiver.ports.engines import EngineClient

pytestmark = pytest.mark.xdist_group("milvus")

HNSW = Index(type="HNSW", params={"M": 16, "efConstruction": 64})
READ = """
import json, sys
from pymilvus import MilvusClient

client, name = MilvusClient(uri="http://" + sys.argv[1]), sys.argv[2]
client.insert(name, [{"vector": [float(n)] * 8, "title": f"t{n}"} for n in range(3)])
found = client.search(name, [[2.0] * 8], limit=1, output_fields=["title"],
                      consistency_level="Strong")
about = client.describe_collection(name)
index = client.describe_index(name, client.list_indexes(name)[0])
print(json.dumps({"title": found[0][0]["entity"]["title"], "owner": about["properties"]["owner"],
    "dynamic": about["enable_dynamic_field"], "fields": [f["name"] for f in about["fields"]],
    "partitions": sorted(client.list_partitions(name)), "metric": index["metric_type"]}))
"""
MAKE = """
import sys
from pymilvus import DataType, MilvusClient

client, name = MilvusClient(uri="http://" + sys.argv[1]), sys.argv[2]
schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=64)
schema.add_field("tenant", DataType.INT64)
schema.add_field("vector", DataType.FLOAT_VECTOR, dim=16)
index = client.prepare_index_params()
index.add_index("vector", index_type="HNSW", metric_type="COSINE",
                params={"M": 16, "efConstruction": 64})
client.create_collection(name, schema=schema, index_params=index,
                         properties={"collection.ttl.seconds": 60})
client.create_partition(name, "a")
"""

MADE = Form(
    fields=(
        Field(name="key", type="VarChar", max_length=64, primary_key=True),
        Field(name="tenant", type="Int64"),
        Field(name="vector", type="FloatVector", dimension=16),
    )
)
"""What the script makes."""


@pytest.fixture(params=["milvus", "milvus-lite"])
def address(request: pytest.FixtureRequest) -> str:
    fixture = {"milvus": "milvus_server", "milvus-lite": "milvus_lite_server"}[request.param]
    server: MilvusServer | MilvusLiteServer = request.getfixturevalue(fixture)
    return server.address


@pytest.fixture
async def client(address: str) -> AsyncIterator[EngineClient]:
    engines = MilvusEngines()
    yield engines.at(Target(address, "Milvus"))
    await engines.close()


@pytest.fixture
def name() -> str:
    return f"c_{uuid.uuid4().hex[:8]}"


async def pymilvus(script: str, *arguments: str) -> Any:
    """Run a script with pymilvus; return what it prints as JSON."""
    python = await asyncio.to_thread(pymilvus_python)
    process = await asyncio.create_subprocess_exec(
        str(python), "-c", script, *arguments, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(said or b"null")


async def test_what_quiver_makes_is_used_by_pymilvus(
    address: str, client: EngineClient, name: str
) -> None:
    """Rows with any fields go in and are found."""
    schema = CollectionSchema(name=name, dimension=8, metric_type="L2")
    assert client.loads is not None
    await client.create(schema, {"owner": "0b0e"})
    await client.create_partition(name, "a")
    await client.set_index(name, HNSW, "L2")
    await client.loads.load(name, 1)
    assert await pymilvus(READ, address, name) == {
        "title": "t2",
        "owner": "0b0e",
        "dynamic": True,
        "fields": ["id", "vector"],
        "partitions": ["_default", "a"],
        "metric": "L2",
    }


async def test_what_pymilvus_makes_is_described(
    address: str, client: EngineClient, name: str
) -> None:
    """Field by field; numbers may have become words."""
    await pymilvus(MAKE, address, name)
    found = await client.describe(name)
    assert found is not None
    assert (found.schema.dimension, found.schema.metric_type) == (16, "COSINE")
    assert (found.schema.form, found.other_fields) == (MADE, ())
    assert found.partitions == {"a"}
    assert found.properties == {"collection.ttl.seconds": "60"}
    index = (await client.describe_index(name)).index
    assert index is not None
    assert index.type == "HNSW"
    if not (await client.version()).startswith("milvus_lite"):  # which forgets its parameters
        assert HNSW.is_met_by(index)
    await client.set_index(name, index, "COSINE")
    assert await client.describe_index(name) == ObservedIndex(index=index)
