"""Which programs there are, what they are built from, and how a foreign one is recognised."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from localcluster.paths import GO_MODULES
from localcluster.versions import CNI, CONTAINERD, ETCD, HELM, KUBERNETES, numbers, pinned

VERSION_TIMEOUT_S = 20


@dataclass(frozen=True)
class Program:
    """A Go program of a pinned module.

    `version_args` makes a foreign copy print its version; None means that foreign copies are
    never taken. A foreign copy fits when the first `version_parts` parts equal ours, but for
    a last one that may be `skew` less or more. `usual_build_s` is what a first build takes on
    two cores, in seconds.
    """

    name: str
    module: Path
    package: str
    version: str
    linker_flags: str = "-s -w"
    tags: str = ""
    version_args: tuple[str, ...] | None = None
    version_parts: int = 2
    skew: int = 0
    usual_build_s: int = 5

    def build_arguments(self) -> list[str]:
        """Arguments of `go`, up to the output file."""
        return [
            *("build", "-buildvcs=false", "-trimpath", f"-tags={self.tags}"),
            *("-ldflags", self.linker_flags),
        ]

    def version_of(self, candidate: Path) -> str:
        """What the program at `candidate` says its version is; empty where it says none."""
        if self.version_args is None:
            return ""
        try:
            output = subprocess.run(
                [candidate, *self.version_args],
                capture_output=True,
                text=True,
                check=True,
                timeout=VERSION_TIMEOUT_S,
            ).stdout
        except (OSError, subprocess.SubprocessError):
            return ""
        found = re.search(r"v?(\d+\.\d+\.\d+)(\S*)", output)
        # A dispatcher is no program by itself: it fetches one that fits the server.
        return "" if found is None or "dispatcher" in found[2] else found[1]

    def fits(self, version: str) -> bool:
        """Whether a foreign program of this version does in place of the one that we pin."""
        theirs, ours = (numbers(v)[: self.version_parts] for v in (version, self.version))
        return theirs[:-1] == ours[:-1] and abs(theirs[-1] - ours[-1]) <= self.skew

    @property
    def fitting(self) -> str:
        """Which versions fit, in words."""
        *before, last = numbers(self.version)[: self.version_parts]
        fitting = [".".join(map(str, (*before, n))) for n in (last - self.skew, last + self.skew)]
        return " to ".join(dict.fromkeys(fitting))


def _kubernetes(
    name: str, usual_build_s: int, version_args: tuple[str, ...] = ("--version",), skew: int = 0
) -> Program:
    version = pinned(KUBERNETES)
    major, minor = numbers(version)[:2]
    # Without these a server reports v0.0.0 and every chart's kubeVersion check fails.
    stamps = [
        f"-X {package}.{variable}={value}"
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for variable, value in (
            ("gitVersion", f"v{version}"),
            ("gitMajor", major),
            ("gitMinor", minor),
        )
    ]
    return Program(
        name,
        GO_MODULES / "kubernetes",
        f"k8s.io/kubernetes/cmd/{name}",
        version,
        linker_flags=" ".join(["-s -w", *stamps]),
        version_args=version_args,
        skew=skew,
        usual_build_s=usual_build_s,
    )


def _etcd() -> Program:
    return Program(
        "etcd",
        GO_MODULES / "kubernetes",
        ETCD[1],
        pinned(ETCD),
        version_args=("--version",),
        usual_build_s=40,
    )


def _helm() -> Program:
    version = pinned(HELM)
    return Program(
        "helm",
        GO_MODULES / "helm",
        f"{HELM[1]}/cmd/helm",
        version,
        linker_flags=f"-s -w -X {HELM[1]}/internal/version.version=v{version}",
        version_args=("version", "--short"),
        version_parts=1,
        usual_build_s=90,
    )


def _containerd(name: str, usual_build_s: int) -> Program:
    # containerd, its shim and ctr belong together, so no single foreign one is taken.
    version = pinned(CONTAINERD)
    return Program(
        name,
        GO_MODULES / "containerd",
        f"{CONTAINERD[1]}/cmd/{name}",
        version,
        linker_flags=f"-s -w -X {CONTAINERD[1]}/version.Version={version}",
        tags="no_btrfs,no_devmapper,no_zfs,no_aufs",
        usual_build_s=usual_build_s,
    )


def _cni(kind: str, name: str) -> Program:
    return Program(name, GO_MODULES / "cni", f"{CNI[1]}/plugins/{kind}/{name}", pinned(CNI))


def _flux(name: str, usual_build_s: int) -> Program:
    package = f"github.com/fluxcd/{name}"
    version = pinned(("flux", package))
    return Program(name, GO_MODULES / "flux", package, version, usual_build_s=usual_build_s)


def _catalogue() -> dict[str, Program]:
    """In the order of building: what most tests wait for comes first."""
    programs = [
        _etcd(),
        _kubernetes("kube-apiserver", 215),
        # Kubernetes supports a kubectl that is one minor version off.
        _kubernetes("kubectl", 20, ("version", "--client"), skew=1),
        _helm(),
        _kubernetes("kube-controller-manager", 80),
        _kubernetes("kube-scheduler", 10),
        _kubernetes("kubelet", 20),
        _containerd("containerd", 50),
        _containerd("containerd-shim-runc-v2", 5),
        _containerd("ctr", 5),
        *(_cni(*plugin) for plugin in NETWORK_PLUGINS),
        Program("pause", GO_MODULES / "pause", ".", "1"),
        _flux("source-controller", 390),
        _flux("kustomize-controller", 390),
    ]
    return {program.name: program for program in programs}


API = ("etcd", "kube-apiserver", "kubectl")
CONTROL_PLANE = (*API, "kube-controller-manager", "kube-scheduler")
CONTAINER_RUNTIME = ("containerd", "containerd-shim-runc-v2", "ctr")
NETWORK_PLUGINS = (("main", "bridge"), ("ipam", "host-local"), ("main", "loopback"))
FLUX = ("source-controller", "kustomize-controller")
CATALOGUE = _catalogue()
OF_CLUSTERS = tuple(name for name in CATALOGUE if name not in FLUX)
"""What runs a cluster. The others are built only where they are asked for by name."""
