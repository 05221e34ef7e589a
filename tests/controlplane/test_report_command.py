"""`quiver report`: what is in the file, and what is never in it."""

import base64
import json
import os
import stat
import tarfile
from pathlib import Path

import pytest
import yaml

from localcluster import ControlPlane
from quiver.domain.kubernetes_types import (
    EVENT,
    POD,
    SECRET,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Manifest,
)
from support.admin_api import AdminApi
from support.audit import wait_for_marker
from support.installation import SYSTEM
from support.namespaces import Namespace
from support.operators import running
from support.quiver_command import on_terminal, quiver
from support.standin_node import StandinNode
from support.tenants import Tenant

PLANTED = "hunter2-of-team-a"


def contents(file: Path) -> dict[str, str]:
    """Return the files of a bundle, without its folder."""
    found = {}
    with tarfile.open(file) as archive:
        for member in archive.getmembers():
            opened = archive.extractfile(member)
            assert opened is not None
            found[member.name.partition("/")[2]] = opened.read().decode()
    return found


async def plant(api: AdminApi, namespace: str) -> None:
    """Put a Secret's value wherever a bundle could reach it."""
    login: Manifest = {
        "metadata": {"name": "login", "namespace": namespace},
        "type": "quiver.dev/engine-auth",
        "stringData": {"username": "quiver", "password": PLANTED},
    }
    await api.create(SECRET, login)
    source = {"secretKeyRef": {"name": "login", "key": "password"}}
    env = [{"name": "PASSWORD", "value": PLANTED}, {"name": "FROM", "valueFrom": source}]
    container = {"name": "x", "image": "x", "env": env, "args": [f"--token={PLANTED}", "--x=1"]}
    applied = json.dumps({"spec": {"containers": [container]}})
    spec = {"containers": [container]}
    for place, labels in (
        (namespace, {"app.kubernetes.io/managed-by": "quiver"}),
        (SYSTEM, {"app.kubernetes.io/name": "quiver"}),
    ):
        metadata = {
            "name": f"planted-{namespace}",
            "namespace": place,
            "labels": labels,
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied},
        }
        await api.create(POD, {"metadata": metadata, "spec": spec})


async def tell(api: AdminApi, namespace: str) -> None:
    """Have an Event about a collection quote the Secret."""
    event = {
        "metadata": {"name": "planted", "namespace": namespace},
        "regarding": {"kind": "VectorCollection", "namespace": namespace, "name": "items"},
        "eventTime": "2024-05-01T10:00:00.000000Z",
        "type": "Warning",
        "reason": "x",
        "action": "y",
        "note": f"cannot log in to http://quiver:{PLANTED}@milvus, password: {PLANTED}",
        "reportingController": "tenant",
        "reportingInstance": "tenant",
    }
    await api.create(EVENT, event)


async def test_no_secret_is_in_it(
    world: Namespace, api: AdminApi, quiver_api: ControlPlane, tmp_path: Path
) -> None:
    """Neither a Secret, nor what pods, annotations, arguments and Events say of it."""
    await plant(api, world.namespace)
    login = {"external": {"endpoints": ["milvus.example:19530"]}, "auth": {"secretName": "login"}}
    await world.create(VECTOR_ENGINE, "milvus", {"type": "Milvus", **login})
    await world.create_collection("items")
    await tell(api, world.namespace)
    file = tmp_path / "report.tar.gz"
    arguments = ("report", "-n", world.namespace, "-o", str(file), "--lines=10")
    user = f"reporter-{world.namespace}"
    ran = await quiver(quiver_api.kubeconfig_for(user, ["system:masters"]), *arguments)
    await api.delete(POD, Key(SYSTEM, f"planted-{world.namespace}"))
    assert (ran.code, ran.errors) == (2, ""), "the pods have no logs"
    found = contents(file)
    whole = "\n".join(found.values())
    assert PLANTED not in whole
    assert base64.b64encode(PLANTED.encode()).decode() not in whole
    assert "kind: Secret\n" not in whole
    pods = found[f"namespaces/{world.namespace}/pods.yaml"]
    assert "value: REDACTED" in pods
    assert "secretKeyRef:" in pods, "a reference is no secret"
    assert "--x=1" in pods
    assert "secretName: login" in found[f"namespaces/{world.namespace}/vectorengines.yaml"]
    assert (
        "cannot log in" in found[f"namespaces/{world.namespace}/events-of-vectorcollections.yaml"]
    )
    assert f"namespaces/{SYSTEM}/pods.yaml" in found
    assert "its Secrets are not read for this" in found["check.txt"]
    assert "SecretNotFound: REDACTED" not in whole, "a reason is no secret"
    await wait_for_marker(world, quiver_api, f"marker-{world.namespace}")
    asked = requests_of(quiver_api, user)
    assert "secrets" not in {resource for _, resource in asked}
    reading = {verb for verb, resource in asked if resource != "selfsubjectaccessreviews"}
    assert reading <= {"get", "list"}


def requests_of(plane: ControlPlane, user: str) -> set[tuple[str, str]]:
    """Return verb and resource of each request of a user, by the audit log."""
    assert plane.audit_log is not None
    entries = map(json.loads, plane.audit_log.read_text().splitlines())
    mine = (entry for entry in entries if entry["user"]["username"] == user)
    return {(entry["verb"], entry.get("objectRef", {}).get("resource", "")) for entry in mine}


async def test_what_is_in_it(
    managed: Namespace, node: StandinNode, quiver_api: ControlPlane, tmp_path: Path
) -> None:
    """All that the objects became, nodes, CRDs, policies, versions, and what is not there."""
    async with running(managed.operator_api, managed.engines):
        await managed.create(VECTOR_ENGINE, "engine", {"nodeSelector": node.selector})
        await managed.settled_engine()
        await managed.create_collection("items")
        await managed.ready("items")
        file = tmp_path / "report.tar.gz"
        ran = await quiver(
            quiver_api.kubeconfig, "report", "-n", managed.namespace, "-o", str(file)
        )
    assert (ran.code, ran.errors) == (2, "")
    assert ran.output.startswith(f"{file}: ")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = contents(file)
    here = f"namespaces/{managed.namespace}"
    for kind in ("vectorcollections", "vectorengines", "statefulsets", "services", "pods"):
        for manifest in yaml.safe_load_all(found[f"{here}/{kind}.yaml"]):
            assert manifest["metadata"]["namespace"] == managed.namespace
            assert manifest["kind"].lower() + "s" == kind
    (items,) = yaml.safe_load_all(found[f"{here}/vectorcollections.yaml"])
    assert items["status"]["placement"]["pod"] == "engine-0"
    assert f"{here}/events-of-vectorcollections.yaml" in found
    nodes = list(yaml.safe_load_all(found["cluster/nodes.yaml"]))
    gpus = {each["metadata"]["name"]: each["status"]["allocatable"] for each in nodes}
    assert gpus[node.name]["nvidia.com/gpu"] == "2"
    assert "gitVersion" in found["versions.json"]
    assert "cluster/validatingadmissionpolicies.yaml" in found
    assert "cluster/crd-vectorcollections.yaml" in found
    assert "CRD vectorcollections.quiver.dev: served" in found["check.txt"]
    summary = found["summary.txt"]
    assert "This report is PARTIAL" in summary
    assert f"- {here}/logs/engine-0/" in summary, "that node has no kubelet"
    assert f"- {here}/metrics/engine-0.txt: not reached" in summary


async def test_who_may_read_little_gets_that(
    tenant: Tenant, world: Namespace, quiver_api: ControlPlane, tmp_path: Path
) -> None:
    """What is not allowed is in the summary; the file says that it is partial."""
    await tenant.at(world).create_collection("items")
    kubeconfig = quiver_api.service_account_kubeconfig(tenant.namespace, "tenant")
    file = tmp_path / "report.tar.gz"
    ran = await on_terminal(kubeconfig, "report", "-n", tenant.namespace, "-o", str(file))
    assert ran.code == 2
    assert "summary.txt in it says why" in ran.output
    found = contents(file)
    (items,) = yaml.safe_load_all(found[f"namespaces/{tenant.namespace}/vectorcollections.yaml"])
    assert items["kind"] == VECTOR_COLLECTION.kind
    assert "- nodes in all namespaces: not allowed to list" in found["summary.txt"]
    assert "- Lease quiver-system/quiver-operator: not allowed" in found["summary.txt"]


@pytest.mark.parametrize("is_there", [True, False])
async def test_no_file_is_half_written(
    quiver_api: ControlPlane, tmp_path: Path, is_there: bool
) -> None:
    """Neither over a file that is there, nor for somebody whom the API server does not let in."""
    file = tmp_path / "report.tar.gz"
    kubeconfig = quiver_api.kubeconfig
    if is_there:
        file.write_text("mine")
    else:
        kubeconfig = tmp_path / "kubeconfig"
        text = quiver_api.kubeconfig.read_text()
        kubeconfig.write_text(text.replace(quiver_api.server, "https://127.0.0.1:9"))
    ran = await quiver(kubeconfig, "report", "-o", str(file))
    assert (ran.code, ran.output) == (1, "")
    assert len(ran.errors.splitlines()) == 1
    left = set(os.listdir(tmp_path)) - {"kubeconfig"}  # noqa: PTH208 - beside a loop
    assert left == ({"report.tar.gz"} if is_there else set())
    if is_there:
        assert ran.errors == f"Error: {file} cannot be written: {file} exists already\n"
