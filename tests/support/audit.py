"""What the operator of the tests wrote, by the API server's own audit log."""

import json
from collections import Counter
from collections.abc import Iterator

from localcluster import ControlPlane
from support.namespaces import Namespace
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


def requests_by(control_plane: ControlPlane, user: str) -> list[tuple[str, bool]]:
    """Return verb, and whether it is a dry run, of each of the user's requests."""
    assert control_plane.audit_log is not None
    lines = control_plane.audit_log.read_text().splitlines()
    own = [entry for entry in map(json.loads, lines) if entry["user"]["username"] == user]
    return [(entry["verb"], "dryRun=All" in entry["requestURI"]) for entry in own]


async def wait_for_marker(world: Namespace, control_plane: ControlPlane, marker: str) -> None:
    """Make a mark in the audit log and wait until it is there: so are all requests before it."""
    assert control_plane.audit_log is not None
    log = control_plane.audit_log
    await world.find(marker)

    async def is_there() -> bool:
        return marker in log.read_text()

    await eventually(is_there, "the audit log is written")
