"""A node without a kubelet: a scheduled engine pod becomes an engine process on a loopback address.

Probes, volumes and limits are not real; the scheduler's part is. A pod's data go with the pod. Of
volumes, the Secrets for TLS are handed over as a kubelet does: the pod waits for them, and what
changes in them is not followed.
"""

import base64
import json
import secrets
import socket
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kubernetes import client, config

from machine.engine_process import EngineProcess
from machine.processes import ProcessFailed

POLL_S = 0.1
HEARTBEAT_S = 5.0
"""Well below the 40 s after which pods are evicted from a silent node."""

GRPC_PORT, HTTP_PORT = 19530, 9091
GPU_MEMORY_MIB = 40960
RUNNING = ("Initialized", "ContainersReady", "Ready")
Pod = Mapping[str, Any]


class StandinNode:
    """Registers as a node with `gpus` GPUs and runs what is scheduled there, until left.

    Engines that are to run here and on no other test's node take `selector` as their nodeSelector.
    """

    def __init__(
        self,
        kubeconfig: Path,
        directory: Path,
        name: str,
        *,
        images: Collection[str],
        gpus: int = 2,
    ) -> None:
        """`images` can be pulled; a pod that asks for another waits, as under a kubelet."""
        self.name = name
        self.selector = {"kubernetes.io/hostname": name}
        self._images = images
        self._gpus = gpus
        self._directory = directory
        self._client = config.new_client_from_config(str(kubeconfig))
        self._api = client.CoreV1Api(self._client)
        self._seen: set[str] = set()
        self._engines: dict[str, EngineProcess] = {}
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name)

    def __enter__(self) -> Self:
        labels = {**self.selector, "nvidia.com/gpu.memory": str(GPU_MEMORY_MIB)}
        self._api.create_node({"metadata": {"name": self.name, "labels": labels}})
        self._say_ready()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaving.set()
        self._thread.join()
        self._api.delete_node(self.name)
        for engine in self._engines.values():
            engine.kill()
        self._client.rest_client.pool_manager.clear()
        self._client.close()

    def _say_ready(self) -> None:
        capacity = {"cpu": "64", "memory": "256Gi", "pods": "110"}
        capacity["nvidia.com/gpu"] = str(self._gpus)
        now = datetime.now(UTC).isoformat()
        ready = {"type": "Ready", "status": "True", "reason": "Standin", "lastHeartbeatTime": now}
        status = {"capacity": capacity, "allocatable": capacity, "conditions": [ready]}
        self._api.patch_node_status(self.name, {"status": status})

    def _work(self) -> None:
        beaten = time.monotonic()
        while not self._leaving.wait(POLL_S):
            self._attend({pod["metadata"]["uid"]: pod for pod in self._pods()})
            if time.monotonic() - beaten > HEARTBEAT_S:
                beaten = time.monotonic()
                self._say_ready()

    def _pods(self) -> list[Pod]:
        answer = self._api.list_pod_for_all_namespaces(
            field_selector=f"spec.nodeName={self.name}", _preload_content=False
        )
        pods: list[Pod] = json.loads(answer.data)["items"]
        return pods

    def _attend(self, pods: Mapping[str, Pod]) -> None:
        """Take each pod that the scheduler put here one step further."""
        for uid in self._engines.keys() - pods.keys():
            self._stop(uid)
        for uid, pod in pods.items():
            if "deletionTimestamp" in pod["metadata"]:
                self._stop(uid)
                self._remove(pod)
            elif uid not in self._seen and self._has_its_secrets(pod):
                self._seen.add(uid)
                self._start(pod)

    def _has_its_secrets(self, pod: Pod) -> bool:
        """Write the files of the pod's projected Secrets, as soon as all are there."""
        folder, namespace = self._secrets_of(pod), pod["metadata"]["namespace"]
        for volume in pod["spec"]["volumes"]:
            for source in volume.get("projected", {}).get("sources", []):
                try:
                    found = self._api.read_namespaced_secret(source["secret"]["name"], namespace)
                except client.ApiException:
                    return False
                folder.mkdir(exist_ok=True)
                for item in source["secret"]["items"]:
                    content = base64.b64decode(found.data[item["key"]])
                    (folder / item["path"]).write_bytes(content)
        return True

    def _secrets_of(self, pod: Pod) -> Path:
        return self._directory / f"{pod['metadata']['uid']}-secrets"

    def _tls_options(self, pod: Pod) -> list[str]:
        options = (arg for arg in pod["spec"]["containers"][0]["args"] if arg.startswith("--tls-"))
        return [option.replace("=/tls/", f"={self._secrets_of(pod)}/") for option in options]

    def _start(self, pod: Pod) -> None:
        image = pod["spec"]["containers"][0]["image"]
        if image not in self._images:
            self._report_waiting(pod, "ErrImagePull", f"there is no image {image}")
            return
        uid, address = pod["metadata"]["uid"], _free_address()
        engine = EngineProcess(self._directory / uid)
        engine.grpc_address = f"{address}:{GRPC_PORT}"
        engine.http_address = f"{address}:{HTTP_PORT}"
        try:
            self._engines[uid] = engine.start(*self._tls_options(pod))
        except ProcessFailed as error:
            self._report_waiting(pod, "CrashLoopBackOff", str(error))
            return
        conditions = [{"type": type_, "status": "True"} for type_ in RUNNING]
        self._report(pod, phase="Running", podIP=address, conditions=conditions)

    def _report_waiting(self, pod: Pod, reason: str, message: str) -> None:
        container = pod["spec"]["containers"][0]
        waiting = {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"waiting": {"reason": reason, "message": message}},
        }
        self._report(pod, containerStatuses=[waiting])

    def _report(self, pod: Pod, **status: Any) -> None:
        metadata = pod["metadata"]
        with _gone_is_fine():
            self._api.patch_namespaced_pod_status(
                metadata["name"], metadata["namespace"], {"status": status}
            )

    def _stop(self, uid: str) -> None:
        engine = self._engines.pop(uid, None)
        if engine is not None:
            engine.kill()

    def _remove(self, pod: Pod) -> None:
        metadata = pod["metadata"]
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        with _gone_is_fine():
            self._api.delete_namespaced_pod(metadata["name"], metadata["namespace"], body=options)


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except client.ApiException as error:
        if error.status not in (404, 409):
            raise


def _free_address() -> str:
    """Return a loopback address that no test running beside this one is likely to pick."""
    while True:
        numbers = secrets.randbelow(64), secrets.randbelow(256), secrets.randbelow(254)
        address = f"127.{64 + numbers[0]}.{numbers[1]}.{1 + numbers[2]}"
        with socket.socket() as candidate:
            try:
                candidate.bind((address, GRPC_PORT))
            except OSError:
                continue
        return address
