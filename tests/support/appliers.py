"""Those who apply the same YAML, each in its own way, and what would show that somebody fights."""

from pathlib import Path
from typing import Any

import yaml

from localcluster import ControlPlane
from quiver.domain.kubernetes_types import Manifest
from support.manifests import collection

COLLECTIONS = [
    collection("plain"),
    collection(
        "full",
        partitions=["b", "a"],
        index={"type": "HNSW", "params": {"M": 16, "efConstruction": 64}},
        binding={"secretName": "full"},
        deletionPolicy="Retain",
    ),
]
"""One with as little as possible in its spec, one with much."""


class Appliers:
    """Apply the same text, each in its own way."""

    def __init__(self, plane: ControlPlane, namespace: str, folder: Path, objects: Any) -> None:
        self._plane, self._namespace = plane, f"--namespace={namespace}"
        self._text = folder / "templates" / "objects.yaml"
        self._text.parent.mkdir()
        self._text.write_text(yaml.safe_dump_all(objects))
        (folder / "Chart.yaml").write_text("{apiVersion: v2, name: same, version: 1.0.0}")
        self._chart = str(folder)

    def client_side(self) -> None:
        self._plane.kubectl("apply", f"--filename={self._text}", self._namespace)

    def server_side(self) -> None:
        self._plane.kubectl("apply", "--server-side", f"--filename={self._text}", self._namespace)

    def helm(self) -> None:
        how = ("--install", "--take-ownership", self._namespace)
        self._plane.helm("upgrade", "same", self._chart, *how)

    def diff(self) -> str:
        return self._plane.kubectl("diff", f"--filename={self._text}", self._namespace)

    def all(self, by_kubectl: int) -> None:
        for number in range(by_kubectl):
            (self.client_side if number % 2 else self.server_side)()
        self.helm()


def shape(manifest: Manifest) -> Any:
    """Return what would change if somebody fought: the spec's generation, the status, and who owns
    which field of both. Annotations are apart: kubectl writes its own in two ways.
    """
    entries = manifest["metadata"]["managedFields"]
    owned = {
        (entry["manager"], entry["operation"], part): entry["fieldsV1"][part]
        for entry in entries
        for part in ("f:spec", "f:status")
        if part in entry["fieldsV1"]
    }
    assert [manager for manager, _, part in owned if (manager, part) == ("quiver", "f:spec")] == []
    return manifest["metadata"]["generation"], manifest["status"], owned
