"""Kubernetes' own controllers, as far as they bear on the operator: StatefulSets and their pods,
garbage, namespaces. They run in the world, not in a process that could be stopped.
"""

import asyncio
from collections.abc import Callable
from random import Random

from quiver.domain.conditions import ready_status
from quiver.domain.kubernetes_types import (
    NAMESPACE,
    POD,
    STATEFUL_SET,
    VECTOR_ENGINE,
    Key,
    Kind,
    Manifest,
)
from quiver.domain.manifests import digest
from quiver.domain.members import GRPC_PORT
from quiver.ports.errors import ApiError
from quiver.reconcile.engines.revisions import REVISION_LABEL
from simulation.api_server import ApiServer, Write
from simulation.engines import Fleet, Home
from simulation.weather import WORLD

ACTOR = "kubernetes"


class Controllers:
    """Follows the API server's writes and does, a little later, what Kubernetes does."""

    def __init__(self, server: ApiServer, fleet: Fleet, rng: Random) -> None:
        self._server = server
        self._fleet = fleet
        self._rng = rng
        self._addresses = 0
        self._free: list[str] = []
        self._destined: dict[Home, str] = {}
        self.replaced: list[Key] = []
        """Pods that were replaced for another template."""
        server.observers.append(self._seen)

    def _seen(self, write: Write) -> None:
        if write.old is write.new:
            return
        if write.kind == STATEFUL_SET:
            self._later(lambda: self._sync(write.key), 0.05, 1.0)
        if write.kind == POD and write.new is None and write.old is not None:
            self._stop(write.old)
            self._later(lambda: self._sync(_owner_of(write)), 0.05, 3.0)
        if write.kind == POD and write.new is not None and _is_ready(write.new):
            asyncio.get_running_loop().call_later(0.1, self._sync, _owner_of(write), context=WORLD)
        if write.new is None or "ownerReferences" in write.new["metadata"]:
            self._later(self._collect_garbage, 0.05, 2.0)
        if write.kind == VECTOR_ENGINE and _begins_to_go(write):
            self._delete_dependents(write.old or {})
        if write.kind == NAMESPACE and write.new is not None:
            self._later(lambda: self._empty(write.key.name), 0.05, 1.0)

    def _later(self, do: Callable[[], None], least: float, most: float) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(self._rng.uniform(least, most), do, context=WORLD)

    def _sync(self, key: Key) -> None:
        found = self._server.find(STATEFUL_SET, key)
        if found is None:
            return
        wanted = {f"{key.name}-{n}": n for n in range(found["spec"]["replicas"])}
        own = {p["metadata"]["name"]: p for p in self._server.all(POD) if _is_owned_by(p, found)}
        for name, pod in own.items():
            if name not in wanted:
                self._server.delete(ACTOR, POD, Key.of(pod))
        update = digest(found["spec"]["template"])
        current = found.get("status", {}).get("currentRevision", update)
        partition = found["spec"]["updateStrategy"]["rollingUpdate"]["partition"]
        for name, ordinal in wanted.items():
            if self._server.find(POD, Key(key.namespace, name)) is None:
                self._make_pod(found, name, current if ordinal < partition else update)
        pods = [own.get(name) for name in wanted]
        self._replace_one(pods[partition:], update)
        if all(pod is not None and _has(pod, update) and _is_ready(pod) for pod in pods):
            current = update
        self._say(found, current, update)

    def _replace_one(self, pods: list[Manifest | None], revision: str) -> None:
        """Delete the last pod of another revision, if those after it are ready."""
        for pod in reversed(pods):
            if pod is not None and not _has(pod, revision):
                self.replaced.append(Key.of(pod))
                self._server.delete(ACTOR, POD, Key.of(pod))
                return
            if pod is None or not _is_ready(pod):
                return

    def _say(self, stateful_set: Manifest, current: str, update: str) -> None:
        wanted = {
            "observedGeneration": stateful_set["metadata"]["generation"],
            "currentRevision": current,
            "updateRevision": update,
        }
        if stateful_set.get("status", {}) != wanted:
            key = Key.of(stateful_set)
            self._server.patch(ACTOR, STATEFUL_SET, key, {"status": wanted}, "status")

    def _make_pod(self, stateful_set: Manifest, name: str, revision: str) -> None:
        namespace = stateful_set["metadata"]["namespace"]
        owner = {"uid": stateful_set["metadata"]["uid"], "kind": "StatefulSet"}
        storage = "volumeClaimTemplates" in stateful_set["spec"]
        labels = stateful_set["spec"]["template"]["metadata"]["labels"]
        pod = {
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {**labels, REVISION_LABEL: revision},
                "ownerReferences": [owner],
            },
            "spec": {},
        }
        try:
            made = self._server.create(ACTOR, POD, pod)
        except ApiError:
            return  # the namespace is going
        self._later(lambda: self._start(made, storage=storage), 0.5, 8.0)

    def _start(self, pod: Manifest, *, storage: bool) -> None:
        found = self._server.find(POD, Key.of(pod))
        if found is None or found["metadata"]["uid"] != pod["metadata"]["uid"]:
            return
        home = Home(*Key.of(pod))
        address = self._address(home)
        engine = self._fleet.volumes.get(home) if storage else None
        tells = self._is_of_quivers(pod)
        server = self._fleet.start(f"{address}:{GRPC_PORT}", home, engine, tells=tells)
        if storage:
            self._fleet.volumes[home] = server.engine
        self._say_ready(pod, address, ready=True)

    def _stop(self, pod: Manifest) -> None:
        address = pod.get("status", {}).get("podIP")
        if address is not None:
            self._fleet.stop(f"{address}:{GRPC_PORT}")
            self._free.append(address)

    def exchange_addresses(self) -> None:
        """Replace two pods at once, each of which gets the other's address."""
        found = [pod for pod in self._server.all(POD) if "podIP" in pod.get("status", {})]
        if len(found) < 2:
            return
        one, other = self._rng.sample(found, 2)
        self._destined[Home(*Key.of(one))] = other["status"]["podIP"]
        self._destined[Home(*Key.of(other))] = one["status"]["podIP"]
        for pod in (one, other):
            self._server.delete(ACTOR, POD, Key.of(pod))
            self._free.remove(pod["status"]["podIP"])

    def _address(self, home: Home) -> str:
        """Return an address for a pod, often one that another pod has just had."""
        destined = self._destined.pop(home, None)
        if destined is not None:
            return destined
        if self._free and self._rng.random() < 0.6:
            return self._free.pop()
        self._addresses += 1
        return f"10.0.{self._addresses // 250}.{self._addresses % 250 + 1}"

    def _is_of_quivers(self, pod: Manifest) -> bool:
        labels = pod["metadata"]["labels"]
        key = Key(pod["metadata"]["namespace"], labels["app.kubernetes.io/instance"])
        engine = self._server.find(VECTOR_ENGINE, key)
        return engine is None or engine["spec"]["type"] == "Quiver"

    def _say_ready(self, pod: Manifest, address: str, *, ready: bool) -> None:
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        status = {"podIP": address, "conditions": [condition]}
        self._server.patch(ACTOR, POD, Key.of(pod), {"status": status}, "status")

    def _collect_garbage(self) -> None:
        alive = {m["metadata"]["uid"] for _, _, m in self._server.everything()}
        for kind, key, manifest in self._server.everything():
            owners = manifest["metadata"].get("ownerReferences", [])
            if owners and all(owner["uid"] not in alive for owner in owners):
                self._delete(kind, key)

    def _delete_dependents(self, owner: Manifest) -> None:
        """Do what the garbage collector does first where `--cascade=foreground` is given."""
        for kind, key, manifest in self._server.everything():
            if _is_owned_by(manifest, owner):
                self._delete(kind, key)

    def _empty(self, name: str) -> None:
        """Delete what is in a namespace that is going, and then the namespace."""
        found = self._server.find(NAMESPACE, Key("", name))
        if found is None or "deletionTimestamp" not in found["metadata"]:
            return
        inside = [(k, key) for k, key, _ in self._server.everything() if key.namespace == name]
        for kind, key in inside:
            self._delete(kind, key)
        if inside:
            self._later(lambda: self._empty(name), 0.5, 3.0)
        else:
            self._server.patch(ACTOR, NAMESPACE, Key("", name), {"metadata": {"finalizers": None}})

    def _delete(self, kind: Kind, key: Key) -> None:
        found = self._server.find(kind, key)
        if found is not None and "deletionTimestamp" not in found["metadata"]:
            self._server.delete(ACTOR, kind, key)


def _is_owned_by(pod: Manifest, owner: Manifest) -> bool:
    owners = pod["metadata"].get("ownerReferences", [])
    return any(o["uid"] == owner["metadata"]["uid"] for o in owners)


def _begins_to_go(write: Write) -> bool:
    before, after = (write.old or {"metadata": {}}), (write.new or {"metadata": {}})
    return "deletionTimestamp" in after["metadata"].keys() - before["metadata"].keys()


def _owner_of(write: Write) -> Key:
    """Return the StatefulSet of a pod that was written."""
    pod = write.new or write.old or {}
    return Key(write.key.namespace, pod["metadata"]["labels"]["app.kubernetes.io/instance"])


def _has(pod: Manifest, revision: str) -> bool:
    return bool(pod["metadata"]["labels"][REVISION_LABEL] == revision)


def _is_ready(pod: Manifest) -> bool:
    return ready_status(pod) == "True"
