"""A Kubernetes of one's own on this machine, from pinned Go modules and nothing else.

Names are imported when first used: the supervisor and the device plugin live in this package
too and have to start quickly.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localcluster import preflight
    from localcluster.apiserver import ApiServer
    from localcluster.binaries import Binaries
    from localcluster.cluster import Cluster
    from localcluster.controlplane import ControlPlane
    from localcluster.errors import LocalClusterError

__all__ = ["ApiServer", "Binaries", "Cluster", "ControlPlane", "LocalClusterError", "preflight"]

_HOME = {
    "ApiServer": "localcluster.apiserver",
    "Binaries": "localcluster.binaries",
    "Cluster": "localcluster.cluster",
    "ControlPlane": "localcluster.controlplane",
    "LocalClusterError": "localcluster.errors",
}


def __getattr__(name: str) -> Any:
    if name == "preflight":
        return importlib.import_module("localcluster.preflight")
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
