"""Watches the statuses that operators write in tests, and keeps some as test data for Argo CD."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from quiver.adapters.kubernetes.connection import Connection, load_configuration
from quiver.control.observe.metrics import Metrics
from quiver.domain.conditions import ready_reason
from quiver.domain.kubernetes_types import Key, Kind, Manifest
from support.admin_api import AdminApi
from support.health import AGREEING, KINDS, argo_health, kstatus, run_script, script

RECORD_INTO = os.environ.get("RECORD_STATUSES")
"""A folder like `manifests/argocd/resource_customizations/quiver.dev`: what it lacks is added."""
KEPT = ("name", "namespace", "generation", "finalizers", "deletionTimestamp")


class WatchedApi(AdminApi):
    """The operator's client. What it writes into statuses has to be told alike by every tool."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.problems: list[str] = []

    async def patch(self, kind: Kind, key: Key, patch: Manifest, *, subresource: str = "") -> Any:
        written = await super().patch(kind, key, patch, subresource=subresource)
        if subresource == "status" and written["kind"] in KINDS:
            self._look_at(written)
        return written

    def _look_at(self, manifest: Manifest) -> None:
        health, other = argo_health(manifest), kstatus(manifest)
        if other not in AGREEING[health.status]:
            self.problems.append(f"Argo CD says {health}, kstatus {other}: {manifest['status']}")
        keep(manifest)


@asynccontextmanager
async def watched(kubeconfig: Path) -> AsyncIterator[WatchedApi]:
    configuration = await load_configuration({"KUBECONFIG": str(kubeconfig)})
    async with WatchedApi(Connection(configuration, Metrics())) as client:
        yield client


def keep(manifest: Manifest) -> None:
    """Keep the object as test data where that is asked for and there is none with its reasons."""
    if RECORD_INTO and manifest["kind"] in KINDS:
        _keep(Path(RECORD_INTO), manifest)


def _keep(folder: Path, manifest: Manifest) -> None:
    status = run_script(script(manifest["kind"]), manifest).status.lower()
    for reason in sorted({c["reason"] for c in manifest["status"]["conditions"]}):
        of_ready = reason == ready_reason(manifest)
        name = f"{status}_{reason}" if of_ready or reason == "Suspended" else reason
        path = folder / manifest["kind"] / "testdata" / f"{name}.yaml"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_as_test_data(manifest))


def _as_test_data(manifest: Manifest) -> str:
    """Return the object without what is the API server's or the test's own."""
    metadata = {key: manifest["metadata"][key] for key in KEPT if key in manifest["metadata"]}
    text = yaml.safe_dump({**manifest, "metadata": metadata}, width=100, sort_keys=True)
    return re.sub(r"\b(test|tenant|guest-test|release|node-test)-[0-9a-f]{8}\b", r"\1", text)
