"""What a running server says of a collection is a spec that changes nothing there."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import yaml
from msgspec.structs import replace

from machine.milvus_servers import MilvusLiteServer, MilvusServer
from quiver.adapters.milvus.driver import MilvusEngines
from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.collections import EngineRef, MilvusSpec, VectorCollection
from quiver.domain.exported import OnMilvus, export_from_milvus
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.milvus_forms import Growth, growth
from quiver.domain.milvus_indexes import metric_of, plain_index
from quiver.ports.engines import EngineClient
from quiver.reconcile.collections.field_indexing import is_met
from support.builders import metadata
from support.milvus_schemas import GOOD_SCHEMAS, ON_2_3, in_default_database
from support.milvus_server.server import FakeMilvusServer
from support.waiting import eventually

pytestmark = pytest.mark.xdist_group("milvus")
LOAD_S = 60.0


SAMPLES = Path(__file__).resolve().parents[2] / "manifests/samples/collections-milvus-schemas.yaml"
FROM_DOCS: dict[str, Manifest] = {
    f"sample {manifest['metadata']['name']}": manifest["spec"]["milvus"]
    for manifest in yaml.safe_load_all(SAMPLES.read_text())
}
NULLABLE: Manifest = {
    "schema": {
        "fields": [
            {"name": "id", "type": "Int64", "primaryKey": True},
            {"name": "title", "type": "VarChar", "maxLength": 64, "nullable": True},
            {"name": "stock", "type": "Int32", "default": 7},
            {"name": "place", "type": "Geometry", "nullable": True},
            {"name": "at", "type": "Timestamptz", "nullable": True},
            {"name": "embedding", "type": "FloatVector", "dimension": 8},
        ]
    }
}
STORIES = GOOD_SCHEMAS | FROM_DOCS | {"nullable": NULLABLE}
ON_LITE = (
    "hybrid search over vectors of the client's",
    "many tenants",
    "logs that expire",
    "sample passages",
    "sample notes",
    "nullable",
)
HAS = {
    "milvus": (*ON_2_3, *(name for name in FROM_DOCS if name != "sample passages")),
    "milvus-lite": ON_LITE,
    "v3.0.0": (*STORIES,),
}
"""Which stories a server can tell. The last is a fake: none of these versions can be had here."""


@pytest.fixture
async def client(server: str, request: pytest.FixtureRequest) -> AsyncIterator[EngineClient]:
    engines = MilvusEngines()
    fixtures = {"milvus": "milvus_server", "milvus-lite": "milvus_lite_server"}
    if server in fixtures:
        running: MilvusServer | MilvusLiteServer = request.getfixturevalue(fixtures[server])
        yield engines.at(Target(running.address, "Milvus"))
    else:
        async with FakeMilvusServer(version=server, has_storage_v3=True) as fake:
            yield engines.at(Target(fake.address, "Milvus"))
    await engines.close()


async def made(client: EngineClient, name: str, milvus: Manifest) -> OnMilvus:
    """Make the collection of a story, as Quiver does, and return what the server says of it."""
    spec = msgspec.convert(in_default_database(milvus), MilvusSpec)
    form, fields, loads = spec.schema, client.fields, client.loads
    assert form is not None
    assert fields is not None
    assert loads is not None
    schema = CollectionSchema(
        name=name, form=form.form, consistency_level=spec.consistency_level, shards=spec.shards
    )
    await client.create(schema, spec.properties)
    plain = [plain_index(form, f) for f in form.vectors if form.index_of(f.name) is None]
    for index in (*form.indexes, *plain):
        await fields.set_field_index(name, replace(index, metric_type=metric_of(form, index)))
    await loads.load(name, 1)

    async def is_loaded() -> bool:
        return (await loads.describe_load(name)).state == "Loaded"

    await eventually(is_loaded, f"{name} is loaded", LOAD_S)
    return await told(client, name)


async def told(client: EngineClient, name: str) -> OnMilvus:
    observed = await client.describe(name)
    assert observed is not None
    assert client.fields is not None
    assert client.loads is not None
    return OnMilvus(
        collection=observed,
        indexes=await client.fields.describe_indexes(name),
        load=await client.loads.describe_load(name),
    )


@pytest.mark.parametrize(
    ("server", "story"), [(server, story) for server, stories in HAS.items() for story in stories]
)
async def test_what_a_server_says_is_a_spec_that_changes_nothing(
    client: EngineClient, story: str
) -> None:
    """Made, described, exported, written as YAML and read: all of it is as the server has it."""
    name = f"c_{uuid.uuid4().hex[:8]}"
    found = await made(client, name, STORIES[story])
    answer = export_from_milvus(EngineRef(name="milvus"), found)
    assert answer.remarks == ()
    text = yaml.safe_dump({"metadata": metadata("docs"), "spec": answer.spec})
    wanted = msgspec.convert(yaml.safe_load(text), VectorCollection)
    there, asked = found.collection.schema, wanted.schema("Milvus")
    assert list(asked.differences(there)) == []
    assert asked.form is not None
    assert there.form is not None
    assert growth(asked.form, there.form) == Growth()
    assert wanted.spec.form is not None
    named = {index.field: index for index in wanted.spec.form.indexes}
    assert named.keys() == found.indexes.keys()
    assert all(is_met(named[f], index.index) for f, index in found.indexes.items())
    told_properties = found.collection.properties
    assert wanted.milvus.properties.items() <= told_properties.items()
    await client.drop(name)
