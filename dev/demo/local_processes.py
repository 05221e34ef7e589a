"""The stage without a node, for any user: Kubernetes' control plane, and Quiver beside it."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from demo.binding import KUBECTL, bound_shell, client_command, exports
from demo.footprint import Footprint, on_this_machine
from demo.screen import Screen
from demo.shell import Shell
from demo.stage import ENGINE, NO_DEFAULT_RESYNC, RESYNC_S, SYSTEM_NAMESPACE
from localcluster import ApiServer, ControlPlane
from machine.engine_process import LISTENING
from machine.lifetime import die_with_parent
from machine.processes import ChildProcess
from machine.pymilvus1 import pymilvus_python

INSTALL = "manifests/install.yaml"
CRDS = ("crd/vectorcollections.quiver.dev", "crd/vectorengines.quiver.dev")
QUIVER = Path(sys.executable).with_name("quiver")
LOG_LINES = 15
STOP_S = 10.0
ENGINE_MANIFEST = """\
apiVersion: quiver.dev/v1alpha1
kind: VectorEngine
metadata:
  name: {name}
spec:
  external:
    endpoints: ["{address}"]
"""


class LocalProcesses:
    """Operator and engine are processes of the demo; the engine is an external VectorEngine."""

    has_pods = False
    has_gpus = False
    leaves_out = (
        "images, the chart's pod, engine pods with their volumes, "
        "and GPUs with their device plugin and scheduling"
    )

    engine_manifest = ENGINE_MANIFEST
    client_python = staticmethod(pymilvus_python)
    """Returns the interpreter of a client of the engine."""

    def __init__(self, directory: Path, screen: Screen, *, controllers: bool = False) -> None:
        """`controllers` brings Kubernetes' own, which the story does without and users do not."""
        self._directory = directory
        self._screen = screen
        kind = ControlPlane if controllers else ApiServer
        self._cluster = kind(directory, progress=screen.progress)
        self._shell: Shell | None = None
        self._operator: ChildProcess | None = None
        self._engine: ChildProcess | None = None
        self._address = "127.0.0.1:0"

    @property
    def shell(self) -> Shell:
        assert self._shell is not None, "the first step starts the cluster"
        return self._shell

    def start(self) -> None:
        self._cluster.start()
        self._shell = bound_shell(self._cluster, self._screen, KUBECTL, self.client_python)
        self.shell.run("kubectl", "get", "namespaces")

    def install(self) -> None:
        self.shell.run("kubectl", "apply", "--server-side", "-f", INSTALL)
        self.shell.run("kubectl", "wait", "--for=condition=Established", *CRDS)
        self._screen.note(
            "no node runs the operator's pod: it runs here, with its account's rights"
        )
        self._start_operator()

    def apply_engine(self) -> None:
        self._start_engine()
        manifest = self.engine_manifest.format(name=ENGINE, address=self._address)
        self.shell.run("kubectl", "apply", "-f", "-", stdin=manifest)

    def engine_address(self) -> str:
        return self._address

    def kill_operator(self) -> None:
        assert self._operator is not None
        self._screen.command(f"kill -9 {self._operator.pid}")
        self._operator.kill()
        self._start_operator()

    def kill_engine(self) -> None:
        assert self._engine is not None
        self._screen.command(f"kill -9 {self._engine.pid}")
        self._engine.kill()
        self._start_engine()

    def operator_log(self) -> str:
        if self._operator is None:
            return "(the operator was not started)"
        lines = self._operator.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:])

    def uninstall(self) -> None:
        if self._operator is not None:
            _stop(self._operator)
            self._operator = None
        # The namespace goes when Kubernetes' controllers have emptied it, where there are some.
        self.shell.run("kubectl", "delete", "-f", INSTALL, "--wait=false")
        self.shell.run("kubectl", "wait", "--for=delete", *CRDS, "--timeout=60s")

    def footprint(self) -> Footprint:
        return on_this_machine(self._directory, self._cluster.layout.mark)

    def stop(self) -> None:
        for process in (self._operator, self._engine):
            if process is not None:
                _stop(process)
        self._operator = self._engine = None
        self._cluster.stop()

    def leave(self) -> None:
        self._screen.note("It runs until you press Ctrl-C. In another terminal:")
        self.say_how_to_use()
        self._screen.note(NO_DEFAULT_RESYNC)
        self._screen.note("A Milvus 1.x client finds the engine:")
        self._screen.command(client_command(self._address))
        with suppress(KeyboardInterrupt):
            signal.pause()

    def say_how_to_use(self) -> None:
        for line in exports(self._cluster, KUBECTL):
            self._screen.command(line)
        self._screen.command("kubectl get vcol,veng")

    def _start_operator(self) -> None:
        account = self._cluster.service_account_kubeconfig(SYSTEM_NAMESPACE, "quiver")
        arguments = ["operator", "--http=127.0.0.1:0", f"--resync-period={RESYNC_S}"]
        # The engine listens on this machine alone, where no engine of a cluster would be.
        arguments.append("--allow-engine-cidr=127.0.0.0/8")
        environment = {"KUBECONFIG": str(account), "POD_NAMESPACE": SYSTEM_NAMESPACE}
        self._operator = self._run(arguments, environment, "operator.log")

    def _start_engine(self) -> None:
        data = self._directory / "engine"
        arguments = ["engine", f"--data-dir={data}", f"--listen={self._address}"]
        arguments.append("--http=127.0.0.1:0")
        self._engine = self._run(arguments, {}, "engine.log")
        self._address = self._engine.wait_for(LISTENING)[1]

    def _run(self, arguments: list[str], environment: Mapping[str, str], log: str) -> ChildProcess:
        self._screen.command(f"quiver {' '.join(arguments)} &")
        return ChildProcess(
            [str(QUIVER), *arguments],
            self._directory / log,
            environment=environment,
            append=True,
            # Ctrl-C is for the demo, which then ends it.
            start_new_session=True,
            preexec_fn=die_with_parent,
        ).start()


def _stop(process: ChildProcess) -> None:
    try:
        process.stop(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
