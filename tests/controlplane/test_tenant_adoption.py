"""What stood on an engine before is adopted by those alone whose it may be."""

from typing import Any

import pytest

from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.kubernetes_types import VECTOR_ENGINE
from support.answers import take_away
from support.fake_engine import FakeEngine
from support.milvus1_client import Milvus1
from support.namespaces import Namespace
from support.operators import running
from support.tenants import ADOPTING, Tenant

ROWS = 3
SCHEMA = CollectionSchema(name="docs", dimension=8, index_file_size=1024, metric_type="L2")


async def open_to_all(world: Namespace, **allowed: Any) -> None:
    spec = {"allowedNamespaces": {"from": "All", **allowed}}
    await world.patch("engine", {"spec": spec}, VECTOR_ENGINE)


async def left_by(world: Namespace, fake: FakeEngine) -> None:
    """Have the namespace make the collection `docs`, and leave it on the engine with vectors."""
    await world.create_collection("docs", deletionPolicy="Retain")
    await world.ready("docs")
    fake.insert("docs", ROWS)
    await take_away(world, "docs")


async def refused(guest: Namespace, fake: FakeEngine) -> None:
    """Have the guest try to adopt the collection, and take its object away again."""
    await guest.create_collection("docs", **ADOPTING)
    await guest.says("docs", "AlreadyExists", "allowedNamespaces.mayAdopt")
    await take_away(guest, "docs")
    assert fake.count_rows("docs", None) == ROWS


async def adopted(world: Namespace, fake: FakeEngine) -> None:
    """Have the namespace adopt the collection, and drop it."""
    await world.create_collection("docs", **ADOPTING)
    (docs,) = await world.ready("docs")
    assert docs["status"]["origin"] == "Adopted"
    assert fake.count_rows("docs", None) == ROWS
    await take_away(world, "docs")
    assert fake.collections == {}


async def test_a_guest_does_not_adopt_what_nobody_claims(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant
) -> None:
    """What was made without Quiver is the engine's own namespace's to adopt, until that lets others
    do so.
    """
    await open_to_all(fake_world)
    fake.create(SCHEMA)
    fake.insert("docs", ROWS)
    guest = tenant.at(fake_world)
    async with running(fake_world.operator_api, fake_world.engines):
        await refused(guest, fake)
        await open_to_all(fake_world, mayAdopt=True)
        await adopted(guest, fake)


async def test_a_guest_does_not_adopt_what_another_namespace_has_left(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant
) -> None:
    """A retained collection of the engine's own namespace is no guest's; its own may adopt it."""
    await open_to_all(fake_world)
    async with running(fake_world.operator_api, fake_world.engines):
        await left_by(fake_world, fake)
        await refused(tenant.at(fake_world), fake)
        await adopted(fake_world, fake)


INSTANCES = pytest.mark.parametrize("instance", ["5" * 32, None], ids=["instance", "address"])


@INSTANCES
async def test_a_guest_adopts_again_what_it_has_left(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant, instance: str | None
) -> None:
    """Of a guest's retained collection the engine remembers whose it was; of one that was taken
    over it forgets that.
    """
    fake.instance = instance
    await open_to_all(fake_world)
    guest = tenant.at(fake_world)
    async with running(fake_world.operator_api, fake_world.engines):
        await left_by(guest, fake)
        await adopted(guest, fake)
        assert await remembered(fake_world) == {}
        await left_by(guest, fake)
        assert set((await remembered(fake_world)).values()) == {f"{guest.namespace}/1"}
        await adopted(fake_world, fake)
        assert await remembered(fake_world) == {}
        fake.create(SCHEMA)
        fake.insert("docs", ROWS)
        await refused(guest, fake)


async def remembered(world: Namespace) -> dict[str, str]:
    """Return what the engine's status tells of collections that were left there."""
    engine = await world.get("engine", VECTOR_ENGINE)
    retained: dict[str, str] = engine["status"].get("retained", {})
    return retained


async def test_a_guest_does_not_adopt_what_another_guest_has_left(
    world: Namespace, neighbour: Namespace, client: Milvus1, tenant: Tenant
) -> None:
    """Neither while it is nobody's, nor by an object that was there before it was left."""
    await open_to_all(world)
    other = tenant.at(world)
    async with running(world.operator_api, world.engines):
        await neighbour.create_collection("docs", deletionPolicy="Retain")
        await neighbour.ready("docs")
        client.insert("docs", [[1.0] * 8] * ROWS)
        client.flush("docs")
        await other.create_collection("docs", **ADOPTING)
        await other.says("docs", "NameTaken", f"{neighbour.namespace}/docs")
        await take_away(neighbour, "docs")
        await other.says("docs", "AlreadyExists", "allowedNamespaces.mayAdopt")
        await take_away(other, "docs")
        assert client.count("docs") == ROWS
        await neighbour.create_collection("docs", **ADOPTING)
        await neighbour.ready("docs")
    assert client.count("docs") == ROWS
