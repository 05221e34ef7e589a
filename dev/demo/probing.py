"""Whether a cluster's nodes can start the images: tried before anything else is made there."""

import json
from collections.abc import Mapping
from typing import Any

from demo.shell import Shell, Unexpected

PULL_S = 300
CANNOT_START = {
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerError",
    "RunContainerError",
}
CONTAINER = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
POD = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def require_images_start(shell: Shell, images: Mapping[str, str]) -> None:
    """Start each image once, as the chart would. Raises Unexpected with the kubelet's words."""
    pods = [_pod(f"image-{name}", image) for name, image in images.items()]
    made = {"apiVersion": "v1", "kind": "List", "items": pods}
    shell.quiet("kubectl", "apply", "-f", "-", stdin=json.dumps(made))
    names = [pod["metadata"]["name"] for pod in pods]
    shell.until(
        *("kubectl", "get", "pods", *names, "-o"),
        "custom-columns=POD:.metadata.name,PHASE:.status.phase,IMAGE:.spec.containers[0].image,"
        "WHY:.status.containerStatuses[*].state.waiting.reason,"
        "MESSAGE:.status.containerStatuses[*].state.waiting.message",
        holds=_all_ran,
        expected="the cluster to start the images",
        within_s=PULL_S,
    )
    shell.quiet("kubectl", "delete", "pods", *names, "--wait=false")


def _all_ran(told: str) -> bool:
    lines = told.splitlines()[1:]
    for line in lines:
        if CANNOT_START.intersection(line.split()) or "Failed" in line.split():
            raise Unexpected(
                "the cluster to start the images. Without IMAGE_REGISTRY they have to be on its "
                "nodes; a registry has to let its nodes pull without a Secret",
                told,
            )
    return bool(lines) and all("Succeeded" in line.split() for line in lines)


def _pod(name: str, image: str) -> dict[str, Any]:
    command = ["python3", "-c", ""]
    container = {"name": "probe", "image": image, "command": command, "securityContext": CONTAINER}
    spec = {"restartPolicy": "Never", "securityContext": POD, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
