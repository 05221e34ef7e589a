"""The NetworkPolicies of engines, as the API server stores them. Nothing here enforces them: what
they allow is worked out by the documented semantics.
"""

import json
from dataclasses import replace
from typing import Any

import pytest

from localcluster import ControlPlane
from quiver.domain.kubernetes_types import (
    NETWORK_POLICY,
    SERVICE,
    STATEFUL_SET,
    VECTOR_ENGINE,
    Manifest,
)
from quiver.domain.possession import UID_ANNOTATION
from support.admin_api import AdminApi
from support.fake_engine import FakeEngines
from support.installation import SYSTEM
from support.namespaces import Namespace, ready_condition
from support.network_policies import Source, allows
from support.operators import running
from support.waiting import eventually

GRPC, HTTP = 19530, 9091
OPERATOR = {"app.kubernetes.io/name": "quiver", "app.kubernetes.io/instance": "quiver"}
PROMETHEUS = {"app.kubernetes.io/name": "prometheus"}
SELECTOR = {
    "matchLabels": {"vectors": "shared"},
    "matchExpressions": [{"key": "suspended", "operator": "DoesNotExist"}],
}
PEERS: list[Manifest] = [
    {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
        "podSelector": {"matchLabels": PROMETHEUS},
    },
    {"podSelector": {"matchLabels": {"role": "dashboard"}}},
    {"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.128/25"]}},
]
SHARED = {"vectors": "shared"}
SUSPENDED = {"vectors": "shared", "suspended": ""}
OWN = "the engine's own"
"""Stands for the namespace of the engine, whose name the test chooses."""

SAME: Manifest = {"from": "Same"}
ALL: Manifest = {"from": "All"}
BY_LABELS: Manifest = {"from": "Selector", "selector": SELECTOR}
NO_PORT, CLIENTS, EVERYTHING = set[int](), {GRPC}, {GRPC, HTTP}
ANYWHERE: dict[str, tuple[Source, set[int]]] = {
    "the operator": (Source(SYSTEM, pod_labels=OPERATOR), CLIENTS),
    "a pod of the engine's namespace": (Source(OWN), CLIENTS),
    "a peer in the engine's namespace": (Source(OWN, pod_labels={"role": "dashboard"}), EVERYTHING),
    "a peer in its namespace": (Source("monitoring", pod_labels=PROMETHEUS), EVERYTHING),
    "an address that is a peer": (Source(ip="192.0.2.7"), EVERYTHING),
    "an address that is left out": (Source(ip="192.0.2.200"), NO_PORT),
    "another address": (Source(ip="198.51.100.7"), NO_PORT),
}
"""Who may connect to which ports, whichever namespaces the engine admits."""

STRANGERS: dict[str, Source] = {
    "another pod beside the operator": Source(SYSTEM),
    "the operator's labels elsewhere": Source("team-b", pod_labels=OPERATOR),
    "another pod beside a peer": Source("monitoring"),
    "a peer's labels elsewhere": Source("team-b", pod_labels=PROMETHEUS),
    "a peer's labels of this namespace elsewhere": Source(
        "team-b", pod_labels={"role": "dashboard"}
    ),
    "a namespace without the label": Source("team-b"),
    "a namespace that only calls itself so": Source("team-b", {"vectors": "other"}),
    "a namespace that one requirement leaves out": Source("team-c", SUSPENDED),
}
"""Who may connect to the gRPC port if the engine admits every namespace, and else to none."""

GUEST = Source("team-d", SHARED)


@pytest.fixture
def world(
    namespace: str, api: AdminApi, operator_api: AdminApi, fake_engines: FakeEngines
) -> Namespace:
    """A namespace in which engines have no pods."""
    return Namespace(namespace, api, operator_api, fake_engines, address="")


async def create_engine(world: Namespace, network_policy: Manifest | None, **spec: Any) -> None:
    policy = {} if network_policy is None else {"networkPolicy": network_policy}
    await world.create(VECTOR_ENGINE, "engine", {"replicas": 0, **policy, **spec})


async def found(world: Namespace) -> Manifest:
    policy: Manifest = await eventually(
        lambda: world.find("engine", NETWORK_POLICY), "there is a NetworkPolicy"
    )
    return policy


async def pod_labels(world: Namespace) -> dict[str, str]:
    """Return the labels that the engine's pods would have."""
    await world.settled("engine", "ScaledToZero", VECTOR_ENGINE)
    template = (await world.get("engine", STATEFUL_SET))["spec"]["template"]
    labels: dict[str, str] = template["metadata"]["labels"]
    return labels


def allowed_ports(policy: Manifest, target: dict[str, str], source: Source) -> set[int]:
    if source.namespace == OWN:
        source = replace(source, namespace=policy["metadata"]["namespace"])
    return {port for port in EVERYTHING if allows(policy, target, source, port)}


@pytest.mark.parametrize(
    ("admitted", "strangers", "guest"),
    [(SAME, NO_PORT, NO_PORT), (ALL, CLIENTS, CLIENTS), (BY_LABELS, NO_PORT, CLIENTS)],
    ids=["Same", "All", "Selector"],
)
async def test_who_may_connect(
    world: Namespace, admitted: Manifest, strangers: set[int], guest: set[int]
) -> None:
    """The operator, the admitted namespaces and the peers, and no others: to the gRPC port; and the
    peers alone to the HTTP port.
    """
    async with running(world.operator_api, world.engines, pod_labels=OPERATOR):
        await create_engine(world, {"peers": PEERS}, allowedNamespaces=admitted)
        policy, target = await found(world), await pod_labels(world)
    wanted = {name: ports for name, (_, ports) in ANYWHERE.items()}
    wanted |= dict.fromkeys(STRANGERS, strangers) | {"a guest": guest}
    sources = {name: source for name, (source, _) in ANYWHERE.items()} | STRANGERS
    got = {
        name: allowed_ports(policy, target, source)
        for name, source in {**sources, "a guest": GUEST}.items()
    }
    assert got == wanted
    assert policy["spec"]["policyTypes"] == ["Ingress"]


async def test_without_peers_no_pod_reaches_the_http_port(world: Namespace) -> None:
    """Not even the engine's own namespace does. An operator that does not know its labels is every
    pod of its namespace.
    """
    async with running(world.operator_api, world.engines):
        await create_engine(world, {})
        policy, target = await found(world), await pod_labels(world)
    assert allowed_ports(policy, target, Source(OWN)) == CLIENTS
    assert allowed_ports(policy, target, Source(SYSTEM)) == CLIENTS
    assert allowed_ports(policy, target, Source("team-b")) == NO_PORT


async def test_pods_of_other_engines_are_not_concerned(world: Namespace) -> None:
    """The policy selects the pods of its own engine alone."""
    async with running(world.operator_api, world.engines):
        await create_engine(world, {})
        policy, target = await found(world), await pod_labels(world)
    another = {**target, "app.kubernetes.io/instance": "another"}
    assert allows(policy, another, Source("team-b"), HTTP)
    assert not allows(policy, target, Source("team-b"), HTTP)


async def test_it_goes_with_its_engine_or_its_field(world: Namespace) -> None:
    """It carries the engine's uid. Taken out of the spec or off, it is deleted, and made again."""
    async with running(world.operator_api, world.engines):
        await create_engine(world, {})
        policy = await found(world)
        engine = await world.get("engine", VECTOR_ENGINE)
        assert policy["metadata"]["annotations"][UID_ANNOTATION] == engine["metadata"]["uid"]
        for off, on in ((None, {}), ({"enabled": False}, {"enabled": True})):
            await world.patch("engine", {"spec": {"networkPolicy": off}}, VECTOR_ENGINE)
            await world.gone("engine", NETWORK_POLICY)
            await world.patch("engine", {"spec": {"networkPolicy": on}}, VECTOR_ENGINE)
            await found(world)


async def test_one_that_was_opened_or_deleted_is_put_back(world: Namespace) -> None:
    """Quiver removes rules that were added by hand at once; labels of others stay."""
    async with running(world.operator_api, world.engines):
        await create_engine(world, {})
        wanted = (await found(world))["spec"]
        opened = {
            "metadata": {"labels": {"theirs": "a"}},
            "spec": {"ingress": [*wanted["ingress"], {}]},
        }
        await world.patch("engine", opened, NETWORK_POLICY)

        async def is_put_back() -> Manifest | None:
            live = await world.find("engine", NETWORK_POLICY)
            return live if live is not None and live["spec"] == wanted else None

        live = await eventually(is_put_back, "the NetworkPolicy is as it was")
        assert live["metadata"]["labels"]["theirs"] == "a"
        await world.delete("engine", NETWORK_POLICY)
        await eventually(is_put_back, "there is a NetworkPolicy again")


THEIRS: Manifest = {"podSelector": {}, "policyTypes": ["Egress"]}


async def test_one_of_another_owner_is_left_alone(world: Namespace) -> None:
    """The engine says that its name is taken, makes no pods, and goes on once the name is free."""
    await world.create(NETWORK_POLICY, "engine", THEIRS)
    async with running(world.operator_api, world.engines, resync_period=1):
        await create_engine(world, {})
        taken = await world.settled("engine", "NameTaken", VECTOR_ENGINE)
        assert "A NetworkPolicy 'engine'" in ready_condition(taken)["message"]
        assert (await world.get("engine", NETWORK_POLICY))["spec"] == THEIRS
        assert await world.find("engine", SERVICE) is None
        await world.delete("engine", NETWORK_POLICY)
        await world.settled("engine", "ScaledToZero", VECTOR_ENGINE)
        assert (await found(world))["spec"]["policyTypes"] == ["Ingress"]


async def test_one_of_another_owner_is_not_deleted(world: Namespace) -> None:
    """An engine that wants none leaves one of its name and labels that it does not own."""
    async with running(world.operator_api, world.engines):
        await create_engine(world, None)
        labels = await pod_labels(world)
        await world.create(NETWORK_POLICY, "engine", THEIRS, labels=labels)
        await world.patch("engine", {"spec": {"networkPolicy": {"enabled": False}}}, VECTOR_ENGINE)
        await world.settled("engine", "ScaledToZero", VECTOR_ENGINE)
        assert (await world.get("engine", NETWORK_POLICY))["spec"] == THEIRS


async def test_one_that_the_api_server_refuses_is_reported(world: Namespace) -> None:
    """The engine repeats the server's words, makes no pods that anyone could reach, and goes on
    once the peers are right.
    """
    block = {"cidr": "10.0.0.0/8", "except": ["192.168.0.0/16"]}
    async with running(world.operator_api, world.engines):
        await create_engine(world, {"peers": [{"ipBlock": block}]})
        refused = await world.settled("engine", "ApplyRefused", VECTOR_ENGINE)
        assert "must be a strict subset of `cidr`" in ready_condition(refused)["message"]
        assert await world.find("engine", STATEFUL_SET) is None
        right = {"networkPolicy": {"peers": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}}
        await world.patch("engine", {"spec": right}, VECTOR_ENGINE)
        await world.settled("engine", "ScaledToZero", VECTOR_ENGINE)
        await found(world)


def applications(control_plane: ControlPlane, namespace: str) -> int:
    """Count, by the audit log, how often a NetworkPolicy of the namespace was patched."""
    assert control_plane.audit_log is not None
    entries = map(json.loads, control_plane.audit_log.read_text().splitlines())
    wanted = ("patch", "networkpolicies", namespace)
    return sum(
        (e["verb"], e.get("objectRef", {}).get("resource"), e["objectRef"].get("namespace"))
        == wanted
        for e in entries
        if "objectRef" in e
    )


async def test_what_is_stored_is_not_applied_again(
    world: Namespace, quiver_api: ControlPlane
) -> None:
    """A spec with everything that the API server omits costs one write, however often Quiver looks
    at the engine.
    """
    selector = {"matchLabels": {}, "matchExpressions": [{"key": "a", "operator": "Exists"}]}
    peers: list[Manifest] = [
        {"podSelector": {}, "namespaceSelector": selector},
        {"ipBlock": {"cidr": "fd00::/8", "except": []}},
    ]
    admitted = {"from": "Selector", "selector": selector}
    async with running(world.operator_api, world.engines, resync_period=0.2) as operator:
        await create_engine(world, {"peers": peers}, allowedNamespaces=admitted)
        await world.settled("engine", "ScaledToZero", VECTOR_ENGINE)

        def looks() -> float:
            metric = "controller_runtime_reconcile_time_seconds_count"
            labels = {"controller": "vectorengine"}
            return operator.metrics.registry.get_sample_value(metric, labels) or 0

        begun = looks()
        await eventually(lambda: looks() >= begun + 3, "the engine is looked at three times")
    assert applications(quiver_api, world.namespace) == 1
