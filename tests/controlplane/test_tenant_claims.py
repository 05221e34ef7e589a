"""Claims that a tenant has written, or that somebody has brought from elsewhere, count for nothing.

The admission policy that refuses such writes is taken away here: it is a second wall.
"""

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from localcluster import ControlPlane
from quiver.adapters.drivers import Drivers
from quiver.control.claim_keys import SECRET_NAME
from quiver.domain.claims import CLAIM_ANNOTATION, FINALIZER, claim_of
from quiver.domain.kubernetes_types import (
    POD,
    SECRET,
    STATEFUL_SET,
    VECTOR_ENGINE,
    Key,
    Manifest,
)
from support.admin_api import AdminApi
from support.answers import all_say, answered, engine_is_looked_at, is_the_elder, take_away
from support.fake_engine import FakeEngine
from support.installation import SYSTEM
from support.interruptions import Power, until_cut
from support.milvus1_client import Milvus1
from support.namespaces import Namespace
from support.operators import running
from support.standin_node import StandinNode
from support.tenants import ADOPTING, Tenant, annotate, claimed_by, forge, put_status_claim
from support.waiting import eventually

pytestmark = pytest.mark.usefixtures("unguarded")

ROWS = 3
INSTANCE = "5" * 32
CLAIMED_AND_CREATED = ["patch object", "create"]
ENGINES = pytest.mark.parametrize("instance", [INSTANCE, None], ids=["instance", "address"])
"""An engine that tells who it is, and one that is known by its address."""


async def owned(world: Namespace) -> Manifest:
    """Make the collection that all of this is about."""
    await world.create_collection("docs")
    (docs,) = await world.ready("docs")
    return docs


async def allow(world: Namespace, allowed: Manifest) -> None:
    await world.patch("engine", {"spec": {"allowedNamespaces": allowed}}, VECTOR_ENGINE)


async def has_finalizer(world: Namespace, name: str) -> None:
    async def holds() -> bool:
        return FINALIZER in (await world.get(name))["metadata"].get("finalizers", [])

    await eventually(holds, f"{name} has its finalizer")


async def has_claim(world: Namespace, name: str, of: Manifest | None) -> None:
    """Wait until the status has the claim of that manifest, or none."""
    expected = None if of is None else of["status"]["claim"]

    async def holds() -> bool:
        return (await world.get(name))["status"].get("claim") == expected

    await eventually(holds, f"{name} has the claim {expected}")


async def robbed(victim: Namespace, thief: Namespace, fill: Callable[[], object]) -> None:
    """Have the victim's collection made and filled, claimed by an older object of the thief's too,
    and take that object away.
    """
    await thief.create_collection("loot", collectionName="docs", **ADOPTING)
    await thief.settled("loot", "NamespaceNotAllowed")
    await is_the_elder(thief, "loot")
    docs = await owned(victim)
    fill()
    await forge(thief, "loot", docs)
    await thief.look_now("loot")
    await take_away(thief, "loot")
    await victim.look_now("docs")
    await victim.ready("docs")


def fill(client: Milvus1) -> None:
    client.insert("docs", [[1.0] * 8] * ROWS)
    client.flush("docs")


@ENGINES
async def test_a_forged_claim_drops_nothing(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant, instance: str | None
) -> None:
    """What stands in the annotation of an object, its own uid and a true signature of another
    claim, is no claim: the victim's collection stays when the object goes.
    """
    fake.instance = instance
    async with running(fake_world.operator_api, fake_world.engines):
        await robbed(fake_world, tenant.at(fake_world), partial(fake.insert, "docs", ROWS))
    assert fake.count_rows("docs", None) == ROWS


async def test_a_forged_claim_that_an_operator_finds_drops_nothing(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant
) -> None:
    """Written while no operator ran, it gets into no status once one does."""
    thief = tenant.at(fake_world)
    await thief.create_collection("docs")
    await is_the_elder(thief, "docs")
    async with running(fake_world.operator_api, fake_world.engines):
        docs = await owned(fake_world)
        fake.insert("docs", ROWS)
    await forge(thief, "docs", docs)
    async with running(fake_world.operator_api, fake_world.engines):
        told = await thief.settled("docs", "NamespaceNotAllowed")
        assert claim_of(told) is None
        await take_away(thief, "docs")
        await fake_world.ready("docs")
    assert fake.count_rows("docs", None) == ROWS


async def test_a_forged_claim_drops_nothing_of_a_guest(
    world: Namespace,
    neighbour: Namespace,
    client: Milvus1,
    tenant: Tenant,
    quiver_api: ControlPlane,
) -> None:
    """The victim in a third namespace, on an engine that takes that and no other."""
    named = {"matchLabels": {"kubernetes.io/metadata.name": neighbour.namespace}}
    allowed = {"allowedNamespaces": {"from": "Selector", "selector": named}}
    await world.patch("engine", {"spec": allowed}, VECTOR_ENGINE)
    async with running(world.operator_api, world.engines):
        await robbed(neighbour, tenant.at(world), partial(fill, client))
    assert client.count("docs") == ROWS


async def managed_engine(world: Namespace, node: StandinNode) -> None:
    await world.create(VECTOR_ENGINE, "engine", {"nodeSelector": node.selector})
    await world.settled_engine()


async def test_a_forged_claim_drops_nothing_of_a_managed_engine(
    managed: Namespace, node: StandinNode, tenant: Tenant
) -> None:
    """The victim's collection in a pod that Quiver runs."""
    async with running(managed.operator_api, managed.engines):
        await managed_engine(managed, node)
        address = (await managed.get("engine-0", POD))["status"]["podIP"]
        client = Milvus1(f"{address}:19530")
        await robbed(managed, tenant.at(managed), partial(fill, client))
        assert client.count("docs") == ROWS
        client.close()


MEMBERS = ["engine-149", "engine-\u00b2", "engine-01", "engine--1", "engine-" + "9" * 40, "engine-"]


async def test_no_claim_makes_an_engine_grow(
    namespace: str, api: AdminApi, operator_api: AdminApi, engines: Drivers, tenant: Tenant
) -> None:
    """Forged by a guest, or copied into the status by an operator of before: an engine has no more
    replicas than its spec ever asked for, and odd names of members stop nothing.
    """
    victim = Namespace(namespace, api, operator_api, engines, address="")
    thief = tenant.at(victim)
    spec = {"nodeSelector": {"none": "such"}, "allowedNamespaces": {"from": "All"}}
    names = [f"docs{number}" for number in range(2 * len(MEMBERS))]
    async with running(operator_api, engines):
        engine = await victim.create(VECTOR_ENGINE, "engine", spec)
        await engine_is_looked_at(victim)
        claim = {"engineUID": engine["metadata"]["uid"], "collectionName": "docs"}
        for name, member in zip(names, MEMBERS * 2, strict=True):
            own = await thief.create_collection(name)
            forged = {**claim, "objectUID": own["metadata"]["uid"], "member": member}
            if name in names[: len(MEMBERS)]:
                await annotate(thief, name, json.dumps(forged))
            else:
                await put_status_claim(replace(thief, api=api), name, forged)
        await all_say(thief, names[len(MEMBERS) :], "MemberGone")
        await engine_is_looked_at(victim)
        assert (await victim.get("engine", STATEFUL_SET))["spec"]["replicas"] == 1
        await take_away(thief, *names)


async def test_a_claim_that_a_backup_brings_to_another_object_counts_for_nothing(
    fake_world: Namespace, fake: FakeEngine, api: AdminApi, tenant: Tenant
) -> None:
    """An administrator restores status and all into an older object of another namespace: that is
    told who has the collection, and goes without it.
    """
    copy = replace(tenant.at(fake_world), api=api)
    await copy.create_collection("docs", **ADOPTING)
    await is_the_elder(copy, "docs")
    async with running(fake_world.operator_api, fake_world.engines):
        docs = await owned(fake_world)
        fake.insert("docs", ROWS)
        await put_status_claim(copy, "docs", docs["status"]["claim"])
        await annotate(copy, "docs", docs["metadata"]["annotations"][CLAIM_ANNOTATION])
        await allow(fake_world, {"from": "All"})
        await copy.says("docs", "NameTaken", f"{fake_world.namespace}/docs")
        await take_away(copy, "docs")
        await fake_world.look_now("docs")
        await fake_world.ready("docs")
    assert fake.count_rows("docs", None) == ROWS


async def test_an_object_with_the_claim_of_another_gets_one_of_its_own(
    fake_world: Namespace, fake: FakeEngine
) -> None:
    """Restored where nobody has the name, it is made as any new object, and dropped as one."""
    async with running(fake_world.operator_api, fake_world.engines):
        old = await owned(fake_world)
        await take_away(fake_world, "docs")
    await fake_world.create_collection("docs")
    await put_status_claim(fake_world, "docs", old["status"]["claim"])
    async with running(fake_world.operator_api, fake_world.engines):
        (docs,) = await fake_world.ready("docs")
        assert docs["status"]["claim"]["objectUID"] == docs["metadata"]["uid"]
        await take_away(fake_world, "docs")
    assert fake.collections == {}


async def test_a_tenant_replaces_its_object(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant, quiver_api: ControlPlane
) -> None:
    """`kubectl replace` with a manifest that says nothing of claim and finalizer: the collection
    stays the object's, and is dropped with it.
    """
    own = await tenant.with_engine(fake_world, fake_world.address)
    async with running(fake_world.operator_api, fake_world.engines):
        docs = await owned(own)
        fake.insert("docs", ROWS)
        bare = {**docs, "metadata": {"name": "docs", "namespace": own.namespace}}
        user = f"--as=system:serviceaccount:{own.namespace}:tenant"
        quiver_api.kubectl("replace", user, "--filename=-", input=json.dumps(bare))
        await has_finalizer(own, "docs")
        (replaced,) = await own.ready("docs")
        assert claim_of(replaced) == claim_of(docs)
        assert fake.count_rows("docs", None) == ROWS
        await take_away(own, "docs")
    assert fake.collections == {}


@pytest.mark.parametrize(
    ("annotation", "reason", "left"),
    [("signed", "Available", set()), ("unsigned", "AlreadyExists", {"docs"})],
)
async def test_a_lost_status_is_restored_from_what_is_signed(
    fake_world: Namespace, fake: FakeEngine, annotation: str, reason: str, left: set[str]
) -> None:
    """Without the signature the claim is lost: the object says so, and goes without dropping."""
    async with running(fake_world.operator_api, fake_world.engines):
        docs = await owned(fake_world)
        fake.insert("docs", ROWS)
    if annotation == "unsigned":
        await annotate(fake_world, "docs", json.dumps(docs["status"]["claim"]))
    await put_status_claim(fake_world, "docs", None)
    async with running(fake_world.operator_api, fake_world.engines):
        await fake_world.look_now("docs")
        await has_claim(fake_world, "docs", docs if reason == "Available" else None)
        await fake_world.settled("docs", reason)
        assert fake.count_rows("docs", None) == ROWS
        await take_away(fake_world, "docs")
    assert set(fake.collections) == left


SIGNING_KEY = Key(SYSTEM, SECRET_NAME)


async def test_without_the_key_nobody_who_has_a_collection_is_harmed(
    fake_world: Namespace, fake: FakeEngine
) -> None:
    """The Secret is deleted: the operator makes another, what is there stays as it is and goes as
    it should, and what is new is made. A creation under way is left alone, and can be adopted.
    """
    async with running(fake_world.operator_api, fake_world.engines):
        docs = await owned(fake_world)
        fake.insert("docs", ROWS)
    await fake_world.create_collection("begun")
    await until_cut(fake_world, Power(after=len(CLAIMED_AND_CREATED)))
    await fake_world.api.delete(SECRET, SIGNING_KEY)
    async with running(fake_world.operator_api, fake_world.engines):
        await fake_world.create_collection("new")
        await fake_world.ready("new")
        await fake_world.says("begun", "AlreadyExists", "adoptionPolicy to IfIdentical")
        await fake_world.patch("begun", {"spec": {"adoptionPolicy": "IfIdentical"}})
        await fake_world.look_now("docs")
        *_, after = await fake_world.ready("begun", "new", "docs")
        assert after["status"] == docs["status"]
        assert fake.count_rows("docs", None) == ROWS
        await take_away(fake_world, "docs", "new")
    assert set(fake.collections) == {"begun"}


@pytest.mark.parametrize(("kept", "reason"), [(True, "Available"), (False, "AlreadyExists")])
async def test_a_key_is_turned(fake_world: Namespace, kept: bool, reason: str) -> None:
    """While the key of before stands in the Secret too, creations under way go on."""
    async with running(fake_world.operator_api, fake_world.engines):
        await owned(fake_world)
    await fake_world.create_collection("begun")
    await until_cut(fake_world, Power(after=len(CLAIMED_AND_CREATED)))
    secret = await fake_world.api.get(SECRET, SIGNING_KEY)
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    turned = {"current": key, "previous": secret["data"]["current"] if kept else None}
    await fake_world.api.patch(SECRET, SIGNING_KEY, {"data": turned})
    async with running(fake_world.operator_api, fake_world.engines):
        await fake_world.settled("begun", reason)
        await fake_world.create_collection("new")
        await fake_world.ready("docs", "new")


@ENGINES
async def test_a_claim_of_another_engine_object_counts_for_nothing(
    fake_world: Namespace, fake: FakeEngine, instance: str | None
) -> None:
    """What was written before servers were told apart counts for the VectorEngine that it names."""
    fake.instance = instance
    async with running(fake_world.operator_api, fake_world.engines):
        docs = await owned(fake_world)
        await fake_world.patch("docs", {"spec": {"deletionPolicy": "Retain"}})
        await take_away(fake_world, "docs")
        fake.insert("docs", ROWS)
    again = await fake_world.create_collection("docs")
    stale = claimed_by(again, docs, engineUID="another", server=None)
    await put_status_claim(fake_world, "docs", stale)
    async with running(fake_world.operator_api, fake_world.engines):
        await fake_world.settled("docs", "AlreadyExists")
        await take_away(fake_world, "docs")
    assert fake.count_rows("docs", None) == ROWS


async def test_a_guest_that_is_no_longer_welcome_can_take_away_what_it_has(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant
) -> None:
    """Its claim stands: nothing is changed any more, but the collection goes with the object."""
    guest = tenant.at(fake_world)
    await allow(fake_world, {"from": "All"})
    async with running(fake_world.operator_api, fake_world.engines):
        await owned(guest)
        fake.insert("docs", ROWS)
        await allow(fake_world, {"from": "Same"})
        await guest.settled("docs", "NamespaceNotAllowed")
        await guest.patch("docs", {"spec": {"partitions": ["new"]}})
        await guest.settled("docs", "NamespaceNotAllowed")
        assert fake.collections["docs"].rows == {"_default": ROWS}
        await take_away(guest, "docs")
    assert fake.collections == {}


@pytest.mark.parametrize("seen", [False, True], ids=["at-once", "once-seen"])
async def test_a_claim_that_was_given_up_does_not_come_back(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant, seen: bool
) -> None:
    """A guest takes a signed claim off its object before the status has it, and puts it back when
    somebody else has the collection: that one keeps it, whether the object goes at once or after an
    operator has looked at it.
    """
    guest = tenant.at(fake_world)
    await allow(fake_world, {"from": "All"})
    await guest.create_collection("loot", collectionName="docs")
    await until_cut(guest, Power(after=len(CLAIMED_AND_CREATED)))
    signed = (await guest.get("loot"))["metadata"]["annotations"][CLAIM_ANNOTATION]
    wiped = {"annotations": {CLAIM_ANNOTATION: None}, "finalizers": None}
    await guest.patch("loot", {"metadata": wiped})
    await allow(fake_world, {"from": "Same"})
    fake.drop("docs")
    async with running(fake_world.operator_api, fake_world.engines):
        await guest.settled("loot", "NamespaceNotAllowed")
        await owned(fake_world)
        fake.insert("docs", ROWS)
        await annotate(guest, "loot", signed)
        if seen:
            await guest.patch("loot", {"spec": {"partitions": ["theirs"]}})
            await answered(guest, "loot")
        await take_away(guest, "loot")
        await fake_world.look_now("docs")
        await fake_world.ready("docs")
    assert fake.count_rows("docs", None) == ROWS
