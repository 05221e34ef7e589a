"""The least that takes objects: etcd and an API server, there as soon as those two are built."""

from __future__ import annotations

from collections.abc import Sequence

from localcluster import catalogue
from localcluster.controlplane import ControlPlane
from localcluster.processes import ProcessSpec


class ApiServer(ControlPlane):
    """ControlPlane's interface without its controllers.

    Objects, admission and RBAC are as anywhere. But no namespace gets a default service account,
    a deleted namespace stays, and no owner's end takes its objects with it.
    """

    programs: Sequence[str] = catalogue.API

    def _described_processes(self) -> list[ProcessSpec]:
        processes = self._processes()
        return [processes.etcd(), processes.apiserver()]

    def _wait_ready(self) -> None:
        self._wait_exists("/readyz", "the API server to be ready")
