"""A collection that waits for room, or for a name, is created as soon as somebody gives it up.

No resync comes in between: the next one is ten minutes away.
"""

from collections.abc import Awaitable, Callable

import pytest

from quiver.domain.kubernetes_types import VECTOR_ENGINE, Manifest
from support.fake_engine import FakeEngines
from support.namespaces import Namespace
from support.operators import running
from support.tenants import Tenant

Act = Callable[[Namespace], Awaitable[object]]


def limits(**limits: int) -> Manifest:
    return {"spec": {"limits": limits}}


async def delete_one(world: Namespace) -> None:
    await world.delete("full")


async def drop_a_partition(world: Namespace) -> None:
    await world.patch("full", {"spec": {"partitions": ["a"]}})


async def raise_the_limit(world: Namespace) -> None:
    await world.patch("engine", limits(maxCollectionsAndPartitions=4), VECTOR_ENGINE)


async def add_an_endpoint(world: Namespace) -> None:
    host, _, port = world.address.partition(":")
    other = f"127.{64 + int(host.split('.')[1]) % 32}.{host.split('.', 2)[2]}:{port}"
    assert isinstance(world.engines, FakeEngines)
    world.engines.start(other)
    endpoints = {"endpoints": [world.address, other]}
    await world.patch("engine", {"spec": {"external": endpoints}}, VECTOR_ENGINE)


ROOM = pytest.mark.parametrize(
    "make_room", [delete_one, drop_a_partition, raise_the_limit], ids=lambda do: do.__name__
)


async def fill(world: Namespace) -> None:
    """Have one collection with two partitions take all of the engine's room."""
    await world.patch("engine", limits(maxCollectionsAndPartitions=3), VECTOR_ENGINE)
    await world.create_collection("full", partitions=["a", "b"])
    await world.ready("full")


@pytest.mark.parametrize(
    "make_room",
    [delete_one, drop_a_partition, raise_the_limit, add_an_endpoint],
    ids=lambda do: do.__name__,
)
async def test_a_collection_that_waits_for_room_is_created_once_there_is_some(
    fake_world: Namespace, make_room: Act
) -> None:
    """Another one goes or gives up a partition, the limit is raised, a member is added."""
    async with running(fake_world.operator_api, fake_world.engines):
        await fill(fake_world)
        await fake_world.create_collection("waiting")
        await fake_world.settled("waiting", "QuotaExceeded")
        await make_room(fake_world)
        await fake_world.ready("waiting")


async def test_partitions_that_wait_for_room_are_created_once_there_is_some(
    fake_world: Namespace,
) -> None:
    """Of a collection that is there already."""
    await fake_world.patch("engine", limits(maxCollectionsAndPartitions=4), VECTOR_ENGINE)
    async with running(fake_world.operator_api, fake_world.engines):
        for name in ("full", "waiting"):
            await fake_world.create_collection(name, partitions=["a"])
            await fake_world.ready(name)
        await fake_world.patch("waiting", {"spec": {"partitions": ["a", "b"]}})
        await fake_world.settled("waiting", "QuotaExceeded")
        await fake_world.delete("full")
        await fake_world.ready("waiting")


@pytest.mark.parametrize(
    "make_room", [delete_one, drop_a_partition], ids=lambda do: str(do.__name__)
)
async def test_a_guest_that_waits_for_its_share_gets_it_once_it_has_given_some_up(
    fake_world: Namespace, tenant: Tenant, make_room: Act
) -> None:
    """What its namespace has is less then, of `limits.maxPerNamespace`."""
    spec = {"allowedNamespaces": {"from": "All"}, "limits": {"maxPerNamespace": 3}}
    await fake_world.patch("engine", {"spec": spec}, VECTOR_ENGINE)
    guest = tenant.at(fake_world)
    async with running(fake_world.operator_api, fake_world.engines):
        await guest.create_collection("full", partitions=["a", "b"])
        await guest.ready("full")
        await guest.create_collection("waiting")
        await guest.settled("waiting", "QuotaExceeded")
        await make_room(guest)
        await guest.ready("waiting")


async def test_of_many_that_wait_those_get_in_that_fit(fake_world: Namespace) -> None:
    """One that asks for more than there is keeps none behind it from the room."""
    async with running(fake_world.operator_api, fake_world.engines):
        await fill(fake_world)
        await fake_world.create_collection("large", partitions=["a", "b", "c"])
        await fake_world.settled("large", "QuotaExceeded")
        for name in ("one", "two", "three", "four"):
            await fake_world.create_collection(name)
            await fake_world.settled(name, "QuotaExceeded")
        await fake_world.delete("full")
        await fake_world.ready("one", "two", "three")
        await fake_world.settled("four", "QuotaExceeded")


async def test_a_name_that_is_given_up_by_way_of_another_engine_object_is_taken(
    fake_world: Namespace,
) -> None:
    """Two VectorEngines lead to one server: whoever waits for the name by way of one gets it when
    the object that has it by way of the other is deleted.
    """
    await fake_world.create(
        VECTOR_ENGINE, "twin", {"external": {"endpoints": [fake_world.address]}}
    )
    async with running(fake_world.operator_api, fake_world.engines):
        await fake_world.create_collection("docs")
        await fake_world.ready("docs")
        other = {"engineRef": {"name": "twin"}, "collectionName": "docs"}
        await fake_world.create_collection("waiting", **other)
        await fake_world.settled("waiting", "NameTaken")
        await fake_world.delete("docs")
        await fake_world.ready("waiting")
