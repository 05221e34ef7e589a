"""Flux' source-controller and kustomize-controller, as processes beside a control plane.

They have what `flux install` gives them: their CRDs, a service account each in `flux-system`, and
for kustomize-controller the whole cluster. helm-controller cannot be built from public modules.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from localcluster.binaries import Binaries
from localcluster.catalogue import CATALOGUE, FLUX, Program
from localcluster.controlplane import ControlPlane
from localcluster.toolchain import find_go
from machine.errors import BuildError
from machine.lifetime import die_with_parent
from machine.ports import free_ports
from machine.processes import ChildProcess
from machine.progress import Say, quiet

NAMESPACE = "flux-system"
STARTED = '"msg":"Starting workers"'
DEPENDENCY_RETRY = "500ms"
"""How long a Kustomization waits before it looks again at what it depends on; 30 s by default."""


class Flux:
    """Both controllers, for the length of a `with` block. Their logs and data lie in `directory`.

    They reach Git over whatever addresses the host reaches, loopback included.
    """

    def __init__(
        self, control_plane: ControlPlane, directory: Path, progress: Say | None = None
    ) -> None:
        """Prepare controllers for a control plane that runs; nothing is built or started yet."""
        self._control_plane = control_plane
        self._directory = directory
        self._say = progress or quiet
        self._controllers: dict[str, ChildProcess] = {}

    def __enter__(self) -> Self:
        """Install the CRDs and start, building what is missing. Raises BuildError."""
        binaries = Binaries.ensure(self._say, FLUX)
        for name in FLUX:
            crds = crds_of(CATALOGUE[name], self._say)
            self._control_plane.kubectl("apply", "--server-side", f"--filename={crds}")
        self._control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
        self._control_plane.create_namespace(NAMESPACE)
        try:
            for name in FLUX:
                self._controllers[name] = self._start(name, binaries.path(name))
            for controller in self._controllers.values():
                controller.wait_for(STARTED)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End both; their objects stay."""
        for controller in self._controllers.values():
            if controller.is_running:
                controller.kill()

    def _start(self, name: str, program: Path) -> ChildProcess:
        kubectl = self._control_plane.kubectl
        kubectl("create", "serviceaccount", name, f"--namespace={NAMESPACE}")
        account = f"--serviceaccount={NAMESPACE}:{name}"
        kubectl(
            "create", "clusterrolebinding", f"flux:{name}", "--clusterrole=cluster-admin", account
        )
        folder = self._directory / name
        folder.mkdir(parents=True)
        kubeconfig = self._control_plane.service_account_kubeconfig(NAMESPACE, name)
        arguments = [
            "--metrics-addr=0",
            "--health-addr=0",
            f"--requeue-dependency={DEPENDENCY_RETRY}",
        ]
        if name == "source-controller":
            [port] = free_ports(1)
            arguments += [f"--storage-path={folder}", f"--storage-addr=127.0.0.1:{port}"]
            arguments += [f"--storage-adv-addr=127.0.0.1:{port}"]
        return ChildProcess(
            [str(program), *arguments],
            self._directory / f"{name}.log",
            environment=_environment(kubeconfig),
            cwd=folder,
            preexec_fn=die_with_parent,
        ).start()


def crds_of(program: Program, say: Say) -> Path:
    """The folder with a controller's CRDs, in Go's module cache. Raises BuildError."""
    command = [str(find_go(say).command), "mod", "download", "-json"]
    command.append(f"{program.package}@v{program.version}")
    environment = find_go(say).environment()
    done = subprocess.run(
        command, cwd=program.module, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    module: dict[str, Any] = json.loads(done.stdout)
    return Path(module["Dir"]) / "config" / "crd" / "bases"


def _environment(kubeconfig: Path) -> Mapping[str, str]:
    return {
        "KUBECONFIG": str(kubeconfig),
        "RUNTIME_NAMESPACE": NAMESPACE,
        "NO_PROXY": "*",
        "no_proxy": "*",
    }
