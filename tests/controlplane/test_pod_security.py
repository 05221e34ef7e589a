"""Pods of engines under the Pod Security Standards, on an API server that enforces them."""

import copy

import pytest

from localcluster import ControlPlane
from quiver.domain.kubernetes_types import POD, STATEFUL_SET, VECTOR_ENGINE, Manifest
from quiver.ports.errors import ApiRefused
from support.admin_api import AdminApi
from support.fake_engine import FakeEngines
from support.namespaces import Namespace
from support.operators import running

ALL: Manifest = {
    "gpu": {"minMemory": "16Gi"},
    "resources": {"limits": {"memory": "8Gi"}},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "imagePullSecrets": [{"name": "registry"}],
    "podLabels": {"team": "a"},
    "podAnnotations": {"a": "b"},
    "terminationGracePeriodSeconds": 60,
    "tls": {"secretName": "tls", "clientCASecretName": "ca", "clientSecretName": "quiver"},
}
MILVUS_1: Manifest = {"type": "Milvus1", "image": "milvusdb/milvus:1.1.1-cpu"}
MILVUS: Manifest = {"type": "Milvus", "image": "milvusdb/milvus:v2.6.4"}


@pytest.fixture
def world(
    namespace: str, api: AdminApi, operator_api: AdminApi, fake_engines: FakeEngines
) -> Namespace:
    """A namespace in which engines have no pods."""
    return Namespace(namespace, api, operator_api, fake_engines, address="")


async def create_pod(world: Namespace, spec: Manifest) -> None:
    """Create the pod that the StatefulSet of such an engine would create."""
    async with running(world.operator_api, world.engines):
        await world.create(VECTOR_ENGINE, "engine", {"replicas": 0, **spec})
        reason = "SecretNotFound" if "tls" in spec else "ScaledToZero"
        await world.settled("engine", reason, VECTOR_ENGINE)
    stateful_set = (await world.get("engine", STATEFUL_SET))["spec"]
    pod = copy.deepcopy(stateful_set["template"]["spec"])
    for claim in stateful_set.get("volumeClaimTemplates", []):
        name = claim["metadata"]["name"]
        source = {"claimName": f"{name}-engine-0"}
        pod.setdefault("volumes", []).append({"name": name, "persistentVolumeClaim": source})
    await world.create(POD, "engine-0", pod)


def enforce(control_plane: ControlPlane, namespace: str, level: str) -> None:
    label = f"pod-security.kubernetes.io/enforce={level}"
    control_plane.kubectl("label", "namespace", namespace, label)


@pytest.mark.parametrize(
    "spec", [{}, {"storage": {"size": "1Gi"}}, ALL], ids=["plain", "storage", "all"]
)
async def test_pods_of_quivers_engine_are_restricted(
    world: Namespace, quiver_api: ControlPlane, spec: Manifest
) -> None:
    """They may run where the strictest level is enforced, with GPUs, volumes and TLS too."""
    enforce(quiver_api, world.namespace, "restricted")
    await create_pod(world, spec)


@pytest.mark.parametrize(
    "spec",
    [{}, {"storage": {"size": "1Gi"}}, {k: v for k, v in ALL.items() if k != "tls"}],
    ids=["plain", "storage", "all"],
)
async def test_pods_of_milvus_are_restricted(
    world: Namespace, quiver_api: ControlPlane, spec: Manifest
) -> None:
    """As those of Quiver's engine: Milvus needs no more than a volume to write to."""
    enforce(quiver_api, world.namespace, "restricted")
    await create_pod(world, {**MILVUS, **spec})


async def test_pods_of_milvus_1_are_baseline(world: Namespace, quiver_api: ControlPlane) -> None:
    """They run as root, so that the middle level is the strictest that takes them."""
    enforce(quiver_api, world.namespace, "baseline")
    await create_pod(world, MILVUS_1)


async def test_pods_of_milvus_1_are_not_restricted(
    world: Namespace, quiver_api: ControlPlane
) -> None:
    """The API server names what it finds: the image runs as root, with its capabilities."""
    enforce(quiver_api, world.namespace, "restricted")
    with pytest.raises(ApiRefused, match=r'violates PodSecurity "restricted.*runAsNonRoot'):
        await create_pod(world, MILVUS_1)
