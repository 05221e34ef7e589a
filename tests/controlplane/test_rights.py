"""The chart's rights, held against what the operator does by the API server's own audit log."""

from dataclasses import replace
from pathlib import Path

import pytest

from localcluster import ControlPlane
from quiver.domain.access import Target
from quiver.domain.kubernetes_types import (
    NETWORK_POLICY,
    POD,
    POD_DISRUPTION_BUDGET,
    SECRET,
    VECTOR_ENGINE,
    Kind,
    Manifest,
)
from support.namespaces import Namespace, ready_condition
from support.release import Install, Right, leads
from support.standin_node import StandinNode
from support.waiting import eventually

ASKED_BY_ADMISSION = {Right("watched", "update", "vectorengines.quiver.dev/finalizers")}
"""What the admission plugin OwnerReferencesPermissionEnforcement asks for where an owner blocks its
deletion. It asks the authorizer, and so the audit log does not have it.
"""
QUOTA = Kind("", "v1", "resourcequotas", "ResourceQuota")
NAME_LABEL = "kubernetes.io/metadata.name"


async def run_through_its_deeds(world: Namespace, guest: Namespace, node: StandinNode) -> None:
    """Have the operator do everything that it can do with objects."""
    allowed = {"from": "Selector", "selector": {"matchLabels": {NAME_LABEL: guest.namespace}}}
    tls = {"caSecretName": "none"}
    await world.create(
        VECTOR_ENGINE,
        "engine",
        {
            "gpu": {"count": 1},
            "nodeSelector": node.selector,
            "allowedNamespaces": allowed,
            "networkPolicy": {},
        },
    )
    external = {"external": {"endpoints": ["192.0.2.1:19530"]}, "tls": tls}
    await world.create(VECTOR_ENGINE, "external", external)
    await world.settled("external", "SecretNotFound", VECTOR_ENGINE)
    await world.create_collection("docs", binding={"secretName": "docs"})
    await guest.create_collection("guests")
    await world.ready("docs")
    await guest.ready("guests")
    await world.patch("docs", {"spec": {"binding": None}})
    await world.gone("docs", SECRET)
    for count in (1, 2):
        await lose(world, "docs", count)
    await world.create(QUOTA, "one", {"hard": {"pods": "1"}})
    await eventually(lambda: in_force(world), "the quota is in force")
    await world.patch("engine", {"spec": {"networkPolicy": None, "replicas": 2}}, VECTOR_ENGINE)
    refused = ("engine-1", "exceeded quota: one")
    await world.says("engine", "PodRefused", *refused, kind=VECTOR_ENGINE)
    await world.delete("one", QUOTA)
    await world.settled("engine", "GPUUnused", VECTOR_ENGINE)
    await world.gone("engine", NETWORK_POLICY)
    await world.delete("docs")
    await world.gone("docs")
    await world.delete("engine", VECTOR_ENGINE)
    await world.settled("engine", "DeletionBlocked", VECTOR_ENGINE)
    await world.patch("engine", {"metadata": {"finalizers": None}}, VECTOR_ENGINE)
    await world.gone("engine", POD_DISRUPTION_BUDGET)


async def in_force(world: Namespace) -> bool:
    quota: Manifest = await world.get("one", QUOTA)
    return bool(quota.get("status", {}).get("used") == {"pods": "1"})


async def lose(world: Namespace, name: str, times: int) -> None:
    """Drop the collection behind the operator's back, and wait until it has told of that so often:
    the second time in the Event of the first.
    """
    address = (await world.get("engine-0", POD))["status"]["podIP"]
    await world.engines.at(Target(f"{address}:19530", "Quiver")).drop(name)
    await world.look_now(name)

    async def is_told() -> bool:
        events = await world.events(name, "Recreated")
        counts = [event.get("series", {}).get("count", 1) for event in events]
        return counts == [times]

    await eventually(is_told, f"the loss of {name} is told {times} times")


@pytest.mark.parametrize("is_cluster_wide", [True, False], ids=["cluster-wide", "namespaces"])
async def test_what_is_granted_is_what_is_used(
    is_cluster_wide: bool,
    releases: Install,
    managed: Namespace,
    node: StandinNode,
    quiver_api: ControlPlane,
    tmp_path: Path,
) -> None:
    """An operator that does all that it can do uses each right that the chart gives it, and is
    refused nothing.
    """
    namespaces = [managed.namespace, f"guest-{managed.namespace}"]
    quiver_api.create_namespace(namespaces[1])
    guest = replace(managed, namespace=namespaces[1], engine_namespace=managed.namespace)
    watched = [] if is_cluster_wide else namespaces
    secrets = {"secrets": {"namespaces": namespaces[:1]}}
    release = releases(watchNamespaces=watched, rbac=secrets, resyncPeriod=1)
    with release.operator(tmp_path / "operator.log") as operator:
        await leads(operator)
        await run_through_its_deeds(managed, guest, node)
    assert release.refused() == []
    assert release.used() | ASKED_BY_ADMISSION == release.granted()


async def test_only_the_listed_namespaces_are_looked_after(
    releases: Install, world: Namespace, neighbour: Namespace, tmp_path: Path
) -> None:
    """The operator says so at its start, leaves other namespaces alone, and does not say of an
    engine there that it does not exist.
    """
    release = releases(watchNamespaces=[neighbour.namespace], resyncPeriod=1)
    log = tmp_path / "operator.log"
    with release.operator(log) as operator:
        await leads(operator)
        await world.create_collection("docs")
        await neighbour.create_collection("guests")
        words = f"does not watch namespace '{world.namespace}'"
        await neighbour.says("guests", "EngineNotFound", words)
        assert ready_condition(await world.get("docs"))["reason"] == "Pending"
    assert release.refused() == []
    assert f"watching namespaces {neighbour.namespace} and no others" in log.read_text()
    assert "there are no admission policies" in log.read_text()


async def test_a_namespace_without_its_role_is_in_nobodys_way(
    releases: Install, world: Namespace, neighbour: Namespace, tmp_path: Path
) -> None:
    """As when it was deleted: the operator says so and goes on in the others. It also says what the
    deletion of the CRD would do, since it has no right to read that.
    """
    names = [neighbour.namespace, world.namespace]
    release = releases(watchNamespaces=names, crds={"enabled": False}, resyncPeriod=1)
    role = f"rolebinding/{release.namespace}:quiver"
    release.control_plane.kubectl("delete", role, f"--namespace={neighbour.namespace}")
    with release.operator(tmp_path / "operator.log") as operator:
        await leads(operator)
        operator.wait_for(f"namespace {neighbour.namespace} cannot be watched: .*forbidden")
        operator.wait_for("cannot read CustomResourceDefinition vectorcollections.quiver.dev")
        await world.create_collection("docs")
        await world.ready("docs")
