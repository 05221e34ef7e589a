"""How often the operator writes, counted by the API server's own audit log."""

import json
from collections import Counter
from collections.abc import Iterator

from localcluster import ControlPlane
from support.namespaces import Namespace
from support.operators import all_reconciled, running
from support.waiting import eventually

OPERATOR = "system:serviceaccount:quiver-system:quiver"
WRITES = {"create", "update", "patch", "delete", "deletecollection"}


def writes(control_plane: ControlPlane, namespace: str) -> Counter[tuple[str, str]]:
    """Count the operator's writes to a namespace, by verb and resource; events apart."""
    return Counter(_entries(control_plane, namespace))


def _entries(control_plane: ControlPlane, namespace: str) -> Iterator[tuple[str, str]]:
    assert control_plane.audit_log is not None
    for line in control_plane.audit_log.read_text().splitlines():
        entry = json.loads(line)
        target = entry.get("objectRef", {})
        mine = (entry["user"]["username"], target.get("namespace")) == (OPERATOR, namespace)
        if mine and entry["verb"] in WRITES and target["resource"] != "events":
            resource = "/".join(filter(None, (target["resource"], target.get("subresource"))))
            yield entry["verb"], resource


async def wait_for_marker(world: Namespace, control_plane: ControlPlane, marker: str) -> None:
    """Make a mark in the audit log and wait until it is there: so are all requests before it."""
    assert control_plane.audit_log is not None
    log = control_plane.audit_log
    await world.find(marker)

    async def is_there() -> bool:
        return marker in log.read_text()

    await eventually(is_there, "the audit log is written")


async def test_a_collection_costs_two_writes_to_make_and_one_to_delete(
    world: Namespace, quiver_api: ControlPlane
) -> None:
    """Claim and finalizer are one PATCH, the status is the other; taking the finalizer is one."""
    async with running(world.operator_api, world.engines):
        await world.settled_engine()
        await world.create_collection("docs", partitions=["a", "b"])
        await world.ready("docs")
        await wait_for_marker(world, quiver_api, "marker-one")
        made = writes(quiver_api, world.namespace)
        await world.delete("docs")
        await world.gone("docs")
        await wait_for_marker(world, quiver_api, "marker-two")
    deleted = writes(quiver_api, world.namespace) - made
    del made["patch", "vectorengines/status"]
    assert made == {("patch", "vectorcollections"): 1, ("patch", "vectorcollections/status"): 1}
    assert deleted == {("patch", "vectorcollections"): 1}


async def test_a_restart_writes_nothing(world: Namespace, quiver_api: ControlPlane) -> None:
    """A second operator finds all as it should be, goes through all of it, and writes nothing."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", partitions=["a"])
        await world.create_collection("more")
        await world.ready("docs", "more")
        await world.settled_engine()
    await wait_for_marker(world, quiver_api, "marker-one")
    before = writes(quiver_api, world.namespace)
    async with running(world.operator_api, world.engines) as restarted:
        await all_reconciled(restarted, 3)
    await wait_for_marker(world, quiver_api, "marker-two")
    assert writes(quiver_api, world.namespace) == before
