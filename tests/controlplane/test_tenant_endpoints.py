"""Whatever a tenant calls the server of others: what is on it stays theirs."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from ipaddress import IPv6Address
from typing import Any

import pytest

from quiver.domain.kubernetes_types import POD, VECTOR_ENGINE, Key, Manifest
from quiver_proto import milvus_pb2 as pb
from support.answers import answered, engine_is_looked_at, is_the_elder, take_away
from support.fake_engine import FakeEngine, FakeEngines
from support.fake_names import FakeNames
from support.faulty_engine import FaultyEngine, Proceed
from support.forwarder import Forwarder
from support.milvus1_client import Milvus1
from support.namespaces import Namespace, ready_condition, types
from support.operators import running
from support.standin_node import StandinNode
from support.tenants import ADOPTING, Tenant
from support.waiting import eventually

ROWS = 3
LOOT = {**ADOPTING, "collectionName": "docs"}
INSTANCE = "5" * 32


@pytest.fixture
def names() -> FakeNames:
    return FakeNames()


def fill(client: Milvus1) -> None:
    client.insert("docs", [[1.0] * 8] * ROWS)
    client.flush("docs")


async def owned(world: Namespace) -> Manifest:
    """Make the collection that all of this is about."""
    await world.create_collection("docs")
    (docs,) = await world.ready("docs")
    return docs


async def answers_as_milvus(_proceed: Proceed, _context: Any) -> bytes:
    """No server but Quiver's own knows the command `instance`."""
    return pb.StringReply(string_reply="1.1.1").SerializeToString()


@pytest.fixture(params=["instance", "address"])
async def victim(request: pytest.FixtureRequest, world: Namespace) -> AsyncIterator[Namespace]:
    """The world with a server that tells who it is, or with one that is known by its address."""
    async with FaultyEngine(world.address) as server:
        if request.param == "address":
            server.spoil(answers_as_milvus, "Cmd")
        endpoints = {"external": {"endpoints": [server.address]}}
        await world.patch("engine", {"spec": endpoints}, VECTOR_ENGINE)
        yield replace(world, address=server.address)


SPELLINGS = {
    "the same": "127.0.0.1",
    "a name": "milvus.example.org",
    "a name of an IPv6 address": "six.example.org",
    "IPv6": "[::ffff:127.0.0.1]",
}


@pytest.mark.parametrize("host", SPELLINGS.values(), ids=SPELLINGS)
async def test_a_server_is_the_same_however_it_is_spelled(
    victim: Namespace, client: Milvus1, tenant: Tenant, names: FakeNames, host: str
) -> None:
    """A tenant's own VectorEngine at the victim's server, and be it the older of two, gives no hold
    on what the victim has there, whether the server tells who it is or is known by its address.
    """
    names.addresses = {"milvus.example.org": ("127.0.0.1",), "six.example.org": ("::ffff:7f00:1",)}
    port = victim.address.rpartition(":")[2]
    thief = await tenant.with_elder_engine(victim, f"{host}:{port}")
    async with running(victim.operator_api, victim.engines, names=names):
        await owned(victim)
        fill(client)
        await thief.create_collection("loot", **LOOT)
        said = await answered(thief, "loot")
        await take_away(thief, "loot")
        assert client.collections() == ["docs"]
        assert said in ("NameTaken", "AlreadyExists")
        await victim.look_now("docs")
        await victim.ready("docs")
    assert client.count("docs") == ROWS


@pytest.mark.parametrize("instance", [INSTANCE, None], ids=["instance", "address"])
async def test_a_name_that_is_moved_brings_nothing_along(
    fake_world: Namespace,
    fake: FakeEngine,
    fake_engines: FakeEngines,
    tenant: Tenant,
    names: FakeNames,
    instance: str | None,
) -> None:
    """A claim that was made on the tenant's own server counts on no other, to which the name of the
    endpoint leads later.
    """
    fake.instance = instance
    own_server = fake_engines.start("127.9.9.9:19530", instance=instance and "6" * 32)
    names.addresses["engine.example.org"] = ("127.9.9.9",)
    thief = await tenant.with_engine(fake_world, "engine.example.org:19530")
    async with running(fake_world.operator_api, fake_engines, names=names):
        await thief.create_collection("loot", collectionName="docs")
        await thief.ready("loot")
        await is_the_elder(thief, "loot")
        await owned(fake_world)
        fake.insert("docs", ROWS)
        names.addresses["engine.example.org"] = (fake_world.address.partition(":")[0],)
        await engine_is_looked_at(thief)
        await thief.patch("loot", {"spec": {"partitions": ["theirs"]}})
        assert await answered(thief, "loot") in ("NameTaken", "AlreadyExists")
        await take_away(thief, "loot")
        await fake_world.look_now("docs")
        await fake_world.ready("docs")
    assert fake.collections["docs"].rows == {"_default": ROWS}
    assert set(own_server.collections) == {"docs"}


async def test_a_claim_on_an_address_is_none_on_who_comes_there_later(
    fake_world: Namespace, fake_engines: FakeEngines, tenant: Tenant, names: FakeNames
) -> None:
    """A tenant's server, which did not tell who it was, leaves its address to the victim's, which
    does: the elder claim takes nothing of the victim's along.
    """
    address = "127.9.9.9:19530"
    fake_engines.start(address)
    thief = await tenant.with_engine(fake_world, address)
    names.addresses["victim.example.org"] = ("127.9.9.9",)
    endpoints = {"external": {"endpoints": ["victim.example.org:19530"]}}
    await fake_world.patch("engine", {"spec": endpoints}, VECTOR_ENGINE)
    async with running(fake_world.operator_api, fake_engines, names=names):
        # Its engine's first status would have the operator look at the loot once more.
        await thief.settled_engine()
        await thief.create_collection("loot", collectionName="docs")
        await thief.ready("loot")
        await is_the_elder(thief, "loot")
        victims = fake_engines.start(address, instance=INSTANCE)
        await fake_world.create_collection("docs")
        assert await answered(fake_world, "docs") == "Available"
        victims.insert("docs", ROWS)
        await take_away(thief, "loot")
        assert set(victims.collections) == {"docs"}
        await fake_world.look_now("docs")
        await fake_world.ready("docs")
    assert victims.count_rows("docs", None) == ROWS


async def managed_engine(world: Namespace, node: StandinNode) -> str:
    """Make an engine that Quiver runs, with a collection, and return its pod's IP address."""
    await world.create(VECTOR_ENGINE, "engine", {"nodeSelector": node.selector})
    await owned(world)
    address: str = (await world.get("engine-0", POD))["status"]["podIP"]
    return address


HOSTS = {
    "its address": "{address}",
    "its address in IPv6": "[{mapped}]",
    "its Service": "engine.{namespace}.svc",
    "its name": "engine-0.engine.{namespace}.svc.cluster.local",
    "a name of the tenant's": "engine.example.org",
}


async def test_a_pod_of_quivers_is_no_external_engine(
    managed: Namespace, node: StandinNode, tenant: Tenant, names: FakeNames
) -> None:
    """However the tenant calls the pod, its own VectorEngine says so and gives no hold on it."""
    own = replace(managed, namespace=tenant.namespace, api=tenant.api)
    async with running(managed.operator_api, managed.engines, names=names):
        address = await managed_engine(managed, node)
        client = Milvus1(f"{address}:19530")
        fill(client)
        mapped = str(IPv6Address(f"::ffff:{address}"))
        for number, pattern in enumerate(HOSTS.values()):
            host = pattern.format(address=address, mapped=mapped, namespace=managed.namespace)
            names.addresses[host] = (address,)
            name, endpoints = f"e{number}", {"endpoints": [f"{host}:19530"]}
            await own.create(VECTOR_ENGINE, name, {"external": endpoints})
            await own.create_collection("loot", engineRef={"name": name}, **LOOT)
            assert await answered(own, "loot") != "Available", host
            await take_away(own, "loot")
            engine = ready_condition(await own.get(name, VECTOR_ENGINE))
            assert engine["reason"] == "EndpointRefused", host
            assert "allowedNamespaces" in engine["message"]
        assert client.count("docs") == ROWS
        client.close()


POD_ADDRESSES = ("127.9.9.8", "fd00::9:8")
WAYS = {
    "its address": "127.9.9.8:19530",
    "its address in IPv6": "[::ffff:7f09:908]:19530",
    "its second address": "[fd00::9:8]:19530",
}


@pytest.mark.parametrize("endpoint", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("first", ["pod", "endpoint"])
async def test_a_pod_that_does_not_tell_who_it_is_is_no_external_engine(
    fake_world: Namespace, fake_engines: FakeEngines, tenant: Tenant, endpoint: str, first: str
) -> None:
    """An image of Milvus 1.x is known for a pod of Quiver's by its addresses alone, also to an
    engine that listed one of them before the pod had it.
    """
    pod = fake_engines.start(WAYS["its address"])
    fake_engines._engines |= dict.fromkeys(WAYS.values(), pod)
    victim = fake_world
    async with running(victim.operator_api, fake_engines):
        if first == "endpoint":
            thief = await tenant.with_engine(victim, endpoint)
            await thief.settled_engine()
            await is_the_elder(thief, "engine", VECTOR_ENGINE)
        await milvus_pod(victim)
        await victim.create_collection("docs", engineRef={"name": "milvus"})
        await victim.ready("docs")
        pod.insert("docs", ROWS)
        if first == "pod":
            thief = await tenant.with_engine(victim, endpoint)
        await thief.create_collection("loot", **LOOT)
        said = await answered(thief, "loot")
        await take_away(thief, "loot")
    assert set(pod.collections) == {"docs"}
    assert said != "Available"


async def milvus_pod(world: Namespace) -> None:
    """Make an engine of Milvus 1.x, whose pod runs, as far as the API server knows."""
    spec = {"type": "Milvus1", "image": "milvus:1.1.1", "nodeSelector": {"none": "such"}}
    await world.create(VECTOR_ENGINE, "milvus", spec)
    await eventually(partial(world.find, "milvus-0", POD), "the pod is there")
    status = {
        "phase": "Running",
        "podIP": POD_ADDRESSES[0],
        "podIPs": [{"ip": address} for address in POD_ADDRESSES],
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    key = Key(world.namespace, "milvus-0")
    await world.api.patch(POD, key, {"status": status}, subresource="status")


@pytest.mark.parametrize("elder", ["the pod's", "the endpoint's"])
async def test_a_way_around_to_a_pod_of_quivers_leads_nowhere(
    managed: Namespace, node: StandinNode, tenant: Tenant, elder: str
) -> None:
    """A load balancer, say: the server is known for what it is, whichever VectorEngine is older."""
    async with Forwarder() as forwarder, running(managed.operator_api, managed.engines):
        if elder == "the endpoint's":
            thief = await tenant.with_engine(managed, forwarder.address)
            await is_the_elder(thief, "engine", VECTOR_ENGINE)
        address = await managed_engine(managed, node)
        forwarder.lead_to(f"{address}:19530")
        if elder == "the pod's":
            thief = await tenant.with_engine(managed, forwarder.address)
        await nothing_is_taken(thief, address)


async def test_a_way_around_to_a_pod_that_nobody_has_asked_leads_nowhere(
    managed: Namespace, node: StandinNode, tenant: Tenant
) -> None:
    """Nor with an operator that has just started, and has had no reason to ask the pod anything:
    its collection is suspended.
    """
    async with running(managed.operator_api, managed.engines):
        address = await managed_engine(managed, node)
        await managed.patch("docs", {"spec": {"suspend": True}})
        await eventually(partial(says_it_is_suspended, managed), "docs is suspended")
    async with Forwarder() as forwarder, running(managed.operator_api, managed.engines):
        forwarder.lead_to(f"{address}:19530")
        await nothing_is_taken(await tenant.with_engine(managed, forwarder.address), address)


async def says_it_is_suspended(world: Namespace) -> bool:
    return "Suspended" in types(await world.get("docs"))


async def nothing_is_taken(thief: Namespace, address: str) -> None:
    """See that the thief's own engine gives no hold on what is in the pod with this address."""
    client = Milvus1(f"{address}:19530")
    fill(client)
    await thief.create_collection("loot", **LOOT)
    said = await answered(thief, "loot")
    await take_away(thief, "loot")
    left = client.collections()
    client.close()
    assert left == ["docs"]
    assert said != "Available"
