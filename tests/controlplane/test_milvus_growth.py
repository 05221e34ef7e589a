"""Collections of the long form change, as users change them: by `kubectl apply`.

No server from PyPI has what Milvus 2.4 to 3.0 added. So these are told over the protocol by a fake
that follows their sources, and whose version decides what it can do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from localcluster import ControlPlane
from localcluster.errors import CommandError
from quiver.adapters.drivers import Drivers
from quiver.domain.access import Target
from quiver.domain.collections import CollectionSpec
from quiver.domain.kubernetes_types import VECTOR_ENGINE, Manifest
from quiver.domain.milvus_forms import differences
from support.admin_api import AdminApi
from support.interruptions import Power, essence, steps_of, until_cut
from support.milvus_server.server import FakeMilvusServer
from support.namespaces import Namespace
from support.operators import running
from support.schema_users import apply, collection_of
from support.waiting import eventually

HNSW = {"type": "HNSW", "metricType": "COSINE", "params": {"M": 16, "efConstruction": 64}}
IVF = {"type": "IVF_FLAT", "metricType": "COSINE", "params": {"nlist": 64}}
ANALYZED = {"enable_analyzer": "true"}
BASE: Manifest = {
    "schema": {
        "fields": [
            {"name": "id", "type": "Int64", "primaryKey": True},
            {
                "name": "text",
                "type": "VarChar",
                "maxLength": 64,
                "params": {"enable_analyzer": "true"},
            },
            {"name": "tags", "type": "Array", "elementType": "Int64", "maxCapacity": 4},
            {"name": "price", "type": "Double"},
            {"name": "embedding", "type": "FloatVector", "dimension": 8},
        ],
        "indexes": [{"field": "embedding", **HNSW}, {"field": "price", "type": "STL_SORT"}],
    }
}
AUTHOR = {"name": "author", "type": "VarChar", "maxLength": 64, "nullable": True}
IMAGE = {"name": "image", "type": "FloatVector", "dimension": 4, "nullable": True}
TERMS = {"name": "terms", "type": "SparseFloatVector"}
BM25 = {"name": "bm25", "type": "BM25", "inputFields": ["text"], "outputFields": ["terms"]}
MODEL = {
    "name": "model",
    "type": "TextEmbedding",
    "inputFields": ["text"],
    "outputFields": ["embedding"],
    "params": {"provider": "openai", "model_name": "m"},
}
Schema = dict[str, Any]
WRITE = "patch status"
MOST_CALLS = 30
"""To the server, for one change, with those that only read."""


def adds(*fields: Manifest, indexes: tuple[Manifest, ...] = ()) -> Callable[[Schema], None]:
    def change(schema: Schema) -> None:
        schema["fields"] += fields
        schema["indexes"] += indexes

    return change


def sets(name: str, **values: Any) -> Callable[[Schema], None]:
    """Change what the spec says of a field."""

    def change(schema: Schema) -> None:
        next(f for f in schema["fields"] if f["name"] == name).update(values)

    return change


def index(*listed: Manifest) -> Callable[[Schema], None]:
    return lambda schema: schema.update(indexes=list(listed))


def adds_function(function: Manifest, *fields: Manifest) -> Callable[[Schema], None]:
    def change(schema: Schema) -> None:
        schema["fields"] += fields
        schema["functions"] = [function]

    return change


@dataclass(frozen=True)
class Change:
    """What is applied, the version of the server, and the calls that change something, up to the
    last write of the status. It is written before that, too, while an index is built or loaded.
    """

    apply: Callable[[Schema], None]
    steps: tuple[str, ...]
    version: str = "v2.6.20"


ON_VECTORS, ON_PRICE = {"field": "embedding", **HNSW}, {"field": "price", "type": "STL_SORT"}
CHANGES = {
    "a nullable field": Change(adds(AUTHOR), ("add_field",)),
    "a nullable field with an index": Change(
        adds(AUTHOR, indexes=({"field": "author", "type": "INVERTED"},)),
        ("add_field", "set_field_index", WRITE),
    ),
    "a nullable field of vectors": Change(adds(IMAGE), ("add_field", "set_field_index")),
    "a longer text": Change(sets("text", maxLength=128), ("alter_field",)),
    "a longer array": Change(sets("tags", maxCapacity=8), ("alter_field",)),
    "a description": Change(sets("text", description="What it is about."), ("alter_field",)),
    "dynamic fields": Change(
        lambda schema: schema.update(dynamicFields=True), ("alter_properties",)
    ),
    "another index of vectors": Change(
        index({"field": "embedding", **IVF}, ON_PRICE), ("set_field_index", WRITE, "load", WRITE)
    ),
    "no index of vectors any more": Change(
        index(ON_PRICE), ("set_field_index", WRITE, "load", WRITE)
    ),
    "one more index": Change(
        index(ON_VECTORS, ON_PRICE, {"field": "tags", "type": "INVERTED"}),
        ("set_field_index", WRITE),
    ),
    "another index of a number": Change(
        index(ON_VECTORS, {"field": "price", "type": "INVERTED"}), ("set_field_index", WRITE)
    ),
    "no index of a number any more": Change(index(ON_VECTORS), ("drop_field_index",)),
    "no index of a number any more on 2.5": Change(
        index(ON_VECTORS), ("drop_field_index", WRITE, "load", WRITE), "v2.5.10"
    ),
    "a function over fields that are there": Change(adds_function(MODEL), ("add_function",)),
    "a function with its field": Change(
        adds_function(BM25, TERMS), ("add_function", "set_field_index"), "v3.0.0"
    ),
}
ALL_AT_ONCE = ("a nullable field of vectors", "a longer text", "one more index", "dynamic fields")


@asynccontextmanager
async def fake_world(
    namespace: str, api: AdminApi, operator_api: AdminApi, version: str
) -> AsyncIterator[tuple[Namespace, FakeMilvusServer]]:
    """A namespace whose VectorEngine `milvus` leads to a fake of the version."""
    engines = Drivers()
    async with FakeMilvusServer(version=version, has_storage_v3=True) as fake:
        world = Namespace(namespace, api, operator_api, engines, fake.address)
        spec = {"type": "Milvus", "external": {"endpoints": [fake.address]}}
        await world.create(VECTOR_ENGINE, "milvus", spec)
        async with running(operator_api, engines):
            await world.settled_engine("milvus")
        yield world, fake
    await engines.close()


def changed(*names: str) -> Manifest:
    milvus = deepcopy(BASE)
    for name in names:
        CHANGES[name].apply(milvus["schema"])
    return milvus


async def check(world: Namespace, manifest: Manifest) -> None:
    """Hold what the server has against what was applied."""
    client = world.engines.at(Target(world.address, "Milvus"))
    name = manifest["metadata"]["name"].replace("-", "_")
    spec = msgspec.convert(manifest["spec"], CollectionSpec)
    found = await client.describe(name)
    assert found is not None
    assert spec.form is not None
    assert found.schema.form is not None
    assert list(differences(spec.form.form, found.schema.form)) == []
    assert client.fields is not None
    indexes = await client.fields.describe_indexes(name)
    listed = {i.field for i in spec.form.indexes} | {f.name for f in spec.form.vectors}
    assert indexes.keys() == listed
    assert all(i.is_met_by(indexes[i.field].index) for i in spec.form.indexes)
    assert client.loads is not None
    assert (await client.loads.describe_load(name)).state == "Loaded"


async def tells(world: Namespace, version: str) -> bool:
    """Tell whether the engine's status has the version of the server."""
    status = (await world.get("milvus", VECTOR_ENGINE))["status"]
    return version in status.get("version", "")


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_takes_these_steps_and_no_others(
    name: str, namespace: str, api: AdminApi, operator_api: AdminApi, quiver_api: ControlPlane
) -> None:
    """Each kind of change, from its `kubectl apply` to Ready."""
    change = CHANGES[name]
    async with fake_world(namespace, api, operator_api, change.version) as (world, fake):
        before, after = (collection_of("docs", milvus) for milvus in (BASE, changed(name)))
        await apply(quiver_api, namespace, before)
        async with running(operator_api, world.engines):
            await world.ready("docs")
        await apply(quiver_api, namespace, after)
        fake.asked.clear()
        steps = await steps_of(world, world.ready("docs"))
        assert steps == [*change.steps, WRITE]
        assert fake.calls.total() <= MOST_CALLS
        await check(world, after)


async def test_growth_that_is_interrupted_ends_well(
    namespace: str, api: AdminApi, operator_api: AdminApi, quiver_api: ControlPlane
) -> None:
    """The operator is killed after each step: the next one adds what is lacking, and nothing
    twice.
    """
    async with fake_world(namespace, api, operator_api, "v2.6.20") as (world, fake):
        milvus = changed(*ALL_AT_ONCE)
        await apply(quiver_api, namespace, collection_of("whole", BASE))
        async with running(operator_api, world.engines):
            await world.ready("whole")
        await apply(quiver_api, namespace, collection_of("whole", milvus))
        whole = await steps_of(world, world.ready("whole"))
        assert len(whole) > len(ALL_AT_ONCE)
        expected = essence(await world.get("whole"))
        for done in range(len(whole)):
            name = f"cut{done}"
            await apply(quiver_api, namespace, collection_of(name, BASE))
            async with running(operator_api, world.engines):
                await world.ready(name)
            await apply(quiver_api, namespace, collection_of(name, milvus))
            fake.asked.clear()
            await until_cut(world, Power(after=done))
            async with running(operator_api, world.engines):
                (manifest,) = await world.ready(name)
            assert essence(manifest) == expected, f"killed after {whole[:done]}"
            assert fake.calls["AddCollectionField"] == 1
            await check(world, collection_of(name, milvus))


async def test_growth_that_the_version_lacks_comes_with_the_upgrade(
    namespace: str, api: AdminApi, operator_api: AdminApi, quiver_api: ControlPlane
) -> None:
    """Until then the object says which version could, and all else is as it was."""
    async with fake_world(namespace, api, operator_api, "v2.5.10") as (world, fake):
        await apply(quiver_api, namespace, collection_of("docs", BASE))
        async with running(operator_api, world.engines, resync_period=1):
            await world.ready("docs")
            after = collection_of("docs", changed("a nullable field", "a longer text"))
            await apply(quiver_api, namespace, after)
            await world.says("docs", "VersionTooOld", "adding a field needs Milvus 2.6", "'author'")
            fake.catalog.told_version = "v2.6.0"
            await eventually(lambda: tells(world, "2.6"), "the engine tells its version", 30)
            await world.look_now("docs")
            await world.ready("docs")
            await check(world, after)


async def test_how_a_field_is_kept_in_memory_changes_while_it_is_released(
    namespace: str, api: AdminApi, operator_api: AdminApi, quiver_api: ControlPlane
) -> None:
    """Milvus refuses it before, and the object says so."""
    async with fake_world(namespace, api, operator_api, "v2.6.20") as (world, _):
        await apply(quiver_api, namespace, collection_of("docs", BASE))
        async with running(operator_api, world.engines, resync_period=1):
            await world.ready("docs")
            milvus = deepcopy(BASE)
            sets("text", params={**ANALYZED, "mmap.enabled": "true"})(milvus["schema"])
            await apply(quiver_api, namespace, collection_of("docs", milvus))
            await world.says("docs", "EngineRefused", "mmap", "loaded")
            released = collection_of("docs", {**milvus, "load": {"enabled": False}})
            await apply(quiver_api, namespace, released)
            await world.says("docs", "Available", "load.enabled is false")
            await apply(quiver_api, namespace, collection_of("docs", milvus))
            await world.ready("docs")
            await check(world, collection_of("docs", milvus))


async def test_what_the_version_lacks_may_be_taken_back(
    namespace: str, api: AdminApi, operator_api: AdminApi, quiver_api: ControlPlane
) -> None:
    """The server never took it: a revert brings the object back to Ready."""
    async with fake_world(namespace, api, operator_api, "v2.5.10") as (world, fake):
        before = collection_of("docs", BASE)
        await apply(quiver_api, namespace, before)
        async with running(operator_api, world.engines):
            await world.ready("docs")
            grown = collection_of("docs", changed("a nullable field", "a longer text"))
            await apply(quiver_api, namespace, grown)
            await world.says("docs", "VersionTooOld", "'author'", "Or take that out of the spec")
            with pytest.raises(CommandError, match=r"maxLength of a field may only grow.*text"):
                await apply(quiver_api, namespace, before)
            longer = collection_of("docs", changed("a longer text"))
            await apply(quiver_api, namespace, longer)
            await world.ready("docs")
            await check(world, longer)
        assert fake.calls["AddCollectionField"] == 0


async def test_what_the_server_has_taken_may_not_be_taken_back(
    namespace: str, api: AdminApi, operator_api: AdminApi, quiver_api: ControlPlane
) -> None:
    """The revert is refused by the API server, which says what to do."""
    async with fake_world(namespace, api, operator_api, "v2.6.18") as (world, _):
        before, grown = (collection_of("docs", m) for m in (BASE, changed("a nullable field")))
        await apply(quiver_api, namespace, before)
        async with running(operator_api, world.engines):
            await world.ready("docs")
            await apply(quiver_api, namespace, grown)
            (ready,) = await world.ready("docs")
            with pytest.raises(CommandError, match=r"cannot be taken away.*: author; put it back"):
                await apply(quiver_api, namespace, before)
        told = ready["status"]["milvus"]["fields"]
        assert [field["name"] for field in told] == sorted(
            field["name"] for field in grown["spec"]["milvus"]["schema"]["fields"]
        )
        assert {"name": "text", "maxLength": 64} in told
        assert {"name": "tags", "maxCapacity": 4} in told


async def test_a_field_that_is_taken_back_before_the_status_says_it_is_asked_for_again(
    namespace: str, api: AdminApi, operator_api: AdminApi, quiver_api: ControlPlane
) -> None:
    """The operator is killed once it has added the field. The API server lets it be taken back, and
    the next operator says how to go on.
    """
    async with fake_world(namespace, api, operator_api, "v2.6.18") as (world, _):
        before, grown = (collection_of("docs", m) for m in (BASE, changed("a nullable field")))
        await apply(quiver_api, namespace, before)
        async with running(operator_api, world.engines):
            await world.ready("docs")
        await apply(quiver_api, namespace, grown)
        await until_cut(world, Power(after=1))
        await apply(quiver_api, namespace, before)
        async with running(operator_api, world.engines):
            await world.says("docs", "SpecDiffers", "list field 'author' as it is on the engine")
            wrong = deepcopy(BASE)
            adds({"name": "author", "type": "Int8", "nullable": True})(wrong["schema"])
            await apply(quiver_api, namespace, collection_of("docs", wrong))
            await world.says("docs", "SpecDiffers", "type of field 'author' is VarChar, not Int8")
            await apply(quiver_api, namespace, before)
            await world.says("docs", "SpecDiffers", "list field 'author' as it is on the engine")
            await apply(quiver_api, namespace, grown)
            await world.ready("docs")
            await check(world, grown)
