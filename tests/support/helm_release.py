"""The chart, installed by Helm on an API server."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcluster import ControlPlane

CHART = Path(__file__).parents[2] / "charts" / "quiver"
CRDS = ("crd/vectorcollections.quiver.dev", "crd/vectorengines.quiver.dev")


@dataclass(frozen=True)
class Release:
    """An installed release."""

    control_plane: ControlPlane
    namespace: str

    @classmethod
    def install(cls, control_plane: ControlPlane) -> Release:
        """Install into a new namespace, over CRDs that another test may have left."""
        release = cls(control_plane, f"chart-{uuid.uuid4().hex[:8]}")
        how = ("--create-namespace", "--take-ownership", "--force-conflicts")
        release.helm("install", str(CHART), *how)
        return release

    def helm(self, verb: str, *arguments: str) -> str:
        """Run helm for this release."""
        at = f"--namespace={self.namespace}"
        return self.control_plane.helm(*verb.split(), "quiver", *arguments, at)

    def kubectl(self, *arguments: str, **options: Any) -> str:
        """Run kubectl in the release's namespace."""
        return self.control_plane.kubectl(f"--namespace={self.namespace}", *arguments, **options)
