"""The stage with a node: images, the chart's pods, GPUs that the scheduler hands out."""

from pathlib import Path

from demo import in_pods
from demo.binding import KUBECTL_AND_HELM, bound_shell, client_command, exports
from demo.footprint import Footprint, on_this_machine
from demo.in_pods import ENGINE_POD, GRPC_PORT, Release
from demo.screen import Screen
from demo.shell import Shell
from demo.stage import NO_DEFAULT_RESYNC, SYSTEM_NAMESPACE
from localcluster import Cluster

NO_DNS = "It has no DNS and no kube-proxy: pods are reached by address, not by a Service's name."


class InCluster:
    """A Kubernetes with a node of two pretend GPUs; the operator is its Helm chart's Deployment."""

    has_pods = True
    has_gpus = True
    leaves_out = ""

    def __init__(self, directory: Path, screen: Screen) -> None:
        self._directory = directory
        self._screen = screen
        self._cluster = Cluster(directory, gpus=2, gpu_memory_mib=40960, progress=screen.progress)
        self._release = Release("quiver", SYSTEM_NAMESPACE, ("--create-namespace",))
        self._shell: Shell | None = None

    @property
    def shell(self) -> Shell:
        assert self._shell is not None, "the first step starts the cluster"
        return self._shell

    def start(self) -> None:
        self._cluster.start()
        self._shell = bound_shell(self._cluster, self._screen, KUBECTL_AND_HELM)
        self._cluster.load_images(["operator", "engine"])
        self.shell.run("kubectl", "get", "nodes", "-Lnvidia.com/gpu.count,nvidia.com/gpu.memory")

    def install(self) -> None:
        self._release.install(self.shell)

    def apply_engine(self) -> None:
        self.shell.run("kubectl", "apply", "-f", "dev/demo/manifests/engine.yaml")

    def engine_address(self) -> str:
        ip = self.shell.quiet("kubectl", "get", "pod", ENGINE_POD, "-o", "jsonpath={.status.podIP}")
        return f"{ip}:{GRPC_PORT}"

    def kill_operator(self) -> None:
        self._release.kill_operator(self.shell)

    def kill_engine(self) -> None:
        in_pods.kill_engine(self.shell)

    def operator_log(self) -> str:
        return self._release.operator_log(self.shell)

    def uninstall(self) -> None:
        self._release.uninstall(self.shell)

    def footprint(self) -> Footprint:
        return on_this_machine(self._directory, self._cluster.layout.mark)

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
        self._screen.note(NO_DEFAULT_RESYNC)
        self._screen.note(NO_DNS)
        self._screen.note("To take the cluster away: make down")
