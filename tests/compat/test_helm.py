"""The release before becomes this one by Helm, and back, under live collections and a client."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.binding import exports
from localcluster import Cluster
from support import before, old_images, searching
from support.milvus1_client import Milvus1
from support.searching import Searching
from support.waiting import wait_until

pytestmark = [
    pytest.mark.node,
    pytest.mark.xdist_group("node"),
    pytest.mark.usefixtures("built_images"),
]

OPERATIONS = before.ROOT / "docs" / "operations.md"
TODAY = str(before.ROOT / "charts" / "quiver")
CRDS = ("crd/vectorcollections.quiver.dev", "crd/vectorengines.quiver.dev")
DEADLINE_S = 90
RESYNC = "resyncPeriod=5"
ENGINES = """
apiVersion: quiver.dev/v1alpha1
kind: VectorEngine
metadata: {name: stored}
spec: {storage: {size: 1Gi}}
---
apiVersion: quiver.dev/v1alpha1
kind: VectorEngine
metadata: {name: bare}
spec: {}
"""
COLLECTION = """
apiVersion: quiver.dev/v1alpha1
kind: VectorCollection
metadata: {{name: {name}}}
spec: {{engineRef: {{name: {engine}}}, dimension: 8, partitions: [old]}}
"""
ON = {"docs": "stored", "dropped": "stored", "loose": "bare"}
WRITTEN = {
    *(f"vectorcollections/{name}/status" for name in ON),
    *("vectorengines/stored/status", "vectorengines/bare/status"),
    *("vectorengines/stored/", "vectorengines/bare/", "services/stored/", "services/bare/"),
    *("statefulsets/stored/", "statefulsets/bare/", "poddisruptionbudgets/bare/"),
}
"""What operators may write to objects that are there."""


class Release:
    """The release `quiver`, with a namespace of its own, and the users' namespace beside it."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self._namespace = namespace
        self._system = f"quiver-{uuid.uuid4().hex[:8]}"

    def helm(self, verb: str, *arguments: str) -> None:
        """Run Helm; unless nothing is left, wait until the operator of now works."""
        at = (f"--namespace={self._system}", f"--timeout={DEADLINE_S}s")
        self.cluster.helm(verb, "quiver", *arguments, *at, "--wait")
        if verb != "uninstall":
            wait_until(self._leads, f"an operator leads after helm {verb}", every_s=0.3)

    def kubectl(self, *arguments: str, **options: Any) -> str:
        return self.cluster.kubectl(f"--namespace={self._namespace}", *arguments, **options)

    def ready(self, *objects: str) -> None:
        self.kubectl("wait", *objects, "--for=condition=Ready", f"--timeout={DEADLINE_S}s")

    def pods(self) -> dict[str, tuple[str, int, str]]:
        """Return uid, restarts and address of each engine's pod."""
        found = json.loads(self.kubectl("get", "pods", "--output=json"))["items"]
        return {
            pod["metadata"]["name"]: (
                pod["metadata"]["uid"],
                pod["status"]["containerStatuses"][0]["restartCount"],
                pod["status"]["podIP"],
            )
            for pod in found
        }

    def change(self, tag: str) -> None:
        """Ask for another partition in each collection, and wait until the operator has made it."""
        body = json.dumps({"spec": {"partitions": [tag]}})
        for name in ON:
            self.kubectl("patch", f"vcol/{name}", "--type=merge", f"--patch={body}")
        seen = f"--for=jsonpath={{.status.partitions[0]}}={tag}"
        self.kubectl("wait", "vcol", "--all", seen, f"--timeout={DEADLINE_S}s")
        self.ready("vcol", "--all")

    def says(self, reason: str) -> None:
        """Wait until each engine says so."""
        said = '{.status.conditions[?(@.type=="Ready")].reason}'
        how = (f"--for=jsonpath={said}={reason}", f"--timeout={DEADLINE_S}s")
        self.kubectl("wait", "veng", "--all", *how)

    def go_back(self) -> None:
        """Do what the documentation tells to do after a rollback."""
        section = OPERATIONS.read_text().split("\n### Going back to the version before\n", 1)[1]
        _, block, _ = section.split("```", 2)
        commands = block.removeprefix("sh\n")
        script = "\n".join(["set -o pipefail", *exports(self.cluster), commands])
        subprocess.run(["bash", "-euc", script], check=True)

    def owners(self) -> str:
        """Return who owns what engines became."""
        parts = "statefulsets,services,poddisruptionbudgets"
        return self.kubectl(
            "get", parts, "-o=jsonpath={.items[*].metadata.ownerReferences[*].name}"
        )

    def finalizers(self) -> str:
        """Return those of the engines."""
        return self.kubectl("get", "veng", "-o=jsonpath={.items[*].metadata.finalizers[*]}")

    def begin_upgrade(self, engine: str) -> str:
        """Have the engine's only pod replaced, as its condition says; return the new address."""
        (uid, _, _) = self.pods()[f"{engine}-0"]
        pending = self.kubectl("get", f"veng/{engine}", "-o=jsonpath={.status.pendingUpgrade}")
        self.kubectl("annotate", f"veng/{engine}", f"quiver.dev/upgrade={pending}")
        new = ("get", f"pod/{engine}-0", "--ignore-not-found", "-o=jsonpath={.metadata.uid}")
        wait_until(lambda: self.kubectl(*new) not in {uid, ""}, "a new pod", every_s=0.3)
        self.ready(f"pod/{engine}-0")
        return f"{self.pods()[f'{engine}-0'][2]}:19530"

    def vanish(self) -> None:
        """Delete the users' namespace, and wait until nothing of it is left."""
        self.cluster.kubectl("delete", "namespace", self._namespace, f"--timeout={DEADLINE_S}s")

    def written(self) -> list[str]:
        """Return what operators wrote so far to objects of the users, by the audit log."""
        assert self.cluster.audit_log is not None
        lines = self.cluster.audit_log.read_text().splitlines()
        entries = [json.loads(line) for line in lines if f'"{self._operator}"' in line]
        return [
            "/".join((target["resource"], target["name"], target.get("subresource", "")))
            for entry in entries
            if entry["verb"] in {"create", "update", "patch", "delete"}
            and (target := entry["objectRef"]).get("namespace") == self._namespace
            and target["resource"] != "events"
        ]

    @property
    def _operator(self) -> str:
        return f"system:serviceaccount:{self._system}:quiver"

    def _leads(self) -> bool:
        at = f"--namespace={self._system}"
        found = json.loads(self.cluster.kubectl("get", "pods,leases", at, "--output=json"))["items"]
        pods = [each["metadata"]["name"] for each in found if each["kind"] == "Pod"]
        holders = [each["spec"].get("holderIdentity") for each in found if each["kind"] == "Lease"]
        return len(pods) == 1 and any(str(holder).startswith(pods[0]) for holder in holders)


@pytest.fixture
def release(cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Release]:
    """The release before, installed from its own chart, with its own images, and in use."""
    source = before.unpack(tmp_path / "source", *old_images.SOURCES)
    old_images.load(cluster, tmp_path, source)
    release = Release(cluster, namespace)
    repository, _, tag = old_images.reference("operator").rpartition(":")
    images = f"image.repository={repository},image.tag={tag}"
    values = f"--set={images},engineImage={old_images.reference('engine')},{RESYNC}"
    release.helm("install", str(before.CHART), values, "--create-namespace")
    manifests = [ENGINES, *(COLLECTION.format(name=name, engine=ON[name]) for name in ON)]
    release.kubectl("apply", "--filename=-", input="---".join(manifests))
    release.ready("veng,vcol", "--all")
    yield release
    release.helm("uninstall", "--ignore-not-found")
    cluster.kubectl("delete", *CRDS, "--wait=false")


def test_upgraded_rolled_back_and_uninstalled_under_a_searching_client(
    release: Release, tmp_path: Path
) -> None:
    """Whichever operator runs, engines go on without a restart, and no search fails until the
    upgrade of an engine is begun: then those of that engine do, and its vectors are there
    afterwards. What is asked for is dropped and nothing else. After the end no object is stuck.
    """
    pods = release.pods()
    places = {name: f"{pods[f'{engine}-0'][2]}:19530" for name, engine in ON.items()}
    for name, address in places.items():
        searching.fill(address, name)
    with Searching(tmp_path / "searching", places) as client:
        begun = len(release.written())
        upgrade = ("upgrade", TODAY, "--reset-values", "--take-ownership", f"--set={RESYNC}")
        for step in (upgrade, ("rollback", "1"), upgrade):
            release.helm(*step)
            if step[0] == "rollback":
                release.says("NameTaken")
                release.go_back()
                release.ready("veng", "--all")
                assert release.finalizers() == ""
            release.change(f"after-{step[0]}-{len(release.written())}")
            assert release.pods() == pods
        assert release.owners() == ""
        assert release.finalizers().split() == ["quiver.dev/engine"] * 2
        assert {*release.written()[begun:]} == WRITTEN
        assert client.failures() == []
        stored = release.begin_upgrade("stored")
        assert {failure.name for failure in client.failures()} <= {"docs", "dropped"}
        assert client.end() > 0
    assert Milvus1(stored, deadline_s=DEADLINE_S).count("docs") == searching.ROWS
    release.ready("veng,vcol", "--all")
    release.kubectl("delete", "vcol/dropped", f"--timeout={DEADLINE_S}s")
    release.helm("uninstall")
    release.kubectl("delete", "vcol", "--all", f"--timeout={DEADLINE_S}s")
    assert Milvus1(stored, deadline_s=DEADLINE_S).collections() == ["docs"]
    assert Milvus1(places["loose"], deadline_s=DEADLINE_S).count("loose") == searching.ROWS
    release.vanish()
