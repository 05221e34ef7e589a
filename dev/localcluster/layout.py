"""A cluster's folder: which file lies where."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

BULKY = ("etcd", "nodes", "volumes", "cache")


@dataclass(frozen=True)
class Layout:
    """Paths below `directory`, and the short name that marks what lies outside of it."""

    directory: Path

    @property
    def mark(self) -> str:
        """Names this cluster's cgroups and links; follows from the directory alone."""
        digest = hashlib.sha256(str(self.directory.resolve()).encode()).hexdigest()
        return f"qv{digest[:8]}"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.directory / "pki"

    @property
    def logs(self) -> Path:
        """One log file per process."""
        return self.directory / "logs"

    @property
    def kubeconfigs(self) -> Path:
        """Kubeconfig files of the cluster's own components and of users asked for."""
        return self.directory / "kubeconfigs"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.directory / "kubeconfig"

    @property
    def authority(self) -> Path:
        """The certificate authority's certificate."""
        return self.pki / "ca.crt"

    @property
    def etcd(self) -> Path:
        """The data of etcd."""
        return self.directory / "etcd"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log, JSON lines."""
        return self.logs / "audit.jsonl"

    @property
    def spec(self) -> Path:
        """The supervisor's specification."""
        return self.directory / "supervisor.json"

    @property
    def state(self) -> Path:
        """What `status` and `down` read."""
        return self.directory / "state.json"

    def node(self, name: str) -> Path:
        """Everything of one node."""
        return self.directory / "nodes" / name

    def node_names(self) -> list[str]:
        """The nodes that were described."""
        return sorted(spec.parent.name for spec in self.directory.glob("nodes/*/supervisor.json"))

    def is_ours(self) -> bool:
        """Whether the folder holds a cluster, so that it may be removed."""
        return self.spec.exists() and self.authority.exists()

    def log(self, name: str) -> Path:
        """The log file of the process `name`; `/` in the name becomes `-`."""
        return self.logs / f"{name.replace('/', '-')}.log"

    def create(self) -> None:
        """Make the folders, and clear what an earlier cluster left in them."""
        for name in (*BULKY, "pki", "kubeconfigs", "logs"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        self.directory.mkdir(parents=True, exist_ok=True)
        for folder in (self.pki, self.logs, self.kubeconfigs):
            folder.mkdir(mode=0o700)

    def discard_bulk(self) -> None:
        """Remove data, keep logs and configuration for whoever looks for a failure's cause."""
        for name in BULKY:
            shutil.rmtree(self.directory / name, ignore_errors=True)
