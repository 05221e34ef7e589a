"""A node without a kubelet: a scheduled engine pod becomes an engine process on a loopback address.

Probes, images, volumes and limits are not real; the scheduler's part is.
"""

import itertools
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clients.engine_process import EngineProcess
from kubernetes import client, config, watch

HEARTBEAT_S = 5
_ADDRESSES = itertools.count(2)


class StandinNode:
    """Registers as a node with `gpus` GPUs and runs what is scheduled there, until left."""

    def __init__(self, kubeconfig: Path, directory: Path, name: str, gpus: int = 2) -> None:
        self._name = name
        self._gpus = gpus
        self._directory = directory
        self._api = client.CoreV1Api(config.new_client_from_config(str(kubeconfig)))
        self._engines: dict[str, EngineProcess] = {}
        self._leaving = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, daemon=True),
            threading.Thread(target=self._beat, daemon=True),
        ]

    def __enter__(self) -> "StandinNode":
        self._api.create_node({"metadata": {"name": self._name, "labels": self._labels()}})
        self._say_ready()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._api.delete_node(self._name)
        for engine in self._engines.values():
            engine.kill()
        for thread in self._threads:
            thread.join(10)

    def kill_engine(self, pod_uid: str) -> None:
        """End a pod's process as `kill -9` does, and leave the pod as it is."""
        self._engines[pod_uid].kill()

    def _labels(self) -> dict[str, str]:
        return {"kubernetes.io/hostname": self._name, "nvidia.com/gpu.memory": "40960"}

    def _say_ready(self) -> None:
        capacity = {
            "cpu": "64",
            "memory": "256Gi",
            "pods": "110",
            "nvidia.com/gpu": str(self._gpus),
        }
        now = datetime.now(UTC).isoformat()
        ready = {"type": "Ready", "status": "True", "reason": "Standin", "lastHeartbeatTime": now}
        status = {"capacity": capacity, "allocatable": capacity, "conditions": [ready]}
        self._api.patch_node_status(self._name, {"status": status})

    def _beat(self) -> None:
        while not self._leaving.wait(HEARTBEAT_S):
            self._say_ready()

    def _run(self) -> None:
        """Take each pod that the scheduler puts here through its life."""
        here = f"spec.nodeName={self._name}"
        while not self._leaving.is_set():
            pods = watch.Watch().stream(
                self._api.list_pod_for_all_namespaces, field_selector=here, timeout_seconds=2
            )
            for event in pods:
                self._attend(event["object"], event["type"])

    def _attend(self, pod: Any, event: str) -> None:
        uid = pod.metadata.uid
        if event == "DELETED":
            self._stop(uid)
        elif pod.metadata.deletion_timestamp is not None:
            self._stop(uid)
            self._remove(pod)
        elif uid not in self._engines:
            self._start(pod)

    def _start(self, pod: Any) -> None:
        number = next(_ADDRESSES)
        address = f"127.77.{number // 250}.{number % 250 + 1}"
        engine = EngineProcess(self._directory / pod.metadata.uid, host=address)
        engine.grpc_address, engine.http_address = f"{address}:19530", f"{address}:9091"
        self._engines[pod.metadata.uid] = engine.start()
        conditions = [{"type": t, "status": "True"} for t in ("PodScheduled", "Ready")]
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        self._api.patch_namespaced_pod_status(
            pod.metadata.name,
            pod.metadata.namespace,
            {"status": {**status, "conditions": conditions}},
        )

    def _stop(self, uid: str) -> None:
        engine = self._engines.pop(uid, None)
        if engine is not None:
            engine.kill()

    def _remove(self, pod: Any) -> None:
        try:
            self._api.delete_namespaced_pod(
                pod.metadata.name, pod.metadata.namespace, grace_period_seconds=0
            )
        except client.ApiException as error:
            if error.status != 404:
                raise
