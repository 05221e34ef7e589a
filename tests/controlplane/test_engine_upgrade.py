"""An upgrade of the operator, with real controllers of StatefulSets: which pods it replaces."""

import asyncio
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcluster import ControlPlane
from quiver.domain.kubernetes_types import POD, STATEFUL_SET, VECTOR_ENGINE, Manifest
from quiver.domain.outdated_pods import PODS_OUTDATED
from quiver.reconcile.engines.revisions import FIELDS_ANNOTATION, TEMPLATE_ANNOTATION
from quiver.settings import Settings
from support.namespaces import Namespace
from support.operators import running
from support.standin_node import StandinNode
from support.waiting import eventually

CLASS = "by-hand"
STORED = {"storage": {"size": "1Gi", "className": CLASS}}
OLD, NEW, WRONG = Settings().engine_image, "registry.example/engine:2", "registry.invalid/engine:2"


@pytest.fixture
def node(namespace: str, quiver_api: ControlPlane, tmp_path: Path) -> Iterator[StandinNode]:
    """A node that runs engines of two images."""
    name, images = f"node-{namespace}", {OLD, NEW}
    with StandinNode(quiver_api.kubeconfig, tmp_path, name, images=images) as node:
        yield node


@pytest.fixture(autouse=True)
def volumes(namespace: str, quiver_api: ControlPlane) -> Iterator[None]:
    """Volumes for the pods of these tests."""
    pods = ("engine-0", "engine-1", "engine-2", "other-0")
    volumes = [_volume(f"{pod}-{namespace}", namespace, f"data-{pod}") for pod in pods]
    listing = {"apiVersion": "v1", "kind": "List", "items": volumes}
    quiver_api.kubectl("apply", "--filename=-", input=json.dumps(listing))
    yield
    names = [volume["metadata"]["name"] for volume in volumes]
    quiver_api.kubectl("delete", "persistentvolume", *names, "--wait=false")


def _volume(name: str, namespace: str, claim: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": CLASS,
            "claimRef": {"namespace": namespace, "name": claim},
            "hostPath": {"path": f"/nowhere/{name}"},
        },
    }


async def create_engine(world: Namespace, node: StandinNode, name: str, **spec: Any) -> None:
    await world.create(VECTOR_ENGINE, name, {"nodeSelector": node.selector, **STORED, **spec})


async def pods(world: Namespace, *names: str) -> list[tuple[str, str]]:
    """Return the uid and the image of each pod."""
    found = [await world.get(name, POD) for name in names]
    return [(p["metadata"]["uid"], p["spec"]["containers"][0]["image"]) for p in found]


async def image_becomes(world: Namespace, pod: str, image: str) -> None:
    async def holds() -> bool:
        found = await world.find(pod, POD)
        return found is not None and found["spec"]["containers"][0]["image"] == image

    await eventually(holds, f"{pod} is of {image}")


async def outdated(world: Namespace, name: str, reason: str, *words: str) -> str:
    """Wait until the engine's condition PodsOutdated says this; return its message."""

    async def holds() -> str | None:
        conditions = (await world.get(name, VECTOR_ENGINE))["status"]["conditions"]
        found = [c for c in conditions if c["type"] == PODS_OUTDATED and c["reason"] == reason]
        message = found[0]["message"] if found else ""
        return message if found and all(word in message for word in words) else None

    message: str = await eventually(holds, f"{name} says {reason}: {words}")
    return message


async def up_to_date(world: Namespace, name: str) -> Manifest:
    """Wait until nothing is outdated and all pods are ready."""

    async def holds() -> Manifest | None:
        engine = await world.get(name, VECTOR_ENGINE)
        types = {c["type"] for c in engine["status"]["conditions"]}
        return engine if PODS_OUTDATED not in types else None

    await eventually(holds, f"the pods of {name} are of the latest template")
    return await world.settled_engine(name)


async def test_an_upgrade_replaces_no_pod_until_its_command_is_given(
    managed: Namespace, node: StandinNode, quiver_api: ControlPlane
) -> None:
    """A StatefulSet of the release before is taken over without a restart, and the engine is Ready
    meanwhile. Pods that go, and those of a higher `replicas`, come with the old image. The command
    of the condition replaces them all, and the collections are served again.
    """
    async with running(managed.operator_api, managed.engines):
        await create_engine(managed, node, "engine", replicas=2)
        await managed.settled_engine()
        for name in ("one", "two"):
            await managed.create_collection(name)
        await managed.ready("one", "two")
    annotations = dict.fromkeys((TEMPLATE_ANNOTATION, FIELDS_ANNOTATION))
    of_before = {"metadata": {"annotations": annotations}, "spec": {"updateStrategy": None}}
    await managed.patch("engine", of_before, STATEFUL_SET)
    before = await pods(managed, "engine-0", "engine-1")
    settings = {"engine_image": NEW, "resync_period": 1}
    async with running(managed.operator_api, managed.engines, **settings):
        told = await outdated(managed, "engine", "UpgradeWaiting", repr(OLD), repr(NEW))
        assert (await managed.settled_engine())["status"]["image"] == OLD
        assert await pods(managed, "engine-0", "engine-1") == before
        await managed.delete("engine-1", POD)
        await managed.patch("engine", {"spec": {"replicas": 3}}, VECTOR_ENGINE)
        await eventually(lambda: are_there(managed, 3), "three pods are ready")
        found = await pods(managed, "engine-0", "engine-1", "engine-2")
        assert found[0] == before[0]
        assert [image for _, image in found] == [OLD, OLD, OLD]
        (command,) = told.split("`")[1::2]
        await asyncio.to_thread(quiver_api.kubectl, *shlex.split(command)[1:])
        for name in ("engine-2", "engine-1", "engine-0"):
            await image_becomes(managed, name, NEW)
        engine = await up_to_date(managed, "engine")
        assert engine["status"]["image"] == NEW
        assert "pendingUpgrade" not in engine["status"]
        await managed.ready("one", "two")


async def are_there(world: Namespace, number: int) -> bool:
    return (await world.get("engine", VECTOR_ENGINE))["status"].get("readyReplicas") == number


async def test_automatic_upgrades_stop_at_the_first_pod_that_does_not_start(
    managed: Namespace, node: StandinNode
) -> None:
    """Of two engines one is left alone while the other says what is wrong. Rolled back, the
    operator puts its pod right; the next upgrade reaches both.
    """
    automatic = {"upgradePolicy": "Automatic"}
    names = ("engine-0", "engine-1", "other-0")
    async with running(managed.operator_api, managed.engines):
        await create_engine(managed, node, "engine", replicas=2, **automatic)
        await create_engine(managed, node, "other", **automatic)
        await managed.settled_engine("engine")
        await managed.settled_engine("other")
    before = await pods(managed, *names)
    settings: dict[str, Any] = {"engine_image": WRONG, "resync_period": 1}
    async with running(managed.operator_api, managed.engines, **settings):
        stopped = await eventually(lambda: stopped_engine(managed), "one of them has stopped")
        (waiting,) = {"engine", "other"} - {stopped}
        await outdated(managed, stopped, "RolloutStopped", "ErrImagePull", "roll Quiver back")
        await outdated(managed, waiting, "UpgradeWaiting", "It begins by itself once all pods")
        await asyncio.gather(*(seen_again(managed, name) for name in ("engine", "other")))
        found = await pods(managed, *names)
        assert [image for _, image in found].count(WRONG) == 1
        kept = [(b, f) for b, f in zip(before, found, strict=True) if f[1] != WRONG]
        assert [b == f for b, f in kept] == [True, True]
    async with running(managed.operator_api, managed.engines):
        for name in ("engine", "other"):
            await up_to_date(managed, name)
        found = await pods(managed, *names)
        assert {image for _, image in found} == {OLD}
        assert sum(b == f for b, f in zip(before, found, strict=True)) == len(names) - 1
    settings["engine_image"] = NEW
    async with running(managed.operator_api, managed.engines, **settings):
        for name in names:
            await image_becomes(managed, name, NEW)
        for name in ("engine", "other"):
            await up_to_date(managed, name)


async def stopped_engine(world: Namespace) -> str | None:
    for name in ("engine", "other"):
        conditions = (await world.get(name, VECTOR_ENGINE))["status"]["conditions"]
        if any(c["reason"] == "RolloutStopped" for c in conditions):
            return name
    return None


async def seen_again(world: Namespace, name: str) -> None:
    """Have the operator look at the engine, and wait until it has written what it found."""
    changed = await world.patch(name, {"spec": {"defaultDeletionPolicy": "Retain"}}, VECTOR_ENGINE)

    async def holds() -> bool:
        status = (await world.get(name, VECTOR_ENGINE))["status"]
        return bool(status["observedGeneration"] == changed["metadata"]["generation"])

    await eventually(holds, f"{name} is seen again")
