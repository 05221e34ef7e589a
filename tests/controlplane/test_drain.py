"""What `kubectl drain` does with the pods of engines, as docs/drain.md says."""

import asyncio
import json
from collections.abc import Iterator

import pytest

from localcluster import ControlPlane
from localcluster.errors import CommandError
from quiver.domain.kubernetes_types import POD, VECTOR_ENGINE
from support.namespaces import Namespace
from support.operators import running
from support.standin_node import StandinNode
from support.waiting import eventually

CLASS = "by-hand"
TIMEOUT_S = 5
"""How long `kubectl drain` waits. It tries a refused eviction every five seconds."""


@pytest.fixture
def volume(namespace: str, quiver_api: ControlPlane) -> Iterator[None]:
    """A volume for the first pod of the engine `stored`."""
    claim = {"namespace": namespace, "name": "data-stored-0"}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"volume-{namespace}"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": CLASS,
            "claimRef": claim,
            "hostPath": {"path": f"/nowhere/{namespace}"},
        },
    }
    quiver_api.kubectl("apply", "--filename=-", input=json.dumps(volume))
    yield
    quiver_api.kubectl("delete", "persistentvolume", f"volume-{namespace}", "--wait=false")


async def test_a_drain_moves_pods_with_storage_and_no_others(
    managed: Namespace, node: StandinNode, quiver_api: ControlPlane, volume: None
) -> None:
    """A pod with storage needs no option. One without is refused, first for its emptyDir, and with
    `--delete-emptydir-data` by its budget; deleted by hand it goes.
    """

    async def kubectl(*arguments: str) -> str:
        try:
            return await asyncio.to_thread(quiver_api.kubectl, *arguments)
        except CommandError as error:
            return f"refused: {error}"

    async def uid_of(pod: str) -> str | None:
        found = await managed.find(pod, POD)
        return None if found is None else found["metadata"]["uid"]

    stored = {"storage": {"size": "1Gi", "className": CLASS}}
    async with running(managed.operator_api, managed.engines):
        for name, spec in (("stored", stored), ("bare", {})):
            await managed.create(VECTOR_ENGINE, name, {"nodeSelector": node.selector, **spec})
        for name in ("stored", "bare"):
            await managed.settled_engine(name)
    before = {pod: await uid_of(pod) for pod in ("stored-0", "bare-0")}
    told = await kubectl("drain", node.name)
    assert "cannot delete Pods with local storage" in told
    assert "bare-0" in told
    assert "stored-0" not in told
    drain = ("drain", node.name, "--delete-emptydir-data", f"--timeout={TIMEOUT_S}s")
    assert "violate the pod's disruption budget" in await kubectl(*drain)
    assert await uid_of("bare-0") == before["bare-0"]
    assert await uid_of("stored-0") != before["stored-0"]
    inside = f"--namespace={managed.namespace}"
    await kubectl("delete", "pod", "bare-0", inside)

    async def is_drained() -> bool:
        return "refused" not in await kubectl("drain", node.name)

    await eventually(is_drained, "nothing is left to drain")
