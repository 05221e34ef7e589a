"""A collection's life, from apply to delete, against a real API server and a real engine."""

from pathlib import Path

import pytest

from machine.engine_process import EngineProcess
from quiver.domain.access import Target
from quiver.domain.claims import CLAIM_ANNOTATION, FINALIZER, claim_of
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Manifest
from support.namespaces import Namespace, ready_condition
from support.operators import running
from support.waiting import eventually


async def test_an_applied_collection_is_on_the_engine_as_described(world: Namespace) -> None:
    """The engine has what the spec says, and the status says where."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("test01", dimension=256, partitions=["a", "b"])
        (ready,) = await world.ready("test01")
        await world.told("test01", "Created")
    found = await world.engine.describe("test01")
    assert found is not None
    assert found.schema == CollectionSchema(
        name="test01", dimension=256, index_file_size=1024, metric_type="L2"
    )
    assert found.partitions == {"a", "b"}
    assert ready["status"]["placement"] == {"endpoint": world.address}
    assert ready["status"]["collectionName"] == "test01"
    assert (ready["status"]["indexFileSize"], ready["status"]["metricType"]) == (1024, "L2")
    assert FINALIZER in ready["metadata"]["finalizers"]
    assert len(await world.events("test01", "Created")) == 1


async def test_partitions_follow_the_spec(world: Namespace) -> None:
    """A tag added to the list is made, one taken off is dropped, an unlisted one is left alone."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", partitions=["a", "b"])
        await world.ready("docs")
        await world.engine.create_partition("docs", "foreign")
        await world.patch("docs", {"spec": {"partitions": ["b", "c"]}})
        await world.ready("docs")
    found = await world.engine.describe("docs")
    assert found is not None
    assert found.partitions == {"b", "c", "foreign"}


async def test_a_deleted_object_takes_its_collection_along(world: Namespace) -> None:
    """DeletionPolicy Delete: the collection is gone once the object is."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
        await world.delete("docs")
        await world.gone("docs")
    assert await world.engine.describe("docs") is None


async def test_a_retained_collection_outlives_its_object(world: Namespace) -> None:
    """DeletionPolicy Retain: the object goes, the collection stays, and an event says so."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", deletionPolicy="Retain")
        await world.ready("docs")
        await world.delete("docs")
        await world.gone("docs")
        await world.told("docs", "Left")
    assert await world.engine.describe("docs") is not None


async def test_a_collection_that_exists_already_is_left_alone(world: Namespace) -> None:
    """A name that is taken stalls the object; deleting the object does not touch the collection."""
    await world.engine.create(
        CollectionSchema(name="docs", dimension=8, index_file_size=1024, metric_type="L2")
    )
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        stalled = await world.settled("docs", "AlreadyExists")
        assert {c["type"] for c in stalled["status"]["conditions"]} == {"Ready", "Stalled"}
        await world.delete("docs")
        await world.gone("docs")
    assert await world.engine.describe("docs") is not None


async def test_the_older_of_two_objects_for_one_collection_has_it(world: Namespace) -> None:
    """The younger says who has it, and gets a collection of its own when the elder is gone."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("elder", collectionName="docs")
        await world.ready("elder")
        await world.create_collection("younger", collectionName="docs")
        taken = await world.settled("younger", "NameTaken")
        assert "elder" in ready_condition(taken)["message"]
        await world.delete("elder")
        await world.ready("younger")


async def test_a_collection_dropped_behind_our_back_comes_back(world: Namespace) -> None:
    """It is made anew within the resync period, and a Warning says that its vectors are lost."""
    async with running(world.operator_api, world.engines, resync_period=1):
        await world.create_collection("docs", partitions=["a"])
        await world.ready("docs")
        await world.engine.drop("docs")

        async def is_back() -> bool:
            found = await world.engine.describe("docs")
            return found is not None and found.partitions == {"a"}

        await eventually(is_back, "the collection is back")
        await world.told("docs", "Recreated")


async def test_replace_wipes_annotations_and_finalizers_and_does_no_harm(world: Namespace) -> None:
    """The finalizer is written again, and the claim stands in the status: the collection stays
    ours.
    """
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
        wiped = {"annotations": {CLAIM_ANNOTATION: None}, "finalizers": None}
        await world.patch("docs", {"metadata": wiped})

        async def is_restored() -> bool:
            metadata = (await world.get("docs"))["metadata"]
            return FINALIZER in metadata.get("finalizers", [])

        await eventually(is_restored, "the finalizer is back")
        await world.delete("docs")
        await world.gone("docs")
    assert await world.engine.describe("docs") is None


async def test_a_copied_object_gets_no_hold_on_the_originals_collection(world: Namespace) -> None:
    """A copy that brings the claim along is Stalled; deleting it drops nothing."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        (original,) = await world.ready("docs")
        annotations = {CLAIM_ANNOTATION: original["metadata"]["annotations"][CLAIM_ANNOTATION]}
        spec = {**original["spec"], "collectionName": "docs"}
        await world.create(VECTOR_COLLECTION, "copy", spec, annotations=annotations)
        copy = await world.settled("copy", "NameTaken")
        assert claim_of(copy) is None
        await world.delete("copy")
        await world.gone("copy")
    assert await world.engine.describe("docs") is not None


async def test_a_collection_waits_for_its_engine(world: Namespace) -> None:
    """The YAML of the engine may come after that of its collections."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", engineRef={"name": "later"})
        await world.settled("docs", "EngineNotFound")
        await world.create(VECTOR_ENGINE, "later", {"external": {"endpoints": [world.address]}})
        await world.ready("docs")


async def test_a_collection_goes_when_its_engine_is_gone(world: Namespace) -> None:
    """Nothing is left to drop it from, so the object does not wait."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
        await world.give_up_engine()
        await world.settled("docs", "EngineNotFound")
        await world.delete("docs")
        await world.gone("docs")


async def test_a_collection_changed_under_a_looser_crd_is_not_made_anew(world: Namespace) -> None:
    """What the engine has differs: the object says in what, and nothing is dropped."""
    await world.create_collection("docs", dimension=16)
    manifest, engine = await world.get("docs"), await world.get("engine", VECTOR_ENGINE)
    claim = {
        "objectUID": manifest["metadata"]["uid"],
        "engineUID": engine["metadata"]["uid"],
        "member": world.address,
        "collectionName": "docs",
    }
    await world.engine.create(
        CollectionSchema(name="docs", dimension=8, index_file_size=1024, metric_type="L2")
    )
    key = Key(world.namespace, "docs")
    await world.api.patch(
        VECTOR_COLLECTION, key, {"status": {"claim": claim}}, subresource="status"
    )
    async with running(world.operator_api, world.engines):
        differing = await world.settled("docs", "SpecDiffers")
    assert "dimension is 8, not 16" in ready_condition(differing)["message"]


@pytest.mark.parametrize(
    ("spec", "stays"),
    [
        ({"deletionPolicy": "Delete"}, False),
        ({"deletionPolicy": "Retain"}, True),
        ({"deletionProtection": True}, True),
    ],
    ids=["Delete", "Retain", "protected"],
)
async def test_a_namespace_goes_with_all_that_is_in_it(
    world: Namespace, spec: Manifest, *, stays: bool
) -> None:
    """Collections, engine and namespace go together, in whatever order they are deleted. The
    server, which others run, keeps what is retained or protected, and nothing else.
    """
    protection = {"deletionProtection": spec.get("deletionProtection", False)}
    await world.patch("engine", {"spec": protection}, VECTOR_ENGINE)
    async with running(world.operator_api, world.engines):
        for name in ("one", "two"):
            await world.create_collection(name, **spec)
        await world.ready("one", "two")
        await world.api.delete_namespace(world.namespace)

        async def is_gone() -> bool:
            return not await world.api.has_namespace(world.namespace)

        await eventually(is_gone, "the namespace is gone")
        assert await world.engine.list_collections() == ({"one", "two"} if stays else set())


async def test_an_external_milvus_server_is_an_engine_like_any_other(
    world: Namespace, tmp_path: Path
) -> None:
    """A VectorEngine of type Milvus1 that others run gets collections over the same protocol."""
    with EngineProcess(tmp_path / "milvus") as server:
        endpoints = {"endpoints": [server.grpc_address]}
        await world.create(VECTOR_ENGINE, "milvus", {"type": "Milvus1", "external": endpoints})
        async with running(world.operator_api, world.engines):
            await world.settled_engine("milvus")
            await world.create_collection("docs", engineRef={"name": "milvus"}, partitions=["a"])
            await world.ready("docs")
            found = await world.engines.at(Target(server.grpc_address, "Milvus1")).describe("docs")
            assert found is not None
            assert found.partitions == {"a"}
            await world.delete("docs")
            await world.gone("docs")
            assert (
                await world.engines.at(Target(server.grpc_address, "Milvus1")).list_collections()
                == frozenset()
            )
    assert await world.engine.describe("docs") is None
