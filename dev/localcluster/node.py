"""A node: containerd, kubelet and, with GPUs, a device plugin, in mounts of their own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from localcluster.binaries import Binaries
from localcluster.layout import Layout
from localcluster.network import Plan
from localcluster.processes import ProcessSpec, SupervisorSpec
from localcluster.runc import Runc
from machine.modules import module_command

PAUSE_IMAGE = "localhost/pause:1"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
BRIDGE = "pods"


@dataclass(frozen=True)
class NodeOptions:
    """What tells one node from another."""

    name: str
    address: str
    gpus: int = 0
    gpu_memory_mib: int = 0
    taints: list[dict[str, str]] = field(default_factory=list)

    def labels(self) -> dict[str, str]:
        """The labels that GPU Feature Discovery gives a node."""
        if not self.gpus:
            return {}
        return {
            "nvidia.com/gpu.count": str(self.gpus),
            "nvidia.com/gpu.memory": str(self.gpu_memory_mib),
            "nvidia.com/gpu.product": "Localcluster-Pretend-GPU",
            "nvidia.com/gpu.present": "true",
        }


@dataclass(frozen=True)
class Node:
    """Writes a node's configuration and names its processes."""

    options: NodeOptions
    binaries: Binaries
    runc: Runc
    layout: Layout
    plan: Plan
    kubeconfig: Path
    server_probe: str

    @property
    def folder(self) -> Path:
        """Everything of this node."""
        return self.layout.node(self.options.name)

    @property
    def spec_path(self) -> Path:
        """The specification of this node's supervisor; its path marks the process."""
        return self.folder / "supervisor.json"

    def process(self) -> ProcessSpec:
        """The node's supervisor, started in a mount namespace of its own."""
        self.folder.mkdir(parents=True)
        self._write_configuration()
        self._supervisor_spec().save(self.spec_path)
        command = module_command("localcluster.supervisor", str(self.spec_path))
        return ProcessSpec(
            self.options.name,
            ["unshare", "--mount", *command],
            str(self.layout.log(self.options.name)),
        )

    def _supervisor_spec(self) -> SupervisorSpec:
        processes = [self._containerd(), self._kubelet()]
        if self.options.gpus:
            processes.append(self._device_plugin())
        # Where these programs write, whatever one configures; nothing of it reaches the host.
        hidden = {
            "kubelet": "/var/lib/kubelet",
            "cni": "/var/lib/cni",
            "run": "/run",
            "log": "/var/log",
        }
        mounts = [(str(self.folder / source), target) for source, target in hidden.items()]
        return SupervisorSpec(str(self.layout.authority), processes, mounts, nested=True)

    def _containerd(self) -> ProcessSpec:
        argv = [str(self.binaries.path("containerd")), "--config", str(self.folder / "containerd")]
        # It looks the shim up on PATH.
        search = (
            f"{self.binaries.path('containerd-shim-runc-v2').parent}:/usr/sbin:/usr/bin:/sbin:/bin"
        )
        return self._process(
            "containerd", argv, environment={"PATH": search, **self.runc.environment()}
        )

    def _kubelet(self) -> ProcessSpec:
        labels = ",".join(f"{key}={value}" for key, value in self.options.labels().items())
        argv = [
            str(self.binaries.path("kubelet")),
            f"--config={self.folder / 'kubelet.yaml'}",
            f"--kubeconfig={self.kubeconfig}",
            f"--hostname-override={self.options.name}",
            f"--node-ip={self.options.address}",
            f"--node-labels={labels}",
            "--root-dir=/var/lib/kubelet",
            "--cert-dir=/var/lib/kubelet/pki",
        ]
        return self._process(
            "kubelet", argv, needs=[self.server_probe, f"unix:{CONTAINERD_SOCKET}"]
        )

    def _device_plugin(self) -> ProcessSpec:
        argv = module_command("localcluster.deviceplugin", str(self.options.gpus))
        return self._process("device-plugin", argv)

    def _process(
        self,
        name: str,
        argv: list[str],
        *,
        needs: list[str] | None = None,
        environment: dict[str, str] | None = None,
    ) -> ProcessSpec:
        full = f"{self.options.name}/{name}"
        log = str(self.layout.log(full))
        return ProcessSpec(full, argv, log, needs or [], environment=environment or {})

    def _write_configuration(self) -> None:
        (self.folder / "containerd").write_text(self._containerd_configuration())
        (self.folder / "kubelet.yaml").write_text(yaml.safe_dump(self._kubelet_configuration()))
        (self.folder / "resolv.conf").write_text("")
        network = self.folder / "network"
        network.mkdir()
        (network / "10-pods.conflist").write_text(json.dumps(self._network_configuration()))

    def _containerd_configuration(self) -> str:
        settings = {
            "root": str(self.folder / "containerd-root"),
            "state": "/run/containerd",
            "socket": CONTAINERD_SOCKET,
            "optional": str(self.folder / "optional"),
            "pause": PAUSE_IMAGE,
            "plugins": str(self.binaries.path("bridge").parent),
            "network": str(self.folder / "network"),
            "runc": str(self.runc.path),
        }
        quoted = {name: json.dumps(value) for name, value in settings.items()}
        return CONTAINERD_CONFIGURATION.format(**quoted)

    def _kubelet_configuration(self) -> dict[str, object]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.options.address,
            "healthzPort": 0,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.layout.authority)},
            },
            "authorization": {"mode": "Webhook"},
            "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.layout.mark}/{self.options.name}",
            "enforceNodeAllocatable": ["pods"],
            "failSwapOn": False,
            # Nobody answers DNS here; a closed port fails at once, no server at all makes the
            # kubelet warn about every pod.
            "clusterDNS": ["10.96.0.1"],
            "clusterDomain": "cluster.local",
            "resolvConf": str(self.folder / "resolv.conf"),
            "volumePluginDir": "/var/lib/kubelet/volume-plugins",
            "nodeStatusUpdateFrequency": "1s",
            # Images are imported, never pulled: one that was collected would be gone.
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
            },
            "registerWithTaints": self.options.taints,
        }

    def _network_configuration(self) -> dict[str, object]:
        return {
            "cniVersion": "1.0.0",
            "name": BRIDGE,
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": BRIDGE,
                    "isGateway": True,
                    "hairpinMode": True,
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": str(self.plan.pods)}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                        # All nodes share one bridge, so they share its addresses too.
                        "dataDir": str(self.layout.directory / "nodes" / "addresses"),
                    },
                }
            ],
        }


# restrict_oom_score_adj: where CAP_SYS_RESOURCE is missing, every sandbox would die without it.
CONTAINERD_CONFIGURATION = """\
version = 3
root = {root}
state = {state}
disabled_plugins = ["io.containerd.nri.v1.nri"]

[grpc]
address = {socket}

[plugins.'io.containerd.internal.v1.opt']
path = {optional}

[plugins.'io.containerd.cri.v1.images']
snapshotter = "overlayfs"
pinned_images = {{ sandbox = {pause} }}

[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = [{plugins}]
conf_dir = {network}

[plugins.'io.containerd.cri.v1.runtime'.containerd]
default_runtime_name = "runc"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = {runc}
SystemdCgroup = false
"""
