"""`quiver status`, as whoever is on call runs it, beside a real API server, operator and engine."""

import json
from pathlib import Path
from typing import Any

import pytest

from localcluster import ControlPlane
from quiver.adapters.drivers import Drivers
from quiver.domain.kubernetes_types import EVENT, VECTOR_COLLECTION, VECTOR_ENGINE, Key, Manifest
from support.admin_api import AdminApi
from support.namespaces import Namespace
from support.operators import running
from support.quiver_command import on_terminal, quiver
from support.standin_node import StandinNode
from support.tenants import Tenant

HOSTILE = (
    "[red]bold[/red] \x1b]0;owned\x07\x1b[2J\u202ereversed\u009b31m :smile:\r\nengine x: ready"
)


@pytest.fixture
def kubeconfig(quiver_api: ControlPlane) -> Path:
    return quiver_api.kubeconfig


async def in_status(world: Namespace, kubeconfig: Path, *more: str) -> Any:
    ran = await quiver(kubeconfig, "status", "-n", world.namespace, "-o", "json", *more)
    assert ran.errors == ""
    return ran.code, json.loads(ran.output)


async def test_all_is_ready(world: Namespace, engines: Drivers, kubeconfig: Path) -> None:
    """Engine, collection and where it is; exit code 0."""
    async with running(world.operator_api, engines):
        await world.create_collection(
            "items", index={"type": "HNSW", "params": {"M": 16, "efConstruction": 100}}
        )
        await world.ready("items")
        ran = await quiver(kubeconfig, "status", "-n", world.namespace)
        code, told = await in_status(world, kubeconfig)
    assert (ran.code, code, ran.errors) == (0, 0, "")
    lines = ran.output.splitlines()
    assert lines[0] == f"✓ engine {world.namespace}/engine: ready"
    assert f"at {world.address}" in lines[1]
    assert f"  ✓ collection {world.namespace}/items: ready" in lines
    assert any(line.strip().startswith(f"on {world.address}") for line in lines)
    assert any("event" in line and "Created" in line for line in lines)
    assert told["engines"][0]["collections"][0]["on"] == world.address
    assert told["unread"] == {}


async def test_what_is_wrong_is_said_with_its_cure(
    world: Namespace, engines: Drivers, kubeconfig: Path
) -> None:
    """Exit code 2, the condition's message, and where its reason is explained."""
    async with running(world.operator_api, engines):
        await world.create(VECTOR_COLLECTION, "lost", {"engineRef": {"name": "x"}, "dimension": 8})
        await world.settled("lost", "EngineNotFound")
        ran = await quiver(kubeconfig, "status", "vcol/lost", "-n", world.namespace)
        one = await quiver(kubeconfig, "status", "veng/engine", "-n", world.namespace)
    assert ran.code == 2
    assert "Reconciling, EngineNotFound: " in ran.output
    assert "meaning and cure: EngineNotFound in docs/conditions.md" in ran.output
    assert f"? engine {world.namespace}/x: not there" in ran.output
    assert one.code == 0, "that engine has nothing to do with it"
    assert "lost" not in one.output


async def test_pods_are_shown_with_their_node(
    managed: Namespace, node: StandinNode, kubeconfig: Path
) -> None:
    spec = {"nodeSelector": node.selector, "gpu": {}, "resources": {"limits": {"memory": "2Gi"}}}
    async with running(managed.operator_api, managed.engines):
        await managed.create(VECTOR_ENGINE, "engine", spec)
        await managed.settled("engine", "GPUUnused", VECTOR_ENGINE)
        ran = await quiver(kubeconfig, "status", "-n", managed.namespace)
    assert "1 of 1 pods are ready, 1 nvidia.com/gpu" in ran.output
    expected = f"✓ pod engine-0: ready, on node {node.name}, restarts 0, GPUs 1, memory limit 2048"
    assert expected in ran.output
    assert (
        "ready, GPUUnused: 1 of 1 pod ready. Pods that have GPUs compute on the CPU" in ran.output
    )
    assert ran.code == 0, "it serves"


async def test_hostile_texts_stay_texts(world: Namespace, api: AdminApi, kubeconfig: Path) -> None:
    """Whatever a status or an Event holds, no escape, no markup and no line of its own comes of
    it, neither on a terminal nor in a pipe.
    """
    made = await world.create_collection("items")
    await make_hostile(api, made)
    arguments = ("status", "-n", world.namespace)
    terminal = await on_terminal(kubeconfig, *arguments)
    pipe = await quiver(kubeconfig, *arguments)
    assert (terminal.code, pipe.code) == (2, 2)
    for output in (terminal.output, pipe.output):
        assert output.count("[red]bold[/red]") == 2, "of the condition, and of the Event"
        assert ":smile:" in output
        for sign in ("\x1b]", "\x07", "\x1b[2J", "\u202e", "\u009b"):
            assert sign not in output
        assert not any(line.startswith("engine x") for line in output.splitlines())
    assert "\x1b" not in pipe.output
    assert "\x1b[" in terminal.output, "it is a terminal, so there are colours"


async def make_hostile(api: AdminApi, made: Manifest) -> None:
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": "Pending",
        "message": HOSTILE,
        "lastTransitionTime": "2024-05-01T10:00:00Z",
    }
    key = Key.of(made)
    patch = {"status": {"conditions": [condition]}}
    await api.patch(VECTOR_COLLECTION, key, patch, subresource="status")
    regarding = {"kind": "VectorCollection", "namespace": key.namespace, "name": key.name}
    event = {
        "metadata": {"name": "hostile", "namespace": key.namespace},
        "regarding": {**regarding, "apiVersion": "quiver.dev/v1alpha1"},
        "eventTime": "2024-05-01T10:00:00.000000Z",
        "type": "Warning",
        "reason": "x",
        "action": "y",
        "note": HOSTILE,
        "reportingController": "tenant",
        "reportingInstance": "tenant",
    }
    await api.create(EVENT, event)


async def test_what_may_not_be_read_is_said(
    world: Namespace, tenant: Tenant, quiver_api: ControlPlane
) -> None:
    """Who may read collections alone sees these, and a line for each thing that is left out."""
    await tenant.at(world).create_collection("items")
    await tenant.with_engine(world, "127.0.0.1:9")
    rules = ("--verb=get,list", "--resource=vectorcollections,vectorengines")
    inside = f"--namespace={tenant.namespace}"
    quiver_api.kubectl("create", "role", "reader", *rules, inside)
    quiver_api.kubectl("create", "rolebinding", "r", "--role=reader", "--user=reader", inside)
    reader = quiver_api.kubeconfig_for("reader")
    ran = await quiver(reader, "status", "-n", tenant.namespace)
    assert ran.code == 2
    assert f"collection {tenant.namespace}/items: Pending" in ran.output
    assert f"? engine {world.namespace}/engine: not allowed: " in ran.output
    assert "  pods: not allowed to list" in ran.output.splitlines()
    unread = ran.output.partition("could not be read:")[2]
    assert "pods in namespace" in unread
    assert "events in namespace" in unread


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["items"], "write vcol/NAME"),
        (["pod/items"], "write vcol/NAME"),
        (["vcol/none", "-n", "default"], "there is no VectorCollection none in namespace default"),
        (["vcol/none", "-A"], "leave -A out"),
        (["--watch"], "--watch is for a terminal"),
    ],
)
async def test_a_clear_line_says_what_is_not_possible(
    kubeconfig: Path, arguments: list[str], words: str
) -> None:
    ran = await quiver(kubeconfig, "status", *arguments)
    assert (ran.code, ran.output) == (1, "")
    assert words in ran.errors
    assert len(ran.errors.splitlines()) == 1


async def test_without_rights_a_line_says_so(quiver_api: ControlPlane) -> None:
    ran = await quiver(quiver_api.kubeconfig_for("nobody-at-all"), "status", "-A")
    assert (ran.code, ran.output) == (1, "")
    assert "not allowed" in ran.errors
    assert "Name a namespace" in ran.errors


async def test_without_a_cluster_a_line_says_so(tmp_path: Path) -> None:
    ran = await quiver(tmp_path / "none", "status")
    assert (ran.code, ran.output) == (1, "")
    assert ran.errors == (
        f"Error: no Kubernetes cluster: there is no kubeconfig file {tmp_path / 'none'}: name one "
        "with --kubeconfig, or in KUBECONFIG\n"
    )


async def test_an_empty_namespace_is_said_to_be_empty(namespace: str, kubeconfig: Path) -> None:
    ran = await quiver(kubeconfig, "status", "-n", namespace)
    assert ran.output == f"No VectorEngines and no VectorCollections in namespace {namespace}.\n"
    assert ran.code == 0


async def test_it_is_watched_until_ctrl_c(world: Namespace, kubeconfig: Path) -> None:
    await world.create_collection("items")
    arguments = ("status", "--watch", "-n", world.namespace)
    ran = await on_terminal(kubeconfig, *arguments, until="items: Pending", keys="\x03")
    assert ran.code == 0
    assert "Traceback" not in ran.output
