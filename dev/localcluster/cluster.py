"""A cluster with nodes that run pods, in namespaces of its own; needs root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from imagebuild.packing import build_image
from localcluster import catalogue, cgroups, network, preflight
from localcluster.components import SERVICE_ADDRESS, Addresses
from localcluster.controlplane import ControlPlane
from localcluster.node import Node, NodeOptions
from localcluster.pause import pause_archive
from localcluster.processes import NetworkSpec, ProcessSpec, SupervisorSpec
from localcluster.runc import ensure_runc
from localcluster.runtime import import_archive, socket_of
from localcluster.session import Session
from machine.locks import file_lock
from machine.modules import module_command, module_environment
from machine.paths import cache_dir
from machine.progress import Say, quiet

CPU_NODE = "cpu-node"
GPU_NODE = "gpu-node"
GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
VOLUMES = "/tmp/hostpath_pv"  # noqa: S108 - the provisioner's fixed folder, in our own mounts
NODE_TIMEOUT_S = 60.0
NODE_PROGRAMS = (
    "kubelet",
    "pause",
    *catalogue.CONTAINER_RUNTIME,
    *(name for _, name in catalogue.NETWORK_PLUGINS),
)
NAMESPACES = (
    "--fork",
    "--kill-child",
    "--pid",
    "--mount-proc",
    "--mount",
    "--net",
    "--uts",
    "--ipc",
)

STORAGE_CLASS = """\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/host-path
"""


class Cluster(ControlPlane):
    """ControlPlane's whole interface, plus a node with pretend GPUs and one without.

    The GPU node is tainted as usual (`nvidia.com/gpu`, NoSchedule), so pods without GPUs find
    their place on the other. Pods reach the API server at the service address, the host
    reaches API server and pods. All of it lives in pid, mount and network namespaces, which
    the kernel takes down with this process.
    """

    programs: Sequence[str] = (*catalogue.CONTROL_PLANE, *NODE_PROGRAMS)
    with_node = True
    pod_reachable_from_host = True

    def __init__(
        self,
        directory: Path,
        gpus: int = 2,
        gpu_memory_mib: int = 40960,
        audit: bool = False,
        *,
        progress: Say | None = None,
    ) -> None:
        """Prepare a cluster in `directory` with `gpus` GPUs of `gpu_memory_mib` MiB each."""
        super().__init__(directory, audit, progress=progress)
        self._gpus = gpus
        self._gpu_memory_mib = gpu_memory_mib
        self._reaper: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return when every node is ready and the GPUs are on offer.

        Raises what ControlPlane.start raises, and LocalClusterError, with the remedies, where
        this machine cannot run a node.
        """
        preflight.require_node()
        say = self._progress or quiet
        self._runc = ensure_runc(say)
        self.ensure_programs()
        # One at a time: between choosing networks and routing them, nobody else may choose.
        with file_lock(cache_dir() / "network.lock"):
            self._plan = network.choose_plan()
            super().start()

    def stop(self) -> None:
        """Stop everything and clear up what lies outside the namespaces."""
        super().stop()
        if self._reaper is not None:
            self._reaper.communicate()
            self._reaper = None

    def detach(self) -> None:
        """Let the cluster go on after this process; `python -m localcluster down` ends it."""
        super().detach()
        if self._reaper is not None:
            self._reaper.communicate(b"detach\n")
            self._reaper = None

    def import_image(self, archive: Path, nodes: Sequence[str] | None = None) -> None:
        """Make the images of an OCI archive known to nodes, all by default.

        Raises CommandError when a node refuses it.
        """
        import_archive(self.layout, self.binaries.path("ctr"), archive, nodes or list(self._nodes))

    def load_images(self, names: Sequence[str]) -> None:
        """Build the images of `names` (`operator`, `engine`) if they changed; import them.

        Raises BuildError when one cannot be built, CommandError when one cannot be imported.
        """
        for name in names:
            self.import_image(self.image_archive(name), self._nodes_for(name))

    def image_archive(self, name: str) -> Path:
        """The OCI archive of image `name`, built if it changed. Raises BuildError."""
        return build_image(name, self._progress or quiet)

    def _nodes_for(self, image: str) -> list[str]:
        # The operator tolerates no GPU taint, so it never lands on the GPU node.
        return [CPU_NODE] if image == "operator" else list(self._nodes)

    def _choose_addresses(self) -> Addresses:
        return Addresses("0.0.0.0", self._plan.api, 443, 2379, 2380, 10257, 10259)  # noqa: S104

    def _server_addresses(self) -> list[str]:
        return [*super()._server_addresses(), self._plan.api]

    def _launch(self) -> Session:
        self._nodes = {node.options.name: node for node in self._describe_nodes()}
        self._reaper = subprocess.Popen(
            module_command("localcluster.reaper", str(self.layout.directory)),
            stdin=subprocess.PIPE,
            start_new_session=True,
            env=module_environment(),
        )
        cgroups.create(self.layout.mark, self._nodes)
        host_namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            spec = self._spec(host_namespace)
            spec.save(self.layout.spec)
            command = module_command("localcluster.supervisor", str(self.layout.spec))
            return Session(
                ["unshare", *NAMESPACES, *command],
                self.layout.log("supervisor"),
                pass_fds=[host_namespace],
            )
        finally:
            os.close(host_namespace)

    def _spec(self, host_namespace: int) -> SupervisorSpec:
        length = self._plan.link.prefixlen
        node_addresses = [node.options.address for node in self._nodes.values()]
        addresses = NetworkSpec(
            host_link=self.layout.mark,
            host_namespace=host_namespace,
            uplink_addresses=[f"{ip}/{length}" for ip in (self._plan.api, *node_addresses)],
            loopback_addresses=[f"{SERVICE_ADDRESS}/32"],
        )
        processes = [
            *self._processes().all(),
            ProcessSpec(
                "volumes",
                module_command("localcluster.volumes", VOLUMES),
                str(self.layout.log("volumes")),
            ),
            *(node.process() for node in self._nodes.values()),
        ]
        mounts = [(str(self.layout.directory / "volumes"), VOLUMES)]
        return SupervisorSpec(str(self.layout.authority), processes, mounts, addresses)

    def _describe_nodes(self) -> list[Node]:
        options = [NodeOptions(CPU_NODE, self._plan.node(0))]
        if self._gpus:
            options.append(
                NodeOptions(
                    GPU_NODE, self._plan.node(1), self._gpus, self._gpu_memory_mib, [GPU_TAINT]
                )
            )
        return [self._node(option) for option in options]

    def _node(self, options: NodeOptions) -> Node:
        user = f"system:node:{options.name}"
        kubeconfig = self._component_kubeconfig(options.name, user, ["system:nodes"])
        probe = f"{self._addresses.local_server}/readyz"
        return Node(options, self.binaries, self._runc, self.layout, self._plan, kubeconfig, probe)

    def _wait_ready(self) -> None:
        mark = self.layout.mark
        self._running.wait(lambda: network.link_exists(mark), "the network link", NODE_TIMEOUT_S)
        network.connect_host(mark, self._plan)
        super()._wait_ready()
        self.kubectl("apply", "-f", "-", input=STORAGE_CLASS)
        archive = pause_archive(self.binaries.path("pause"))
        names = list(self._nodes)
        self._running.wait(
            lambda: all(socket_of(self.layout, name) for name in names),
            "containerd",
            NODE_TIMEOUT_S,
        )
        self.import_image(archive, names)
        self._running.wait(
            lambda: all(map(self._is_ready, self._nodes.values())), "the nodes", NODE_TIMEOUT_S
        )

    def _is_ready(self, node: Node) -> bool:
        found = self._api.get(f"/api/v1/nodes/{node.options.name}")
        if found is None:
            return False
        status = found["status"]
        ready = any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in status.get("conditions", [])
        )
        gpus = int(status.get("allocatable", {}).get("nvidia.com/gpu", 0))
        return ready and gpus == node.options.gpus
