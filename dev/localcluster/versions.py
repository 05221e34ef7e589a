"""The pinned versions. The go.mod files below `go/` are their only source."""

from __future__ import annotations

import functools
import re

from localcluster.paths import GO_MODULES

KUBERNETES = ("kubernetes", "k8s.io/kubernetes")
ETCD = ("kubernetes", "go.etcd.io/etcd/server/v3")
HELM = ("helm", "helm.sh/helm/v4")
CONTAINERD = ("containerd", "github.com/containerd/containerd/v2")
CNI = ("cni", "github.com/containernetworking/plugins")


@functools.cache
def pinned(module: tuple[str, str]) -> str:
    """The version, without its `v`, that folder `module[0]` pins for `module[1]`."""
    folder, path = module
    text = (GO_MODULES / folder / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require )?{re.escape(path)} v(\S+)", text, re.MULTILINE)
    if found is None:
        raise LookupError(f"{folder}/go.mod does not require {path}")
    return found[1]


def minimum_go() -> tuple[int, ...]:
    """The Go version that satisfies every module's `go` line."""
    lines = [(path / "go.mod").read_text() for path in GO_MODULES.iterdir()]
    found = (re.search(r"^go (\S+)", text, re.MULTILINE) for text in lines)
    return max(numbers(match[1]) for match in found if match)


def numbers(version: str) -> tuple[int, ...]:
    """`1.26.6` as (1, 26, 6); what follows the digits and dots is left out."""
    match = re.match(r"\d+(?:\.\d+)*", version.removeprefix("v"))
    return tuple(int(part) for part in match[0].split(".")) if match else (0,)
