"""`quiver check`: of a sound installation, and of one that is broken in one place at a time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import ControlPlane
from machine.engine_process import EngineProcess
from machine.operator_process import OperatorProcess
from quiver.commands.check_operator import POLICIES
from quiver.control.leader.election import LEASE_NAME
from quiver.domain.kubernetes_types import VECTOR_ENGINE
from support.installation import INSTALL, SYSTEM
from support.namespaces import Namespace
from support.quiver_command import Ran, on_terminal, quiver
from support.release import leads
from support.tenants import Tenant
from support.waiting import eventually, wait_until

DEPLOYMENT = next(m for m in yaml.safe_load_all(INSTALL.read_text()) if m["kind"] == "Deployment")
CRD = "vectorcollections.quiver.dev"
POLICY = "validatingadmissionpolicy"
IN_SYSTEM = f"--namespace={SYSTEM}"
OWN = "app.kubernetes.io/name=quiver"


@pytest.fixture
def deployed(quiver_api: ControlPlane) -> Iterator[None]:
    """The operator's Deployment, whose pod is said to be ready although no node runs it."""
    quiver_api.kubectl("apply", "--filename=-", input=json.dumps(DEPLOYMENT))

    def is_ready() -> bool:
        pods = quiver_api.kubectl("get", "pods", IN_SYSTEM, f"-l{OWN}", "--output=name").split()
        condition = {"type": "Ready", "status": "True"}
        patch = json.dumps({"status": {"phase": "Running", "conditions": [condition]}})
        for pod in pods:
            how = ("--subresource=status", "--type=merge", f"--patch={patch}")
            quiver_api.kubectl("patch", pod, IN_SYSTEM, *how)
        path = "jsonpath={.status.readyReplicas}"
        return quiver_api.kubectl("get", "deployment/quiver", IN_SYSTEM, f"-o={path}") == "1"

    wait_until(is_ready, "the Deployment is ready", every_s=0.5)
    yield
    quiver_api.kubectl("delete", "deployment/quiver", IN_SYSTEM, "--cascade=foreground")


@pytest.fixture
async def leading(operator_kubeconfig: Path, deployed: None, tmp_path: Path) -> Any:
    """An operator that leads, as a process with the rights of the chart."""
    options = ("--leader-elect", "--allow-engine-cidr=127.0.0.0/8")
    place = {"POD_NAMESPACE": SYSTEM, "POD_NAME": "quiver-0"}
    log = tmp_path / "operator.log"
    with OperatorProcess(operator_kubeconfig, log, *options, environment=place) as operator:
        await leads(operator)
        yield operator


@pytest.fixture
async def sound(world: Namespace, leading: OperatorProcess) -> Namespace:
    """A namespace whose engine is Ready."""
    await world.settled_engine()
    return world


async def check(kubeconfig: Path, *arguments: str) -> Ran:
    ran = await quiver(kubeconfig, "check", *arguments)
    assert ran.errors == ""
    return ran


def levels(ran: Ran) -> dict[str, str]:
    """Return the lines that are not ok, by what they are about."""
    lines = [line for line in ran.output.splitlines() if not line.startswith(" ")]
    found = [line.partition(": ")[0].split(maxsplit=1) for line in lines]
    return {what: level for level, what in found if level != "ok"}


def line(ran: Ran, what: str) -> str:
    return next(line for line in ran.output.splitlines() if f"  {what}" in line)


async def test_a_sound_installation(sound: Namespace, quiver_api: ControlPlane) -> None:
    ran = await check(quiver_api.kubeconfig, "-n", sound.namespace)
    assert levels(ran) == {}
    assert ran.code == 0
    assert f"{sound.address}: it answers, version 1." in line(ran, "engine ")
    assert "1 of 1 pods ready, version 0.1.0" in line(ran, "operator ")
    assert "quiver-0, which renewed its Lease" in line(ran, "leader in")
    assert f"all {len(POLICIES)} are there and bound" in line(ran, "policies of")
    seen = await on_terminal(quiver_api.kubeconfig, "check", "-n", sound.namespace)
    assert seen.code == 0
    told = await quiver(quiver_api.kubeconfig, "check", "-n", sound.namespace, "-o", "json")
    assert {each["level"] for each in json.loads(told.output)} == {"ok"}


@contextmanager
def without(plane: ControlPlane, *name: str) -> Iterator[None]:
    """Take an object away, and put it back."""
    kept = json.loads(plane.kubectl("get", *name, "--output=json"))
    plane.kubectl("delete", *name)
    yield
    wanted = ("name", "namespace", "labels")
    kept["metadata"] = {k: v for k, v in kept["metadata"].items() if k in wanted}
    kept.pop("status", None)
    plane.kubectl("create", "--filename=-", input=json.dumps(kept))


@pytest.mark.parametrize(
    ("kind", "words"),
    [(POLICY, "is missing"), (f"{POLICY}binding", "has no binding that says Deny")],
)
async def test_a_policy_that_is_gone_is_a_warning(
    sound: Namespace, quiver_api: ControlPlane, kind: str, words: str
) -> None:
    with without(quiver_api, kind, f"{SYSTEM}.quiver-segment-fits"):
        ran = await check(quiver_api.kubeconfig, "-n", sound.namespace)
    assert levels(ran) == {f"policies of {SYSTEM}": "warning"}
    assert f"segment-fits {words}" in ran.output
    assert ran.code == 2


@contextmanager
def crd_without(plane: ControlPlane, field: str) -> Iterator[None]:
    """Take a field out of the spec that the CRD knows, and put it back."""
    manifest = json.loads(plane.kubectl("get", "crd", CRD, "--output=json"))
    del manifest["metadata"]["resourceVersion"]
    whole = json.dumps(manifest)
    version = manifest["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    del schema["properties"]["spec"]["properties"][field]
    schema["properties"]["spec"].pop("x-kubernetes-validations", None)
    plane.kubectl("replace", "--filename=-", input=json.dumps(manifest))
    try:
        yield
    finally:
        plane.kubectl("replace", "--filename=-", input=whole)


async def test_a_crd_without_a_field_has_failed(
    sound: Namespace, quiver_api: ControlPlane, tenant: Tenant
) -> None:
    """For who may read CRDs, and for who sees only what the API server publishes."""
    tenants = quiver_api.service_account_kubeconfig(tenant.namespace, "tenant")
    with crd_without(quiver_api, "suspend"):
        ran = await check(quiver_api.kubeconfig, "-n", sound.namespace)

        async def is_published() -> Ran | None:
            found = await check(tenants, "-n", tenant.namespace)
            return found if levels(found).get(f"CRD {CRD}") == "failed" else None

        published: Ran = await eventually(is_published, "the schema is published")
    assert levels(ran) == {f"CRD {CRD}": "failed"}
    assert ran.code == 3
    for each in (ran, published):
        assert "lacks spec.suspend" in line(each, f"CRD {CRD}")
        assert "kubectl apply --server-side -f crds/" in each.output


async def test_a_tenant_learns_what_it_may_not_see(
    sound: Namespace, tenant: Tenant, quiver_api: ControlPlane
) -> None:
    """Who has the cluster role edit in one namespace may change collections there. The operator is
    somebody else's, which is a warning and not a failure.
    """
    tenants = quiver_api.service_account_kubeconfig(tenant.namespace, "tenant")
    own = await check(tenants, "-n", tenant.namespace)
    assert set(levels(own).values()) == {"warning"}
    assert own.code == 2
    assert line(own, "right to create, update, patch, delete vectorcollections").startswith("ok")
    assert line(own, f"CRD {CRD}").startswith("ok")
    assert "Deployment cannot be looked for" in line(own, "operator")
    other = await check(tenants, "-n", sound.namespace)
    assert other.code == 3
    assert levels(other)["engines"] == "failed"
    assert "you may not create, update, patch, delete them" in other.output


async def test_an_engine_that_is_down_has_failed(
    sound: Namespace, engine_process: EngineProcess, quiver_api: ControlPlane
) -> None:
    """As soon as the operator says so; until then it is a warning that it does not answer here."""
    engine_process.kill()
    first = await check(quiver_api.kubeconfig, "-n", sound.namespace)
    assert levels(first)[f"engine {sound.namespace}/engine"] in ("warning", "failed")
    again = {"metadata": {"annotations": {"quiver.dev/reconcile": "again"}}}
    await sound.patch("engine", again, VECTOR_ENGINE)
    await sound.settled("engine", "EngineUnreachable", VECTOR_ENGINE)
    ran = await check(quiver_api.kubeconfig, "-n", sound.namespace)
    assert levels(ran) == {f"engine {sound.namespace}/engine": "failed"}
    assert "EngineUnreachable" in line(ran, "engine ")
    assert ran.code == 3


async def test_without_a_leader_it_has_failed(
    sound: Namespace, leading: OperatorProcess, quiver_api: ControlPlane
) -> None:
    """A leader that was killed is told by its Lease, which nobody renews."""
    leading.kill()

    async def is_old() -> Ran | None:
        ran = await check(quiver_api.kubeconfig, "-n", sound.namespace)
        return ran if levels(ran) else None

    ran: Ran = await eventually(is_old, "the lease is old")
    assert levels(ran) == {f"leader in {SYSTEM}": "failed"}
    assert "quiver-0 has not renewed its Lease" in ran.output
    quiver_api.kubectl("delete", "lease", LEASE_NAME, IN_SYSTEM)
    ran = await check(quiver_api.kubeconfig, "-n", sound.namespace)
    assert f"there is no Lease {LEASE_NAME}" in line(ran, "leader in")


async def test_without_an_operator_it_has_failed(namespace: str, quiver_api: ControlPlane) -> None:
    ran = await check(quiver_api.kubeconfig, "-n", namespace)
    assert levels(ran)["operator"] == "failed"
    assert "docs/install.md" in ran.output
    assert ran.code == 3


async def test_without_an_api_server_nothing_is_checked(tmp_path: Path) -> None:
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "c"}}
    users = [{"name": "c", "user": {}}]
    config = {"clusters": [cluster], "contexts": [context], "users": users, "current-context": "c"}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **config}))
    ran = await quiver(kubeconfig, "check")
    assert (ran.code, ran.output) == (1, "")
    assert "the API server cannot be reached" in ran.errors


def test_the_policies_are_those_of_the_chart() -> None:
    bindings = {
        m["spec"]["policyName"].partition(".quiver-")[2]: m["spec"]["validationActions"]
        for m in yaml.safe_load_all(INSTALL.read_text())
        if m["kind"] == "ValidatingAdmissionPolicyBinding"
    }
    assert bindings == {ending: [action] for ending, action in POLICIES.items()}
