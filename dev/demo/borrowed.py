"""The stage in a cluster of somebody's: what is made there has one new name, and goes again."""

import json
import os
import subprocess
import uuid
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import yaml

from demo import in_pods
from demo.borrowed_checks import CRDS, Images, require_suitable
from demo.borrowed_clearing import RELEASE_NAMESPACE, clear_away, whatever_is_there
from demo.footprint import Footprint
from demo.in_pods import ENGINE_POD, GRPC_PORT, Release
from demo.probing import require_images_start
from demo.screen import Screen
from demo.shell import Shell, Unexpected
from demo.stage import Refused
from imagebuild.images import IMAGES
from localcluster import Binaries
from localcluster.certificates import write_private
from machine.errors import SetupError
from machine.lifetime import die_with_parent
from machine.processes import ChildProcess
from machine.pymilvus1 import pymilvus_python

PROGRAMS = ("kubectl", "helm")
FORWARDED = r"Forwarding from (127\.0\.0\.1:\d+)"
HOW_TO_LOAD = (
    "`make images` puts the archives into dist/. Load both with `kind load image-archive`, "
    "`minikube image load`, `k3d image import` or `ctr -n k8s.io images import`; or push them to a "
    "registry that the nodes pull from, `make images IMAGE_REGISTRY=HOST/PATH PUSH=1`, and name it "
    "here too: IMAGE_REGISTRY=HOST/PATH"
)


class Borrowed:
    """Operator and engine run in one new namespace, which is all that the operator watches."""

    has_pods = True
    has_gpus = False
    leaves_out = "GPUs and their scheduling"

    def __init__(self, directory: Path, screen: Screen, kubeconfig: str, registry: str) -> None:
        self._directory = directory
        self._screen = screen
        self._given = kubeconfig
        self._name = f"quiver-demo-{uuid.uuid4().hex[:6]}"
        self._images = {name: each.named(registry.rstrip("/")) for name, each in IMAGES.items()}
        self._shell: Shell | None = None
        self._forward: ChildProcess | None = None
        self._began = False
        self._has_crds = False

    @property
    def shell(self) -> Shell:
        assert self._shell is not None, "the first step binds it"
        return self._shell

    def start(self) -> None:
        self._shell = self._bound_shell()
        self._screen.note(f"this uses {self._server()}, and takes nothing away that was there")
        images = Images(list(self._images.values()), HOW_TO_LOAD)
        self._has_crds = require_suitable(self.shell, images)
        crds = "are there, and stay" if self._has_crds else "go again if nobody else uses them"
        self._screen.note(f"what is made gets the name {self._name}; Quiver's CRDs {crds}")
        self._began = True
        self.shell.run("kubectl", "create", "namespace", self._name)
        require_images_start(self.shell, self._images)
        self.shell.run("kubectl", "get", "nodes")

    def install(self) -> None:
        self._release.install(self.shell)

    def apply_engine(self) -> None:
        self.shell.run("kubectl", "apply", "-f", "dev/demo/manifests/engine-cpu.yaml")

    def engine_address(self) -> str:
        if self._forward is None or not self._forward.is_running:
            kubectl = str(Binaries.ensure(names=PROGRAMS).path("kubectl"))
            self._forward = ChildProcess(
                [kubectl, "port-forward", f"pod/{ENGINE_POD}", f":{GRPC_PORT}"],
                self._directory / "port-forward.log",
                environment=self._environment(),
                preexec_fn=die_with_parent,
            ).start()
            self._screen.command(f"kubectl port-forward pod/{ENGINE_POD} :{GRPC_PORT} &")
        return self._forward.wait_for(FORWARDED)[1]

    def kill_operator(self) -> None:
        self._release.kill_operator(self.shell)

    def kill_engine(self) -> None:
        self._end_forward()
        in_pods.kill_engine(self.shell)

    def operator_log(self) -> str:
        return self._release.operator_log(self.shell)

    def uninstall(self) -> None:
        self._end_forward()
        self._release.uninstall(self.shell)

    def footprint(self) -> Footprint:
        return whatever_is_there(self.shell, self._name)

    def stop(self) -> None:
        self._end_forward()
        if self._began:
            self._clear_away()
            self._began = False

    def leave(self) -> None:
        raise NotImplementedError("the demo leaves nothing in a cluster of somebody's")

    def _clear_away(self) -> None:
        try:
            clear_away(self.shell, self._screen, self._name)
        except (Unexpected, subprocess.SubprocessError) as error:
            raise SetupError(
                f"not all of {self._name} could be taken away: {error}\nTo do it: helm uninstall "
                f"{self._name} -n {self._name}; kubectl delete namespace {self._name}. If the CRDs "
                f"carry the annotation {RELEASE_NAMESPACE}: {self._name} and nobody uses them, "
                f"kubectl delete crd {' '.join(CRDS)}"
            ) from error

    @property
    def _release(self) -> Release:
        repository, _, tag = self._images["operator"].rpartition(":")
        values = {
            "watchNamespaces": f"{{{self._name}}}",
            "rbac.aggregate": "false",
            "crds.enabled": str(not self._has_crds).lower(),
            "image.repository": repository,
            "engineImage": self._images["engine"],
        }
        settings = [word for name in values for word in ("--set", f"{name}={values[name]}")]
        return Release(self._name, self._name, (*settings, "--set-string", f"image.tag={tag}"))

    def _bound_shell(self) -> Shell:
        found = Binaries.ensure(self._screen.progress, PROGRAMS)
        programs = {name: partial(found.path, name) for name in PROGRAMS}
        shell = Shell(
            self._screen, {**programs, "python": pymilvus_python}, self._environment(self._given)
        )
        self._write_kubeconfig(shell)
        return Shell(self._screen, {**programs, "python": pymilvus_python}, self._environment())

    def _write_kubeconfig(self, shell: Shell) -> None:
        """Copy the current context, so that a change of it in the meantime leads nowhere else."""
        try:
            told = shell.quiet("kubectl", "config", "view", "--minify", "--flatten", "-o", "json")
        except Unexpected as error:
            raise Refused(
                f"KUBECONFIG={self._given} is no file with a current context: {error}"
            ) from error
        config = json.loads(told)
        config["contexts"][0]["context"]["namespace"] = self._name
        write_private(self._kubeconfig, yaml.safe_dump(config).encode())

    @property
    def _kubeconfig(self) -> Path:
        return self._directory / "kubeconfig"

    def _server(self) -> str:
        config = yaml.safe_load(self._kubeconfig.read_text())
        return (
            f"context {config['current-context']} at {config['clusters'][0]['cluster']['server']}"
        )

    def _environment(self, kubeconfig: str = "") -> dict[str, str]:
        homes = {f"HELM_{what}_HOME": str(self._directory / "helm") for what in HELM_HOMES}
        return {
            **os.environ,
            **homes,
            "KUBECONFIG": kubeconfig or str(self._kubeconfig),
            "KUBECACHEDIR": str(self._directory / "cache"),
            "PYTHONWARNINGS": "ignore::UserWarning",
        }

    def _end_forward(self) -> None:
        if self._forward is not None and self._forward.is_running:
            self._forward.kill()
        self._forward = None


HELM_HOMES: Sequence[str] = ("CACHE", "CONFIG", "DATA")
