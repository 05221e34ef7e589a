"""What becomes of a collection when its object goes, and how an operator is told to keep off.

Delete and Retain alone, and an engine that is gone or down, stand in test_life.py and
test_faults.py.
"""

from typing import Any

import pytest

from quiver.domain.data_loss import DATA_LOST
from quiver.domain.kubernetes_types import VECTOR_ENGINE
from support.milvus1_client import Milvus1
from support.namespaces import Namespace, types
from support.operators import running
from support.waiting import eventually

ROWS = [[1.0] * 8] * 3
IF_EMPTY = {"deletionPolicy": "DeleteIfEmpty"}


def insert(client: Milvus1, name: str, tag: str = "") -> list[int]:
    inserted = client.insert(name, ROWS, tag=tag)
    assert inserted.status.error_code == 0
    client.flush(name)
    return list(inserted.vector_id_array)


def empty(client: Milvus1, name: str, ids: list[int]) -> None:
    """Delete all vectors, and nothing else that the operator could take for its own work."""
    assert client.delete(name, ids).error_code == 0
    client.flush(name)


async def default_policy(world: Namespace, policy: str | None) -> None:
    """Set what the engine says of collections that say nothing."""
    await world.patch("engine", {"spec": {"defaultDeletionPolicy": policy}}, VECTOR_ENGINE)


async def test_an_empty_collection_is_deleted_if_empty(world: Namespace) -> None:
    """DeleteIfEmpty drops at once what holds nothing."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", partitions=["a"], **IF_EMPTY)
        await world.ready("docs")
        await world.delete("docs")
        await world.gone("docs")
    assert await world.engine.list_collections() == frozenset()


async def test_a_collection_with_vectors_is_not_deleted_if_empty(
    world: Namespace, client: Milvus1
) -> None:
    """The object waits, counts the vectors of all partitions, and goes once they are gone."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", partitions=["a"], **IF_EMPTY)
        await world.ready("docs")
        ids = insert(client, "docs", "a")
        await world.delete("docs")
        waiting = await world.says("docs", "NotEmpty", "3 vectors", "set deletionPolicy to")
        assert types(waiting) == {"Ready", "Reconciling"}
        assert client.count("docs") == 3
        empty(client, "docs", ids)
        await world.gone("docs")
    assert client.collections() == []


@pytest.mark.parametrize(("policy", "left"), [("Delete", []), ("Retain", ["docs"])])
async def test_a_deletion_that_waits_is_decided_by_a_policy(
    world: Namespace, client: Milvus1, policy: str, left: list[str]
) -> None:
    """The policy may be changed while the object waits to go."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", **IF_EMPTY)
        await world.ready("docs")
        insert(client, "docs")
        await world.delete("docs")
        await world.settled("docs", "NotEmpty")
        await world.patch("docs", {"spec": {"deletionPolicy": policy}})
        await world.gone("docs")
    assert client.collections() == left


async def test_a_partition_with_vectors_is_not_dropped_if_empty(
    world: Namespace, client: Milvus1
) -> None:
    """Taken off the list it stays, and the object says which and how many, till it is empty."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", partitions=["empty", "full"], **IF_EMPTY)
        await world.ready("docs")
        ids = insert(client, "docs", "full")
        await world.patch("docs", {"spec": {"partitions": ["new"]}})
        await world.says("docs", "NotEmpty", "'full' with 3 vectors")
        assert set(client.partitions("docs")) == {"_default", "full", "new"}
        empty(client, "docs", ids)
        await world.ready("docs")
    assert set(client.partitions("docs")) == {"_default", "new"}


@pytest.mark.parametrize(("policy", "dropped"), [("Retain", False), ("Delete", True)])
async def test_a_partition_taken_off_goes_as_the_policy_says(
    world: Namespace, client: Milvus1, policy: str, *, dropped: bool
) -> None:
    """Retain leaves it with its vectors, where it is nobody's; Delete drops both."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", partitions=["a", "b"], deletionPolicy=policy)
        await world.ready("docs")
        insert(client, "docs", "a")
        await world.patch("docs", {"spec": {"partitions": ["b"]}})
        await world.ready("docs")
        assert ("a" not in client.partitions("docs")) == dropped
        await world.patch("docs", {"spec": {"deletionPolicy": "Delete"}})
        await world.ready("docs")
    assert ("a" not in client.partitions("docs")) == dropped


@pytest.mark.parametrize(
    ("default", "spec", "left"),
    [
        ("Retain", {}, True),
        ("Retain", {"deletionPolicy": "Delete"}, False),
        ("Delete", {"deletionPolicy": "Retain"}, True),
        (None, {}, False),
    ],
)
async def test_an_engine_has_a_default(
    world: Namespace, default: str | None, spec: dict[str, Any], *, left: bool
) -> None:
    """An object that says nothing goes as its engine says, and else with its collection."""
    await default_policy(world, default)
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", **spec)
        await world.ready("docs")
        await world.delete("docs")
        await world.gone("docs")
    assert (await world.engine.list_collections() == {"docs"}) == left


async def test_an_engines_default_is_no_word_on_what_was_adopted(
    world: Namespace, client: Milvus1
) -> None:
    """Quiver did not make it: it stays unless its own object says otherwise."""
    await default_policy(world, "Delete")
    client.create("docs", dimension=8)
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", adoptionPolicy="IfIdentical")
        await world.ready("docs")
        await world.delete("docs")
        await world.gone("docs")
    assert client.collections() == ["docs"]


async def test_a_suspended_object_is_left_as_it_is(world: Namespace) -> None:
    """Neither a changed spec nor drift is acted on; Ready stays as it was; resumed, all is made
    good.
    """
    async with running(world.operator_api, world.engines, resync_period=1) as operator:
        await world.create_collection("docs", partitions=["a"])
        (before,) = await world.ready("docs")
        await world.patch("docs", {"spec": {"suspend": True, "partitions": ["b"]}})

        async def is_suspended() -> bool:
            return "Suspended" in types(await world.get("docs"))

        await eventually(is_suspended, "the object is suspended")
        await world.engine.drop("docs")
        await operator._resync.once()
        await world.look_now("docs")
        await world.create_collection("witness")
        await world.ready("witness")
        assert await world.engine.describe("docs") is None
        kept = await world.get("docs")
        assert kept["status"]["conditions"][0] == before["status"]["conditions"][0]
        assert types(kept) == {"Ready", "Suspended"}
        await world.patch("docs", {"spec": {"suspend": False}})
        (after,) = await world.ready("docs")
        assert types(after) == {"Ready", DATA_LOST}
    found = await world.engine.describe("docs")
    assert found is not None
    assert found.partitions == {"b"}


async def test_an_object_that_begins_suspended_makes_nothing(world: Namespace) -> None:
    """No finalizer, no claim, no collection, until it is resumed."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", suspend=True)
        held = await world.settled("docs", "Suspended")
        assert types(held) == {"Ready", "Suspended"}
        assert "finalizers" not in held["metadata"]
        assert await world.engine.list_collections() == frozenset()
        await world.patch("docs", {"spec": {"suspend": False}})
        await world.ready("docs")


async def test_a_suspended_object_goes_without_its_collection(world: Namespace) -> None:
    """Hands off means off, also at the end; a Warning says that the collection is left."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", deletionPolicy="Delete")
        await world.ready("docs")
        await world.patch("docs", {"spec": {"suspend": True}})
        await world.delete("docs")
        await world.gone("docs")
        left = await world.told("docs", "Left")
        assert left["type"] == "Warning"
        assert "spec.suspend is true" in left["note"]
    assert await world.engine.list_collections() == {"docs"}


async def test_the_operator_looks_when_it_is_asked_to(world: Namespace) -> None:
    """A new value of the annotation quiver.dev/reconcile mends drift long before the resync."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", partitions=["a", "b"])
        await world.ready("docs")
        await world.engine.drop_partition("docs", "a")
        await world.look_now("docs")

        async def is_back() -> bool:
            found = await world.engine.describe("docs")
            return found is not None and found.partitions == {"a", "b"}

        await eventually(is_back, "the partition is back")
