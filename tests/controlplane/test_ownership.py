"""Whose a collection is: adoption, several objects for one collection, guests of an engine.

That a name which exists is left alone by default stands in test_life.py.
"""

from typing import Any

import pytest

from quiver.domain.claims import claim_of
from quiver.domain.kubernetes_types import NAMESPACE, VECTOR_COLLECTION, VECTOR_ENGINE, Key
from support.milvus1_client import Milvus1
from support.namespaces import Namespace, types
from support.operators import running

ADOPTING = {"adoptionPolicy": "IfIdentical"}


def foreign(client: Milvus1, name: str = "docs") -> None:
    """Make a collection that Quiver knows nothing of, with a partition and three vectors."""
    client.create(name, dimension=8)
    client.create_partition(name, "theirs")
    client.insert(name, [[1.0] * 8] * 3, tag="theirs")
    client.flush(name)


async def open_engine(world: Namespace, **allowed: Any) -> None:
    """Say whose collections the world's engine takes."""
    await world.patch("engine", {"spec": {"allowedNamespaces": allowed}}, VECTOR_ENGINE)


async def label(world: Namespace, **labels: str | None) -> None:
    await world.api.patch(NAMESPACE, Key("", world.namespace), {"metadata": {"labels": labels}})


async def test_an_identical_collection_is_adopted_with_its_vectors(
    world: Namespace, client: Milvus1
) -> None:
    """IfIdentical: it is the object's from then on, as status and an event say."""
    foreign(client)
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", **ADOPTING, partitions=["ours"])
        (adopted,) = await world.ready("docs")
        await world.told("docs", "Adopted")
        assert not await world.events("docs", "Created")
    claim = claim_of(adopted)
    assert claim is not None
    assert adopted["status"]["origin"] == claim.origin == "Adopted"
    assert client.count("docs") == 3
    assert set(client.partitions("docs")) == {"_default", "theirs", "ours"}


@pytest.mark.parametrize(("policy", "left"), [(None, ["docs"]), ("Delete", [])])
async def test_an_adopted_collection_is_dropped_only_when_told_so(
    world: Namespace, client: Milvus1, policy: str | None, left: list[str]
) -> None:
    """Retain is its default: Quiver did not make it. The object may ask for Delete."""
    foreign(client)
    async with running(world.operator_api, world.engines):
        chosen = {} if policy is None else {"deletionPolicy": policy}
        await world.create_collection("docs", **ADOPTING, **chosen)
        await world.ready("docs")
        await world.delete("docs")
        await world.gone("docs")
        await world.told("docs", "Left" if left else "Dropped")
    assert client.collections() == left


async def test_what_was_adopted_is_known_to_be_after_status_was_lost(
    world: Namespace, client: Milvus1
) -> None:
    """The claim says so too: the collection is retained by default all the same."""
    foreign(client)
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", **ADOPTING)
        await world.ready("docs")
    key = Key(world.namespace, "docs")
    await world.api.patch(
        VECTOR_COLLECTION, key, {"status": {"origin": None, "claim": None}}, subresource="status"
    )
    async with running(world.operator_api, world.engines):
        await world.delete("docs")
        await world.gone("docs")
    assert client.collections() == ["docs"]


async def test_a_collection_that_differs_is_not_adopted(world: Namespace, client: Milvus1) -> None:
    """The object names each difference, and adopts once there is none."""
    client.create("docs", dimension=16, metric_type=2)
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", **ADOPTING)
        stalled = await world.says(
            "docs", "AlreadyExists", "dimension is 16, not 8", "metricType is IP, not L2"
        )
        assert types(stalled) == {"Ready", "Stalled"}
        assert claim_of(stalled) is None
        assert client.collections() == ["docs"]
        client.drop("docs")
        foreign(client)
        await world.look_now("docs")
        await world.ready("docs")
    assert client.count("docs") == 3


async def test_adoption_may_be_allowed_afterwards(world: Namespace, client: Milvus1) -> None:
    """An object that found its name taken gets the collection when its policy is changed."""
    foreign(client)
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.says("docs", "AlreadyExists", "Set adoptionPolicy to IfIdentical")
        await world.patch("docs", {"spec": ADOPTING})
        await world.ready("docs")
        await world.patch("docs", {"spec": {"adoptionPolicy": "Never"}})
        await world.ready("docs")
    assert client.count("docs") == 3


@pytest.mark.parametrize(
    ("policy", "reason"), [("IfIdentical", "Available"), ("Never", "AlreadyExists")]
)
async def test_the_younger_takes_over_what_the_elder_leaves(
    world: Namespace, client: Milvus1, policy: str, reason: str
) -> None:
    """The elder goes with Retain: the younger has the vectors then, if it may adopt."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("elder", collectionName="docs", deletionPolicy="Retain")
        await world.ready("elder")
        client.insert("docs", [[1.0] * 8])
        client.flush("docs")
        await world.create_collection("younger", collectionName="docs", adoptionPolicy=policy)
        taken = await world.says("younger", "NameTaken", f"{world.namespace}/elder")
        assert types(taken) == {"Ready", "Stalled"}
        await world.delete("elder")
        await world.settled("younger", reason)
    assert client.count("docs") == 1


async def test_adoption_never_takes_what_another_object_has(world: Namespace) -> None:
    """IfIdentical is no way around the one who has the collection, nor is deleting the loser."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("elder", collectionName="docs")
        (before,) = await world.ready("elder")
        await world.create_collection(
            "thief", collectionName="docs", deletionPolicy="Delete", **ADOPTING
        )
        await world.settled("thief", "NameTaken")
        await world.delete("thief")
        await world.gone("thief")
        (after,) = await world.ready("elder")
    assert claim_of(after) == claim_of(before)
    assert await world.engine.list_collections() == {"docs"}


async def test_an_engine_serves_its_own_namespace_unless_told_otherwise(
    world: Namespace, neighbour: Namespace
) -> None:
    """A guest is told why it waits, leaves no trace, and is taken when the engine says All."""
    async with running(world.operator_api, world.engines):
        await world.settled_engine()
        await neighbour.create_collection("docs")
        stalled = await neighbour.says("docs", "NamespaceNotAllowed", "allowedNamespaces")
        assert types(stalled) == {"Ready", "Stalled"}
        assert await world.engine.list_collections() == frozenset()
        await open_engine(world, **{"from": "All"})
        (ready,) = await neighbour.ready("docs")
        assert ready["status"]["placement"] == {"endpoint": world.address}
        await neighbour.delete("docs")
        await neighbour.gone("docs")
    assert await world.engine.list_collections() == frozenset()


async def test_a_guest_of_that_name_is_told_who_has_it(
    world: Namespace, neighbour: Namespace
) -> None:
    """Across namespaces the older wins too, and the younger gets its own when the elder goes."""
    await open_engine(world, **{"from": "All"})
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
        await neighbour.create_collection("docs", **ADOPTING)
        await neighbour.says("docs", "NameTaken", f"{world.namespace}/docs")
        await world.delete("docs")
        (ready,) = await neighbour.ready("docs")
        assert ready["status"]["origin"] == "Created"


async def test_an_uninvited_elder_is_in_nobodys_way(world: Namespace, neighbour: Namespace) -> None:
    """An object that the engine does not take keeps no name from one that it takes."""
    async with running(world.operator_api, world.engines):
        await world.settled_engine()
        await neighbour.create_collection("docs")
        await neighbour.settled("docs", "NamespaceNotAllowed")
        await world.create_collection("docs")
        await world.ready("docs")


async def test_a_namespace_becomes_welcome_by_its_labels(
    world: Namespace, neighbour: Namespace
) -> None:
    """From Selector: labelled later, its collections become Ready within the resync period."""
    selector = {"matchLabels": {"team": "search"}}
    await open_engine(world, **{"from": "Selector", "selector": selector})
    async with running(world.operator_api, world.engines, resync_period=1):
        await neighbour.create_collection("docs")
        await neighbour.settled("docs", "NamespaceNotAllowed")
        await label(neighbour, team="search")
        await neighbour.ready("docs")


async def test_a_namespace_that_is_no_longer_welcome_keeps_what_it_has(
    world: Namespace, neighbour: Namespace
) -> None:
    """The object says so and changes nothing; deleting it drops its collection all the same."""
    await label(neighbour, team="search")
    selector = {"matchExpressions": [{"key": "team", "operator": "In", "values": ["search"]}]}
    await open_engine(world, **{"from": "Selector", "selector": selector})
    async with running(world.operator_api, world.engines):
        await neighbour.create_collection("docs")
        await neighbour.ready("docs")
        await label(neighbour, team=None)
        await neighbour.patch("docs", {"spec": {"partitions": ["new"]}})
        await neighbour.settled("docs", "NamespaceNotAllowed")
        found = await world.engine.describe("docs")
        assert found is not None
        assert found.partitions == frozenset()
        await neighbour.delete("docs")
        await neighbour.gone("docs")
    assert await world.engine.list_collections() == frozenset()


async def test_foreign_collections_are_never_touched(world: Namespace, client: Milvus1) -> None:
    """Whatever objects come, change and go, what others made on the engine stays as it is."""
    foreign(client, "theirs")
    foreign(client, "docs")
    async with running(world.operator_api, world.engines, resync_period=1):
        for name in ("docs", "more"):
            await world.create_collection(name, partitions=["a"])
        await world.settled("docs", "AlreadyExists")
        await world.ready("more")
        await world.patch("docs", {"spec": {"partitions": ["b"], "deletionPolicy": "Delete"}})
        await world.settled("docs", "AlreadyExists")
        for name in ("docs", "more"):
            await world.delete(name)
            await world.gone(name)
    assert sorted(client.collections()) == ["docs", "theirs"]
    for name in ("docs", "theirs"):
        assert client.count(name) == 3
        assert client.partitions(name) == ["_default", "theirs"]


async def test_a_second_engine_object_for_one_endpoint_gives_no_hold_on_its_collections(
    world: Namespace,
) -> None:
    """Two VectorEngines may list the same server: what one object has there, no other adopts."""
    await world.create(VECTOR_ENGINE, "twin", {"external": {"endpoints": [world.address]}})
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
        twin = {"engineRef": {"name": "twin"}, "collectionName": "docs"}
        await world.create_collection("other", **twin, **ADOPTING, deletionPolicy="Delete")
        await world.settled("other", "NameTaken")
        await world.delete("other")
        await world.gone("other")
    assert await world.engine.describe("docs") is not None
