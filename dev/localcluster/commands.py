"""kubectl and helm, bound to one cluster and blind to the caller's own configuration."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster.errors import CommandError


@dataclass(frozen=True)
class Commands:
    """Runs programs against the cluster of `kubeconfig`; their caches lie below `cache`."""

    kubeconfig: Path
    cache: Path

    def environment(self) -> dict[str, str]:
        """The caller's environment with everything set that leads to this cluster alone."""
        return {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self.cache / "kubectl"),
            "HELM_CACHE_HOME": str(self.cache / "helm"),
            "HELM_CONFIG_HOME": str(self.cache / "helm-config"),
            "HELM_DATA_HOME": str(self.cache / "helm-data"),
            "NO_PROXY": "*",
            "no_proxy": "*",
        }

    def run(
        self, program: Path, arguments: Sequence[str], *, stdin: str | None, check: bool
    ) -> str:
        """Standard output of the program. Raises CommandError, with stderr, when it fails."""
        done = subprocess.run(
            [program, *arguments],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise CommandError(
                f"{program.name} {' '.join(arguments)} ended with status {done.returncode}: "
                f"{done.stderr.strip() or done.stdout.strip()}"
            )
        return done.stdout
