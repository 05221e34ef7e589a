"""What `helm uninstall` takes, and what stays."""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml
from click.testing import CliRunner

from localcluster import ControlPlane
from support.helm_release import CRDS, Release
from support.waiting import wait_until

DEADLINE_S = 30
COLLECTION = """
apiVersion: quiver.dev/v1alpha1
kind: VectorCollection
metadata: {name: kept}
spec: {engineRef: {name: main}, dimension: 8}
"""


def test_uninstall(control_plane: ControlPlane) -> None:
    """`helm uninstall` takes the operator and its rights. It leaves the CRDs and all objects."""
    release = Release.install(control_plane)
    release.kubectl("wait", "--for=condition=Established", "--timeout=30s", *CRDS)
    release.kubectl("create", "--filename=-", input=COLLECTION)
    release.helm("uninstall", "--no-hooks")
    assert release.kubectl("get", "vcol/kept", "--output=name").strip().endswith("/kept")
    assert release.kubectl("get", "deployments,services,leases,roles", "--output=name") == ""
    kinds = (
        *("clusterroles", "clusterrolebindings"),
        *("validatingadmissionpolicies", "validatingadmissionpolicybindings"),
    )
    left = release.kubectl("get", ",".join(kinds), "--output=name").split()
    assert [name for name in left if release.namespace in name] == []


def test_uninstall_lets_objects_go(control_plane: ControlPlane) -> None:
    """Helm runs the Job of the chart first, which has the rights that it needs. What is left can be
    deleted without an operator.
    """
    release = Release.install(control_plane)
    release.kubectl("wait", "--for=condition=Established", "--timeout=30s", *CRDS)
    held = COLLECTION.replace("name: kept", "name: held, finalizers: [quiver.dev/collection]")
    release.kubectl("create", "--filename=-", input=held)
    with ThreadPoolExecutor(1) as pool:
        uninstalled = pool.submit(release.helm, "uninstall", "--timeout=120s")
        said = run_job(release, "quiver-uninstall")
        uninstalled.result()
    assert f"Deployment {release.namespace}/quiver is scaled to 0." in said
    assert f"VectorCollection {release.namespace}/held is released" in said
    release.kubectl("delete", "vcol/held", "--timeout=10s")
    left = release.kubectl("get", "jobs,roles,rolebindings,deployments", "--output=name")
    assert left == ""


def run_job(release: Release, name: str) -> str:
    """Do what the Job's pod would do, where there is no node; return what it prints."""
    picked = f"--selector=batch.kubernetes.io/job-name={name}"

    def pods() -> list[Any]:
        found = yaml.safe_load(release.kubectl("get", "pods", picked, "--output=yaml"))
        return list(found["items"])

    wait_until(lambda: bool(pods()), "the Job has its pod", DEADLINE_S)
    [pod] = pods()
    account = pod["spec"]["serviceAccountName"]
    kubeconfig = release.control_plane.service_account_kubeconfig(release.namespace, account)
    arguments = pod["spec"]["containers"][0]["args"]
    environment = {"KUBECONFIG": str(kubeconfig)}
    command = importlib.import_module("quiver.cli").main
    result = CliRunner().invoke(command, arguments, env=environment)
    assert result.exit_code == 0, result.output
    ended = '{"status": {"phase": "Succeeded"}}'
    how = ("--subresource=status", "--type=merge", f"--patch={ended}")
    release.kubectl("patch", f"pod/{pod['metadata']['name']}", *how)
    return str(result.output)
