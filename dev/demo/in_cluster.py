"""The stage with a node: images, the chart's pods, GPUs that the scheduler hands out."""

from pathlib import Path

from demo.binding import bound_shell, client_command, exports
from demo.footprint import Footprint
from demo.screen import Screen
from demo.shell import Shell, Unexpected
from demo.stage import ENGINE, RESYNC_S, SYSTEM_NAMESPACE
from localcluster import Cluster

ENGINE_POD = f"{ENGINE}-0"
GRPC_PORT = 19530
OPERATOR = "app.kubernetes.io/name=quiver"
LOG_LINES = 15
RESTART = "--timeout=60s"


class InCluster:
    """A Kubernetes with a node of two pretend GPUs; the operator is its Helm chart's Deployment."""

    has_node = True
    leaves_out = ""

    def __init__(self, directory: Path, screen: Screen) -> None:
        self._directory = directory
        self._screen = screen
        self._cluster = Cluster(directory, gpus=2, gpu_memory_mib=40960, progress=screen.progress)
        self._shell: Shell | None = None

    @property
    def shell(self) -> Shell:
        assert self._shell is not None, "the first step starts the cluster"
        return self._shell

    def start(self) -> None:
        self._cluster.start()
        self._shell = bound_shell(self._cluster, self._screen)
        self._cluster.load_images(["operator", "engine"])
        self.shell.run("kubectl", "get", "nodes", "-Lnvidia.com/gpu.count,nvidia.com/gpu.memory")

    def install(self) -> None:
        self.shell.run(
            *("helm", "install", "quiver", "charts/quiver", "--wait", "--hide-notes"),
            *("--namespace", SYSTEM_NAMESPACE, "--create-namespace"),
            *("--set", f"resyncPeriod={RESYNC_S}"),
        )
        self.shell.run("kubectl", "get", "pods", "--namespace", SYSTEM_NAMESPACE)

    def apply_engine(self) -> None:
        self.shell.run("kubectl", "apply", "-f", "dev/demo/manifests/engine.yaml")

    def engine_address(self) -> str:
        ip = self.shell.quiet("kubectl", "get", "pod", ENGINE_POD, "-o", "jsonpath={.status.podIP}")
        return f"{ip}:{GRPC_PORT}"

    def kill_operator(self) -> None:
        self.shell.run(
            *("kubectl", "delete", "pod", "--namespace", SYSTEM_NAMESPACE, "-l", OPERATOR),
            *("--force", "--grace-period=0"),
        )

    def kill_engine(self) -> None:
        self.shell.run("kubectl", "delete", "pod", ENGINE_POD, "--force", "--grace-period=0")
        for state in ("create", "condition=Ready"):
            self.shell.run("kubectl", "wait", f"pod/{ENGINE_POD}", f"--for={state}", RESTART)

    def operator_log(self) -> str:
        try:
            return self.shell.quiet(
                *("kubectl", "logs", "--namespace", SYSTEM_NAMESPACE, "-l", OPERATOR),
                f"--tail={LOG_LINES}",
            )
        except Unexpected as error:
            return str(error)

    def uninstall(self) -> None:
        self.shell.run("helm", "uninstall", "quiver", "--namespace", SYSTEM_NAMESPACE, "--wait")

    def footprint(self) -> Footprint:
        return Footprint.of(self._directory, self._cluster.layout.mark)

    def stop(self) -> None:
        self._cluster.stop()

    def leave(self) -> None:
        lines = exports(self._cluster)
        self._cluster.detach()
        self._screen.note("The cluster stands. To use it:")
        for line in lines:
            self._screen.command(line)
        self._screen.command("kubectl get vcol,veng,pods -o wide")
        self._screen.command(f"kubectl port-forward pod/{ENGINE_POD} {GRPC_PORT}:{GRPC_PORT}")
        self._screen.note("Then a Milvus 1.x client, in another terminal, finds the engine:")
        self._screen.command(client_command(f"127.0.0.1:{GRPC_PORT}"))
        self._screen.note("To take the cluster away: make down")
