"""Engines that Quiver runs: real scheduler and controllers, a pretend kubelet, real processes."""

import asyncio
import base64
from collections import Counter
from typing import Any

import pytest

from localcluster import ControlPlane
from localcluster.certificates import Authority
from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.ephemeral_data import DATA_EPHEMERAL
from quiver.domain.kubernetes_types import (
    POD,
    POD_DISRUPTION_BUDGET,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Kind,
    Manifest,
)
from quiver.domain.possession import UID_ANNOTATION
from quiver.ports.errors import EngineUnreachable
from support.namespaces import Namespace, ready_condition, types
from support.operators import running
from support.standin_node import StandinNode
from support.waiting import eventually

QUOTA = Kind("", "v1", "resourcequotas", "ResourceQuota")
OUR_LABELS = {
    "app.kubernetes.io/name": "quiver-engine",
    "app.kubernetes.io/instance": "engine",
    "app.kubernetes.io/managed-by": "quiver",
}
TWO_GPUS = 2
"""As many as the node has."""
SCHEMA = CollectionSchema(name="theirs", dimension=8, index_file_size=1024, metric_type="L2")


async def create_engine(world: Namespace, node: StandinNode, **spec: Any) -> Manifest:
    return await world.create(VECTOR_ENGINE, "engine", {"nodeSelector": node.selector, **spec})


async def says(world: Namespace, name: str, words: str, kind: Kind = VECTOR_COLLECTION) -> Manifest:
    """Wait until the object's Ready condition has `words` in its message."""

    async def holds() -> Manifest | None:
        manifest = await world.get(name, kind)
        return manifest if words in ready_condition(manifest).get("message", "") else None

    found: Manifest = await eventually(holds, f"{kind.kind} {name} says {words!r}")
    return found


async def on_pod(world: Namespace, pod: str) -> frozenset[str]:
    """Return the names of the collections that the engine in a pod has."""
    address = (await world.get(pod, POD))["status"]["podIP"]
    return await world.engines.at(Target(f"{address}:19530", "Quiver")).list_collections()


def pod_of(collection: Manifest) -> str:
    name: str = collection["status"]["placement"]["pod"]
    return name


async def test_an_engine_becomes_a_pod_that_takes_collections(
    managed: Namespace, node: StandinNode
) -> None:
    """What the engine becomes is ours, the pod is scheduled, and the status says where to go, and
    that the image of the tests has no FAISS for GPUs.
    """
    async with running(managed.operator_api, managed.engines):
        engine = await create_engine(managed, node, gpu={"count": TWO_GPUS})
        await managed.create_collection("docs")
        ready = await managed.settled("engine", "GPUUnused", VECTOR_ENGINE)
        told = "1 of 1 pod ready. Pods that have GPUs compute on the CPU: engine-0: the FAISS that"
        assert ready_condition(ready)["message"].startswith(told)
        (docs,) = await managed.ready("docs")
        host = f"engine-0.engine.{managed.namespace}.svc:19530"
        assert docs["status"]["placement"] == {"pod": "engine-0", "endpoint": host}
        assert await on_pod(managed, "engine-0") == {"docs"}
        for kind in (SERVICE, STATEFUL_SET, POD_DISRUPTION_BUDGET):
            metadata = (await managed.get("engine", kind))["metadata"]
            assert metadata["labels"] == OUR_LABELS
            assert metadata["annotations"][UID_ANNOTATION] == engine["metadata"]["uid"]
        pod = await managed.get("engine-0", POD)
        assert pod["spec"]["nodeName"] == node.name
        limits = pod["spec"]["containers"][0]["resources"]["limits"]
        assert limits["nvidia.com/gpu"] == str(TWO_GPUS)


async def test_too_few_gpus_are_told_in_the_schedulers_words(
    managed: Namespace, node: StandinNode
) -> None:
    """The engine says why its pod waits, and so does each collection that waits for it."""
    words = "Insufficient nvidia.com/gpu"
    async with running(managed.operator_api, managed.engines):
        await create_engine(managed, node, gpu={"count": TWO_GPUS + 1})
        await managed.create_collection("docs")
        engine = await says(managed, "engine", words, VECTOR_ENGINE)
        assert ready_condition(engine)["reason"] == "Unschedulable"
        docs = await says(managed, "docs", words)
        assert ready_condition(docs)["reason"] == "EngineNotReady"


async def test_too_little_gpu_memory_is_told_and_mended(
    managed: Namespace, node: StandinNode
) -> None:
    """No node's GPU has minMemory; with less of it the pod is scheduled."""
    async with running(managed.operator_api, managed.engines):
        await create_engine(managed, node, gpu={"minMemory": "80Gi"})
        await managed.create_collection("docs")
        await says(managed, "engine", "didn't match Pod's node affinity", VECTOR_ENGINE)
        await managed.patch("engine", {"spec": {"gpu": {"minMemory": "40Gi"}}}, VECTOR_ENGINE)
        await managed.settled("engine", "GPUUnused", VECTOR_ENGINE)
        await managed.ready("docs")


async def test_a_storage_class_that_does_not_exist_is_told_with_the_claim(
    managed: Namespace, node: StandinNode
) -> None:
    """The scheduler does not name it; the Event of the volume claim does."""
    async with running(managed.operator_api, managed.engines, resync_period=1):
        await create_engine(managed, node, storage={"size": "1Gi", "className": "missing"})
        waiting = await managed.settled("engine", "VolumeNotBound", VECTOR_ENGINE)
        claim = "PersistentVolumeClaim 'data-engine-0' of StorageClass 'missing' is not bound: "
        assert claim in ready_condition(waiting)["message"]
        await says(managed, "engine", 'storage.k8s.io "missing" not found', VECTOR_ENGINE)


async def test_an_image_that_cannot_be_pulled_is_told_and_mended(
    managed: Namespace, node: StandinNode
) -> None:
    """The kubelet's words stand in the engine's condition; the right image replaces the pod."""
    async with running(managed.operator_api, managed.engines):
        await create_engine(managed, node, image="registry.invalid/engine:1")
        engine = await managed.settled("engine", "PodFailing", VECTOR_ENGINE)
        words = "Pod engine-0 does not start: ErrImagePull: there is no image registry.invalid"
        assert words in ready_condition(engine)["message"]
        await managed.patch("engine", {"spec": {"image": None}}, VECTOR_ENGINE)
        await managed.settled_engine()


async def test_a_workload_that_is_refused_is_told_and_tried_again(
    managed: Namespace, node: StandinNode
) -> None:
    """A quota is in the way; once it is gone the engine comes up, though nobody touches it."""
    none = {"count/statefulsets.apps": "0"}
    await managed.create(QUOTA, "none", {"hard": none})

    async def is_in_force() -> bool:
        return (await managed.get("none", QUOTA)).get("status", {}).get("hard") == none

    await eventually(is_in_force, "the quota is in force")
    async with running(managed.operator_api, managed.engines):
        await create_engine(managed, node)
        refused = await managed.settled("engine", "ApplyRefused", VECTOR_ENGINE)
        assert "exceeded quota" in ready_condition(refused)["message"]
        await managed.delete("none", QUOTA)
        await managed.settled_engine()


async def test_collections_spread_over_an_engines_pods(
    managed: Namespace, node: StandinNode
) -> None:
    """Applied all at once, they do not all go to the same pod; each is where its status says."""
    names = [f"docs{number}" for number in range(12)]
    async with running(managed.operator_api, managed.engines):
        await create_engine(managed, node, replicas=2)
        await managed.settled_engine()
        await asyncio.gather(*(managed.create_collection(name) for name in names))
        placed = {
            name: pod_of(c) for name, c in zip(names, await managed.ready(*names), strict=True)
        }
        spread = Counter(placed.values())
        # Placed at the same time they do not see each other: each worker may be one off.
        assert min(spread["engine-0"], spread["engine-1"]) >= 4
        for pod in spread:
            assert await on_pod(managed, pod) == {n for n, where in placed.items() if where == pod}


async def test_a_pod_that_holds_a_collection_is_not_scaled_away(
    managed: Namespace, node: StandinNode, quiver_api: ControlPlane
) -> None:
    """`kubectl scale` waits, naming the pod, and goes through once the collection is deleted."""
    async with running(managed.operator_api, managed.engines):
        await create_engine(managed, node, replicas=2)
        await managed.settled_engine()
        for name in ("one", "two"):
            await managed.create_collection(name)
            await managed.ready(name)
        (last,) = [n for n in ("one", "two") if pod_of(await managed.get(n)) == "engine-1"]
        arguments = ("scale", "veng/engine", "--replicas=1", "--namespace", managed.namespace)
        await asyncio.to_thread(quiver_api.kubectl, *arguments)
        blocked = await managed.settled("engine", "ScaleDownBlocked", VECTOR_ENGINE)
        holds = f"pod engine-1 holds collections: {managed.namespace}/{last}."
        assert holds in ready_condition(blocked)["message"]
        assert (await managed.get("engine", STATEFUL_SET))["spec"]["replicas"] == 2
        await managed.delete(last)
        await managed.gone("engine-1", POD)
        await managed.settled_engine()
    assert len(await on_pod(managed, "engine-0")) == 1


async def test_a_pod_with_collections_that_no_object_claims_is_not_scaled_away(
    managed: Namespace, node: StandinNode
) -> None:
    """What deletionPolicy Retain has left on a pod, and what applications made there, keep it. The
    engine names them, and the pod goes once they are dropped.
    """
    async with running(managed.operator_api, managed.engines):
        await create_engine(managed, node)
        await managed.settled_engine()
        await managed.create_collection("docs", deletionPolicy="Retain")
        await managed.ready("docs")
        address = (await managed.get("engine-0", POD))["status"]["podIP"]
        there = managed.engines.at(Target(f"{address}:19530", "Quiver"))
        await there.create(SCHEMA)
        await managed.patch("engine", {"spec": {"replicas": 0}}, VECTOR_ENGINE)
        await managed.settled("engine", "ScaleDownBlocked", VECTOR_ENGINE)
        await managed.delete("docs")
        await managed.gone("docs")
        told = "Pod engine-0 holds collections that no VectorCollection claims: docs, theirs."
        await says(managed, "engine", told, VECTOR_ENGINE)
        assert await on_pod(managed, "engine-0") == {"docs", "theirs"}
        for name in ("docs", "theirs"):
            await there.drop(name)
        await managed.gone("engine-0", POD)
        await managed.settled("engine", "ScaledToZero", VECTOR_ENGINE)


async def test_a_stateful_set_that_was_edited_is_put_back(
    managed: Namespace, node: StandinNode
) -> None:
    """Replicas are the VectorEngine's to say."""
    async with running(managed.operator_api, managed.engines):
        await create_engine(managed, node)
        await managed.settled_engine()
        await managed.patch("engine", {"spec": {"replicas": 3}}, STATEFUL_SET)

        async def is_put_back() -> bool:
            manifest = await managed.get("engine", STATEFUL_SET)
            return bool(manifest["spec"]["replicas"] == 1)

        await eventually(is_put_back, "the StatefulSet has one replica again")
        for name in ("engine-1", "engine-2"):
            await managed.gone(name, POD)
        await managed.settled_engine()


async def test_a_stateful_set_of_somebody_else_is_left_alone(
    managed: Namespace, node: StandinNode
) -> None:
    """The engine says that its name is taken, and comes up once the name is free."""
    labels = {"app": "theirs"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "theirs", "image": "theirs:1"}]},
    }
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    await managed.create(STATEFUL_SET, "engine", spec)
    async with running(managed.operator_api, managed.engines, resync_period=1):
        await create_engine(managed, node)
        taken = await managed.settled("engine", "NameTaken", VECTOR_ENGINE)
        assert "A StatefulSet 'engine'" in ready_condition(taken)["message"]
        theirs = await managed.get("engine", STATEFUL_SET)
        assert (theirs["metadata"]["generation"], theirs["spec"]["replicas"]) == (1, 0)
        assert await managed.find("engine", SERVICE) is None
        await managed.delete("engine", STATEFUL_SET)
        await managed.settled_engine()


async def test_collections_come_back_empty_with_a_pod_that_lost_its_data(
    managed: Namespace, node: StandinNode
) -> None:
    """The pod is replaced by one without data: a Warning says that the vectors are lost, and the
    engine that this is so without storage.
    """
    async with running(managed.operator_api, managed.engines):
        await create_engine(managed, node)
        await managed.create_collection("docs", partitions=["a"])
        await managed.ready("docs")
        before = (await managed.get("engine-0", POD))["metadata"]["uid"]
        await managed.delete("engine-0", POD)
        told = await managed.told("docs", "Recreated")
        assert told["type"] == "Warning"
        await managed.ready("docs")
        assert (await managed.get("engine-0", POD))["metadata"]["uid"] != before
        assert await on_pod(managed, "engine-0") == {"docs"}
        assert DATA_EPHEMERAL in types(await managed.settled_engine())


async def test_a_namespace_goes_with_its_managed_engine(
    managed: Namespace, node: StandinNode
) -> None:
    """Pods, engine and collections go in whatever order, within 30 s."""
    async with running(managed.operator_api, managed.engines):
        await create_engine(managed, node)
        await managed.create_collection("docs")
        await managed.create_collection("kept", deletionPolicy="Retain")
        await managed.ready("docs", "kept")
        await managed.api.delete_namespace(managed.namespace)

        async def is_gone() -> bool:
            return not await managed.api.has_namespace(managed.namespace)

        await eventually(is_gone, "the namespace is gone")


async def test_a_segment_too_large_for_the_nodes_gpus_is_not_made(
    managed: Namespace, node: StandinNode
) -> None:
    """The node's label tells what a GPU has, where the engine's spec says nothing of it."""
    async with running(managed.operator_api, managed.engines):
        await create_engine(managed, node, gpu={})
        await managed.settled("engine", "GPUUnused", VECTOR_ENGINE)
        await managed.create_collection("large", indexFileSize=65536)
        await managed.create_collection("small", indexFileSize=1024)
        await managed.settled("large", "SegmentTooLarge")
        await managed.ready("small")
        assert await on_pod(managed, "engine-0") == {"small"}


async def test_a_collection_beyond_the_limit_waits_for_room(
    managed: Namespace, node: StandinNode
) -> None:
    """Collections and partitions count together; when some go, the waiting one is made."""
    async with running(managed.operator_api, managed.engines, resync_period=1):
        await create_engine(managed, node, limits={"maxCollectionsAndPartitions": 3})
        await managed.settled_engine()
        await managed.create_collection("first", partitions=["a", "b"])
        await managed.ready("first")
        await managed.create_collection("second")
        await managed.settled("second", "QuotaExceeded")
        await managed.delete("first")
        await managed.ready("second")


class Certificates:
    """A CA, and what it signs for the engine `engine` of a namespace."""

    def __init__(self, world: Namespace) -> None:
        self.world = world
        self.authority = Authority(Authority.create("ours"))
        name = f"*.engine.{world.namespace}.svc"
        self.server = self.authority.server("engine", [name], [])
        self.client = self.authority.client("quiver")

    async def publish(self, name: str, **entries: bytes) -> None:
        data = {k.replace("_", "."): base64.b64encode(v).decode() for k, v in entries.items()}
        metadata = {"name": name, "namespace": self.world.namespace}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        await self.world.api.create(SECRET, {**secret, "data": data})

    async def publish_all(self) -> None:
        """Make a Secret as cert-manager does, one with the clients' CA, and one for Quiver."""
        server, client, ca = self.server, self.client, self.authority.pem
        await self.publish("tls", tls_crt=server.certificate, tls_key=server.key, ca_crt=ca)
        await self.publish("client-ca", ca_crt=ca)
        await self.publish("quiver", tls_crt=client.certificate, tls_key=client.key)


MUTUAL = {"secretName": "tls", "clientCASecretName": "client-ca", "clientSecretName": "quiver"}


async def test_pods_serve_tls_and_let_in_quiver(managed: Namespace, node: StandinNode) -> None:
    """The pod shows the certificate of the Secret and asks for one; Quiver dials it by IP and knows
    it by its name, and the binding tells applications of TLS and the CA.
    """
    certificates = Certificates(managed)
    await certificates.publish_all()
    async with running(managed.operator_api, managed.engines):
        await create_engine(managed, node, tls=MUTUAL)
        await managed.create_collection("docs", binding={"secretName": "docs"})
        await managed.settled_engine()
        (docs,) = await managed.ready("docs")
        host = f"engine-0.engine.{managed.namespace}.svc"
        assert docs["status"]["placement"]["endpoint"] == f"{host}:19530"
        data = (await managed.get("docs", SECRET))["data"]
        assert base64.b64decode(data["ca.crt"]) == certificates.authority.pem
        assert base64.b64decode(data["tls"]) == b"true"
        with pytest.raises(EngineUnreachable):
            await on_pod(managed, "engine-0")
        await managed.delete("docs")
        await managed.gone("docs")


async def test_pods_and_engine_wait_for_a_secret(managed: Namespace, node: StandinNode) -> None:
    """While it is missing the engine says so and the pod does not start; then both go on."""
    async with running(managed.operator_api, managed.engines, resync_period=1):
        await create_engine(managed, node, tls=MUTUAL)
        missing = await managed.settled("engine", "SecretNotFound", VECTOR_ENGINE)
        assert "'tls'" in ready_condition(missing)["message"]
        assert await managed.find("engine", STATEFUL_SET) is not None
        await managed.create_collection("docs")
        await says(managed, "docs", "There is no Secret")
        await Certificates(managed).publish_all()
        await managed.settled_engine()
        await managed.ready("docs")
