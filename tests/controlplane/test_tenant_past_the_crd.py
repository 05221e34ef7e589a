"""What the CRDs refuse and is stored all the same, under CRDs of before, does no harm."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from localcluster import ControlPlane
from quiver.domain.access import Target
from quiver.domain.addresses import AddressPolicy
from quiver.domain.kubernetes_types import VECTOR_ENGINE, Manifest
from quiver.ports.engines import EngineClient
from support.answers import answered, is_the_elder, take_away
from support.fake_engine import FakeEngine, FakeEngines
from support.fake_names import FakeNames
from support.health import argo_health
from support.namespaces import Namespace, ready_condition, types
from support.operators import running
from support.tenants import ADOPTING, Tenant

pytestmark = pytest.mark.usefixtures("loose_crds")

ROWS = 3
CRDS = ("vectorcollections.quiver.dev", "vectorengines.quiver.dev")
BARE = {
    "apiVersion": "quiver.dev/v1alpha1",
    "kind": "VectorEngine",
    "metadata": {"name": "bare", "namespace": "default"},
    "spec": {"external": {"endpoints": ["bare:1"]}},
}


@pytest.fixture(scope="module")
def loose_crds(quiver_api: ControlPlane) -> Iterator[None]:
    """CRDs without any of their rules."""
    texts = [quiver_api.kubectl("get", "crd", name, "--output=json") for name in CRDS]
    strict = [json.loads(text) for text in texts]
    for crd in strict:
        del crd["metadata"]["resourceVersion"]
    put(quiver_api, [without_rules(crd) for crd in strict], takes_bare_hosts=True)
    yield
    put(quiver_api, strict, takes_bare_hosts=False)


def without_rules(part: Any) -> Any:
    if isinstance(part, list):
        return [without_rules(item) for item in part]
    if isinstance(part, dict):
        kept = {k: v for k, v in part.items() if k != "x-kubernetes-validations"}
        return {key: without_rules(value) for key, value in kept.items()}
    return part


def put(control_plane: ControlPlane, crds: list[Manifest], *, takes_bare_hosts: bool) -> None:
    """Replace the CRDs, and wait until the API server goes by them."""
    for crd in crds:
        control_plane.kubectl("replace", "--filename=-", input=json.dumps(crd))
    attempt = ("create", "--dry-run=server", "--filename=-", "--output=name")
    for _ in range(600):
        answer = control_plane.kubectl(*attempt, input=json.dumps(BARE), check=False)
        if bool(answer) == takes_bare_hosts:
            return
    raise AssertionError("the API server goes by other CRDs")


@dataclass
class Watched:
    """Engines, and whom they were asked for."""

    engines: FakeEngines
    dialled: set[str] = field(default_factory=set)

    def at(self, target: Target) -> EngineClient:
        self.dialled.add(target.address)
        return self.engines.at(target)


REFUSED = {
    "127.0.0.1:19530": "a loopback address",
    "[::1]:19530": "a loopback address",
    "[::ffff:127.0.0.1]:19530": "a loopback address",
    "localhost.example.org:19530": "a loopback address",
    "169.254.169.254:80": "a link-local address",
    "metadata.example.org:80": "a link-local address",
    "one-of-two.example.org:80": "a link-local address",
    "[fe80::1]:19530": "a link-local address",
    "0.0.0.0:19530": "an unspecified address",
}
NAMES = {
    "localhost.example.org": ("127.0.0.1",),
    "metadata.example.org": ("169.254.169.254",),
    "one-of-two.example.org": ("10.0.0.7", "169.254.169.254"),
}
INVALID = [
    "localhost:19530",
    "milvus:19530",
    "xds:///milvus",
    "xds:///milvus.example.org:19530",
    "dns://10.0.0.7/milvus.example.org:19530",
    "ipv4:10.0.0.7:19530",
    "unix:/run/milvus.sock",
    "unix:///run/milvus.sock:19530",
    "unix-abstract:milvus:19530",
    "http://milvus.example.org:19530",
    "user@milvus.example.org:19530",
    "127.1:19530",
    "0x7f000001:19530",
    "2130706433:19530",
    "[fe80::1%eth0]:19530",
    "milvus.example.org:019530",
    "milvus.example.org:\u0661",
    "milvus.example.org:19530\n",
    "milvus.example.org",
    "",
]


async def test_what_is_no_address_of_an_engine_is_not_dialled(
    fake_world: Namespace, fake_engines: FakeEngines, tenant: Tenant
) -> None:
    """With the settings that everybody has, an endpoint that means the operator's own machine is
    refused, and so is all that is not HOST:PORT: the engine says why and what to do.
    """
    watched, names = Watched(fake_engines), FakeNames()
    names.addresses = {
        **NAMES,
        **{endpoint.partition(":")[0]: ("10.0.0.7",) for endpoint in INVALID},
    }
    own = replace(tenant.at(fake_world), engine_namespace=None)
    cures = {endpoint: (why, "--allow-engine-cidr") for endpoint, why in REFUSED.items()}
    cures |= dict.fromkeys(INVALID, ("write ",))
    for number, endpoint in enumerate(cures):
        await own.create(VECTOR_ENGINE, f"e{number}", {"external": {"endpoints": [endpoint]}})
    await own.create_collection("docs", engineRef={"name": "e0"})
    policy = AddressPolicy()
    async with running(fake_world.operator_api, watched, names=names, addresses=policy):
        for number, (endpoint, words) in enumerate(cures.items()):
            engine = await own.settled(f"e{number}", "EndpointRefused", VECTOR_ENGINE)
            message = ready_condition(engine)["message"]
            assert types(engine) == {"Ready", "Stalled"}
            assert [word for word in words if word not in message] == [], (endpoint, message)
            assert message.isprintable()
        await own.says("docs", "EngineNotReady", "--allow-engine-cidr")
    assert watched.dialled == set()


async def test_a_spec_that_is_changed_leaves_the_collection_with_its_object(
    fake_world: Namespace, fake: FakeEngine
) -> None:
    """An elder whose collectionName is changed still has what it claimed, and what it wishes now is
    nobody's until it is claimed: no two objects get one collection.
    """
    async with running(fake_world.operator_api, fake_world.engines):
        await fake_world.create_collection("elder", collectionName="docs")
        await fake_world.ready("elder")
        fake.insert("docs", ROWS)
        await fake_world.patch("elder", {"spec": {"collectionName": "other"}})
        await fake_world.says("elder", "SpecDiffers", "collectionName is docs, not other")
        await fake_world.create_collection("second", collectionName="docs", **ADOPTING)
        await fake_world.says("second", "NameTaken", "elder")
        await fake_world.create_collection("third", collectionName="other")
        await fake_world.ready("third")
        await take_away(fake_world, "second", "elder")
        await fake_world.look_now("third")
        await fake_world.ready("third")
    assert set(fake.collections) == {"docs", "other"}
    assert fake.count_rows("docs", None) == ROWS


@pytest.mark.parametrize("instance", ["5" * 32, None], ids=["instance", "address"])
async def test_an_object_that_turns_to_another_engine_brings_no_claim_along(
    fake_world: Namespace,
    fake: FakeEngine,
    fake_engines: FakeEngines,
    tenant: Tenant,
    instance: str | None,
) -> None:
    """A tenant's collection on its own engine, made out to be the victim's: nothing is dropped."""
    fake.instance = instance
    fake_engines.start("127.9.9.7:19530", instance=instance and "6" * 32)
    own = await tenant.with_engine(fake_world, "127.9.9.7:19530")
    await fake_world.patch(
        "engine", {"spec": {"allowedNamespaces": {"from": "All"}}}, VECTOR_ENGINE
    )
    async with running(fake_world.operator_api, fake_world.engines):
        await own.create_collection("docs", deletionPolicy="Delete")
        await own.ready("docs")
        await is_the_elder(own, "docs")
        await fake_world.create_collection("docs")
        await fake_world.ready("docs")
        fake.insert("docs", ROWS)
        to = {"name": "engine", "namespace": fake_world.namespace}
        await own.patch("docs", {"spec": {"engineRef": to}})
        assert await answered(own, "docs") in ("NameTaken", "AlreadyExists", "MemberGone")
        await take_away(own, "docs")
        await fake_world.look_now("docs")
        await fake_world.ready("docs")
    assert fake.count_rows("docs", None) == ROWS


async def test_an_engine_that_the_crd_would_refuse_says_what_is_missing(
    fake_world: Namespace,
) -> None:
    """Milvus1 has no image of its own. Waiting does not help, as Argo CD and Flux see too."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create(VECTOR_ENGINE, "odd", {"type": "Milvus1"})
        odd = await world.says("odd", "InvalidSpec", "spec.image", kind=VECTOR_ENGINE)
        assert argo_health(odd).status == "Degraded"
