"""No tenant takes more of an engine's room than it has a right to, whatever its objects ask for."""

import asyncio
import json

import pytest

from quiver.domain.kubernetes_types import VECTOR_ENGINE, Manifest
from support.answers import first_told, take_away, told
from support.fake_engine import FakeEngine
from support.namespaces import Namespace
from support.operators import running
from support.tenants import Tenant, annotate

pytestmark = pytest.mark.usefixtures("unguarded")

MOST = [f"tag{number}" for number in range(4095)]
"""Partitions; with their collection they fill a member."""
NO_GPU = {"type": "IVF_SQ8H", "params": {"nlist": 64}}
"""An index that an engine without GPUs refuses."""


async def open_to_all(world: Namespace, **limits: int) -> None:
    spec = {"allowedNamespaces": {"from": "All"}, "limits": limits}
    await world.patch("engine", {"spec": spec}, VECTOR_ENGINE)


def placed(fake: FakeEngine) -> int:
    """Count the collections and partitions of the engine."""
    return sum(len(collection.rows) for collection in fake.collections.values())


def tags(*names: str) -> Manifest:
    return {"spec": {"partitions": list(names)}}


async def test_who_is_not_admitted_takes_no_room(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant
) -> None:
    """An object that the engine does not take, with a claim of its own making and as many
    partitions as there can be, is in nobody's way.
    """
    thief = tenant.at(fake_world)
    engine = await fake_world.get("engine", VECTOR_ENGINE)
    own = await thief.create_collection("loot", partitions=MOST)
    claim = {"engineUID": engine["metadata"]["uid"], "member": fake_world.address}
    claim |= {"objectUID": own["metadata"]["uid"], "collectionName": "loot"}
    await annotate(thief, "loot", json.dumps(claim))
    async with running(fake_world.operator_api, fake_world.engines):
        await thief.settled("loot", "NamespaceNotAllowed")
        await fake_world.create_collection("docs", partitions=["a"])
        await fake_world.ready("docs")
        await take_away(thief, "loot")
    assert placed(fake) == 2


async def test_a_guest_that_asks_for_more_than_there_is_keeps_nobody_from_the_rest(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant
) -> None:
    """Asked for at first, or later for a collection that it has, 4,095 partitions beside another's
    collection do not fit: it says so, and others get theirs.
    """
    await open_to_all(fake_world)
    guest = tenant.at(fake_world)
    async with running(fake_world.operator_api, fake_world.engines):
        await fake_world.create_collection("docs")
        await guest.create_collection("small")
        await fake_world.ready("docs")
        await guest.ready("small")
        await guest.create_collection("large", partitions=MOST)
        await guest.says("large", "QuotaExceeded", "no room for", "4096")
        await guest.patch("small", tags(*MOST))
        await guest.says("small", "QuotaExceeded")
        await fake_world.create_collection("more", partitions=["a", "b"])
        await fake_world.patch("docs", tags("a"))
        await fake_world.ready("docs", "more")
    assert placed(fake) == 2 + 1 + 3


async def test_a_guest_has_its_share_and_no_more(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant
) -> None:
    """`maxPerNamespace` counts collections and partitions, made at once or added later, of each
    namespace apart; the engine's own has no share.
    """
    await open_to_all(fake_world, maxPerNamespace=4)
    guest, names = tenant.at(fake_world), ["one", "two", "three"]
    async with running(fake_world.operator_api, fake_world.engines, resync_period=1):
        await asyncio.gather(*(guest.create_collection(n, partitions=["a"]) for n in names))
        waiting, _ = await first_told(guest, names, "QuotaExceeded")
        first, second = (name for name in names if name != waiting)
        await guest.ready(first, second)
        await guest.says(waiting, "QuotaExceeded", "may have 4", "limits.maxPerNamespace")
        await guest.patch(first, tags("a", "b"))
        await guest.settled(first, "QuotaExceeded")
        assert placed(fake) == 4
        await fake_world.create_collection("own", partitions=["a", "b", "c", "d"])
        await fake_world.ready("own")
        await take_away(guest, second)
        await guest.patch(first, tags("a"))
        await guest.ready(first, waiting)


async def test_what_is_made_before_a_refusal_counts(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant
) -> None:
    """An index that the engine refuses keeps an object from being Ready, and its partitions, which
    are there by then, are of its namespace's share all the same.
    """
    await open_to_all(fake_world, maxPerNamespace=4)
    guest, names = tenant.at(fake_world), ["one", "two", "three"]
    async with running(fake_world.operator_api, fake_world.engines):
        for name in names:
            await guest.create_collection(name, partitions=["a", "b"], index=NO_GPU)
            await told(guest, name, "EngineRefused", "QuotaExceeded")
    assert placed(fake) <= 4


async def test_what_a_guest_leaves_behind_counts(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant
) -> None:
    """Partitions that are retained when they are taken off the list take room all the same."""
    await open_to_all(fake_world, maxPerNamespace=3)
    guest = tenant.at(fake_world)
    async with running(fake_world.operator_api, fake_world.engines):
        await guest.create_collection("docs", partitions=["a", "b"], deletionPolicy="Retain")
        await guest.ready("docs")
        for more in ([], ["c", "d"], [], ["e", "f"]):
            await guest.patch("docs", tags(*more))
            await told(guest, "docs", "Available", "QuotaExceeded")
    assert placed(fake) <= 3


async def test_what_objects_of_a_guest_leave_behind_counts(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant
) -> None:
    """Collections that are retained when their objects go take room with all their partitions."""
    await open_to_all(fake_world, maxPerNamespace=4)
    guest = tenant.at(fake_world)
    async with running(fake_world.operator_api, fake_world.engines):
        for name in ("one", "two"):
            await guest.create_collection(name, partitions=["a", "b"], deletionPolicy="Retain")
            await told(guest, name, "Available", "QuotaExceeded")
            await take_away(guest, name)
    assert placed(fake) <= 4
