"""Whole schemas as users bring them: the examples of the documentation are applied, used with
pymilvus, changed and deleted.

Milvus 2.3.5 has what four of them need, milvus-lite 3.2.2 what the fifth does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import pytest

from localcluster import ControlPlane
from localcluster.errors import CommandError
from machine.milvus_servers import MilvusLiteServer, MilvusServer
from machine.paths import platform_name
from quiver.adapters.drivers import Drivers
from quiver.domain.access import Target
from quiver.domain.kubernetes_types import VECTOR_ENGINE, Manifest
from quiver.ports.engines import EngineClient
from support.admin_api import AdminApi
from support.namespaces import Namespace
from support.operators import running
from support.schema_users import apply, collection_of, lines_for, pymilvus, sample

Spec = dict[str, Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    if platform_name() != "linux-amd64":
        pytest.skip("milvus 2.3.5 is built for Linux on x86-64 alone")
    with MilvusServer(tmp_path_factory.mktemp("milvus")) as running_server:
        yield running_server


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusLiteServer]:
    with MilvusLiteServer(tmp_path_factory.mktemp("milvus-lite")) as running_server:
        yield running_server


@pytest.fixture
async def world(
    namespace: str, api: AdminApi, operator_api: AdminApi, engines: Drivers, server: MilvusServer
) -> Namespace:
    """A namespace whose VectorEngine `milvus` leads to Milvus 2.3.5."""
    return await leading_to(
        server.address, Namespace(namespace, api, operator_api, engines, server.address)
    )


@pytest.fixture
async def lite_world(
    namespace: str, api: AdminApi, operator_api: AdminApi, engines: Drivers, lite: MilvusLiteServer
) -> Namespace:
    """A namespace whose VectorEngine `milvus` leads to milvus-lite."""
    return await leading_to(
        lite.address, Namespace(namespace, api, operator_api, engines, lite.address)
    )


async def leading_to(address: str, world: Namespace) -> Namespace:
    spec = {"type": "Milvus", "external": {"endpoints": [address]}}
    await world.create(VECTOR_ENGINE, "milvus", spec)
    return world


def milvus_of(world: Namespace) -> EngineClient:
    return world.engines.at(Target(world.address, "Milvus"))


def schema_of(manifest: Manifest) -> Spec:
    schema: Spec = manifest["spec"]["milvus"]["schema"]
    return schema


def with_indexes(*listed: Manifest) -> Callable[[Manifest], None]:
    return lambda manifest: schema_of(manifest).update(indexes=list(listed))


CHANGES: Mapping[str, Callable[[Manifest], None]] = {
    "articles": with_indexes(
        {"field": "embedding", "type": "IVF_FLAT", "metricType": "COSINE", "params": {"nlist": 64}}
    ),
    "notes": with_indexes(),
    "pictures": with_indexes({"field": "hash", "type": "BIN_FLAT", "metricType": "JACCARD"}),
    "logs": lambda manifest: manifest["spec"]["milvus"].update(
        properties={"collection.ttl.seconds": "3600"}
    ),
    "passages": with_indexes(
        {"field": "embedding", "type": "FLAT", "metricType": "COSINE"},
        {"field": "terms", "type": "SPARSE_INVERTED_INDEX", "metricType": "BM25"},
    ),
}
FOUND = {
    "articles": {"text": "Quiver"},
    "notes": {"title": "A note"},
    "pictures": {"url": "https://example.org/1.png"},
    "logs": {"message": "disk full"},
    "passages": {"text": "part 4711"},
}
"""What the search of the example finds."""


async def try_out(world: Namespace, plane: ControlPlane, name: str) -> None:
    """Apply an example of the documentation, use it with the lines of Python there, apply a change,
    use it again, and delete it.
    """
    manifest = sample(name)
    async with running(world.operator_api, world.engines):
        await apply(plane, world.namespace, manifest)
        await world.ready(name)
        insert_and_search = lines_for(name)
        assert await pymilvus(insert_and_search, world.address) == FOUND[name]
        after = deepcopy(manifest)
        CHANGES[name](after)
        await apply(plane, world.namespace, after)
        await world.ready(name)
        assert await pymilvus(insert_and_search, world.address) == FOUND[name]
        await world.delete(name)
        await world.gone(name)
    assert name not in await milvus_of(world).list_collections()


@pytest.mark.parametrize("name", ["articles", "notes", "pictures", "logs"])
async def test_an_example_is_applied_used_changed_and_deleted(
    world: Namespace, quiver_api: ControlPlane, name: str
) -> None:
    """On Milvus 2.3.5, just as the documentation has it."""
    await try_out(world, quiver_api, name)


async def test_the_hybrid_example_is_applied_used_changed_and_deleted(
    lite_world: Namespace, quiver_api: ControlPlane
) -> None:
    """On milvus-lite, which has sparse vectors and BM25."""
    await try_out(lite_world, quiver_api, "passages")


async def test_what_the_version_lacks_is_said_before_anything_is_made(
    world: Namespace, quiver_api: ControlPlane
) -> None:
    """All of it, each with the version that has it."""
    manifest = sample("articles")
    manifest["metadata"]["name"] = "newer"
    schema_of(manifest)["fields"][1]["nullable"] = True
    schema_of(manifest)["indexes"].append({"field": "language", "type": "INVERTED"})
    async with running(world.operator_api, world.engines):
        await world.settled_engine("milvus")
        await apply(quiver_api, world.namespace, manifest)
        words = ("a nullable field needs Milvus 2.5", "the index INVERTED needs Milvus 2.4")
        await world.says("newer", "VersionTooOld", *words)
    assert "newer" not in await milvus_of(world).list_collections()


MADE_BY_CLIENT = """
from pymilvus import DataType

schema = client.create_schema(enable_dynamic_field=True)
schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=32)
schema.add_field("year", DataType.INT16)
schema.add_field("face", DataType.FLOAT_VECTOR, dim=4)
index = client.prepare_index_params()
index.add_index("face", index_type="HNSW", metric_type="IP", params={"M": 8, "efConstruction": 64})
client.create_collection(NAME, schema=schema, index_params=index)
client.insert(NAME, [{"key": "a", "year": 1999, "face": [1.0, 0.0, 0.0, 0.0], "more": 1}])
told = None
"""
COUNT = """
told = client.query(NAME, filter='key == "a"', output_fields=["year"], consistency_level="Strong")
"""


def of_client(name: str, **year: Any) -> Manifest:
    schema = {
        "fields": [
            {"name": "face", "type": "FloatVector", "dimension": 4},
            {"name": "key", "type": "VarChar", "maxLength": 32, "primaryKey": True},
            {"name": "year", "type": "Int16", **year},
        ],
        "dynamicFields": True,
    }
    return collection_of("faces", {"schema": schema}, collectionName=name)


async def test_what_a_client_has_made_is_adopted_once_the_spec_is_like_it(
    world: Namespace, quiver_api: ControlPlane
) -> None:
    """The object names each difference until then; the index stays, since the spec names none."""
    name = world.namespace.replace("-", "_")
    named = f"NAME = {name!r}\n"
    await pymilvus(named + MADE_BY_CLIENT, world.address)
    manifest = of_client(name, type="Int64", clusteringKey=False)
    manifest["spec"]["adoptionPolicy"] = "IfIdentical"
    schema_of(manifest)["fields"].append({"name": "city", "type": "Int8"})
    schema_of(manifest)["dynamicFields"] = False
    async with running(world.operator_api, world.engines):
        await apply(quiver_api, world.namespace, manifest)
        words = (
            "type of field 'year' is Int16, not Int64",
            "it has no field 'city'",
            "dynamicFields is true, not false",
        )
        await world.says("faces", "AlreadyExists", *words)
        await world.delete("faces")
        await world.gone("faces")
        right = of_client(name)
        right["spec"]["adoptionPolicy"] = "IfIdentical"
        await apply(quiver_api, world.namespace, right)
        (adopted,) = await world.ready("faces")
        assert adopted["status"]["origin"] == "Adopted"
        assert await pymilvus(named + COUNT, world.address) == [{"key": "a", "year": 1999}]
        fields = milvus_of(world).fields
        assert fields is not None
        assert (await fields.describe_indexes(name))["face"].index.type == "HNSW"
        await world.delete("faces")
        await world.gone("faces")
    assert name in await milvus_of(world).list_collections()


def without_field(manifest: Manifest) -> None:
    del schema_of(manifest)["fields"][2]


def set_of_field(number: int, **values: Any) -> Callable[[Manifest], None]:
    return lambda manifest: schema_of(manifest)["fields"][number].update(values)


REFUSED = {
    "a field is taken away": (without_field, "a field cannot be taken away"),
    "a type": (set_of_field(2, type="Int8", maxLength=None), "type of a field is fixed"),
    "a dimension": (set_of_field(6, dimension=384), "dimension of a field is fixed"),
    "a shorter text": (set_of_field(1, maxLength=10), "maxLength of a field may only grow"),
    "a new field that is not nullable": (
        lambda m: schema_of(m)["fields"].append({"name": "new", "type": "Int8"}),
        "a field that is added later is nullable",
    ),
    "an index that does not fit": (
        with_indexes({"field": "embedding", "type": "BIN_FLAT"}),
        "the type of an index does not fit its field",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_cannot_change_is_refused_when_it_is_applied(
    world: Namespace, quiver_api: ControlPlane, what: str
) -> None:
    """Kubectl shows what is wrong, and the object stays as it was."""
    change, words = REFUSED[what]
    manifest = sample("articles")
    await apply(quiver_api, world.namespace, manifest)
    before = await world.get("articles")
    change(manifest)
    with pytest.raises(CommandError) as refused:
        await apply(quiver_api, world.namespace, manifest)
    assert words in str(refused.value)
    assert "is invalid" in str(refused.value)
    assert (await world.get("articles"))["spec"] == before["spec"]


KEY: Manifest = {"name": "id", "type": "VarChar", "maxLength": 64, "primaryKey": True}
AUTHOR: Manifest = {"name": "author", "type": "VarChar", "maxLength": 64, "nullable": True}


async def test_another_manager_adds_a_field_by_server_side_apply(
    world: Namespace, quiver_api: ControlPlane
) -> None:
    """Fields are merged by their names: it says no others."""
    manifest = sample("articles")
    await apply(quiver_api, world.namespace, manifest, "--server-side")
    one_more = {**manifest, "spec": {"milvus": {"schema": {"fields": [AUTHOR]}}}}
    how = ("--server-side", "--field-manager=another")
    await apply(quiver_api, world.namespace, one_more, *how)
    found = schema_of(await world.get("articles"))
    names = {field["name"] for field in schema_of(manifest)["fields"]}
    assert {field["name"] for field in found["fields"]} == names | {"author"}


async def test_a_merge_patch_replaces_the_list_and_is_refused(
    world: Namespace, quiver_api: ControlPlane
) -> None:
    """What it does not repeat would be taken away."""
    await apply(quiver_api, world.namespace, sample("articles"))
    patch = {"spec": {"milvus": {"schema": {"fields": [KEY, AUTHOR]}}}}
    where = ("vcol/articles", f"--namespace={world.namespace}", "--type=merge")
    with pytest.raises(CommandError, match="a field cannot be taken away"):
        quiver_api.kubectl("patch", *where, f"--patch={json.dumps(patch)}")
