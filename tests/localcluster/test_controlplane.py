"""The control plane without a node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localcluster import ControlPlane
from localcluster.errors import CommandError


def test_two_control_planes_stand_side_by_side(control_plane: ControlPlane, tmp_path: Path) -> None:
    """A second control plane has its own address and does not see the first one's objects."""
    control_plane.kubectl("create", "configmap", "only-in-the-first")
    with ControlPlane(tmp_path / "second") as second:
        assert second.server != control_plane.server
        assert "only-in-the-first" not in second.kubectl("get", "configmaps")


def test_objects_survive_a_restart_of_the_api_server(
    control_plane: ControlPlane, namespace: str
) -> None:
    """After a restart the API server answers at the same address, with the same data."""
    control_plane.kubectl("create", "configmap", "kept", "-n", namespace)
    server = control_plane.server
    control_plane.restart_apiserver()
    assert control_plane.server == server
    assert "kept" in control_plane.kubectl("get", "configmaps", "-n", namespace)


def test_rbac_decides_what_a_user_may_do(control_plane: ControlPlane, namespace: str) -> None:
    """A user's certificate carries its name and groups, and RBAC refuses what nobody granted."""
    control_plane.kubectl(
        *("create", "rolebinding", "readers", "-n", namespace),
        *("--clusterrole=view", "--group=readers"),
    )
    reader = str(control_plane.kubeconfig_for("alice", ["readers"]))
    control_plane.kubectl("--kubeconfig", reader, "get", "configmaps", "-n", namespace)
    with pytest.raises(CommandError, match='User "alice" cannot create'):
        control_plane.kubectl(
            "--kubeconfig", reader, "create", "configmap", "refused", "-n", namespace
        )


def test_a_service_account_is_known_by_its_token(
    control_plane: ControlPlane, namespace: str
) -> None:
    """A service account's kubeconfig makes its bearer that service account."""
    control_plane.kubectl("create", "serviceaccount", "robot", "-n", namespace)
    kubeconfig = control_plane.service_account_kubeconfig(namespace, "robot")
    who = control_plane.kubectl("--kubeconfig", str(kubeconfig), "auth", "whoami")
    assert f"system:serviceaccount:{namespace}:robot" in who


def test_audit_log_has_one_line_per_request(control_plane: ControlPlane, namespace: str) -> None:
    """A write stands in the audit log exactly once, with its user and verb."""
    assert control_plane.audit_log is not None
    control_plane.kubectl("create", "configmap", "counted", "-n", namespace)
    events = [json.loads(line) for line in control_plane.audit_log.read_text().splitlines()]
    writes = [
        event
        for event in events
        if event["verb"] == "create"
        and event["objectRef"]["resource"] == "configmaps"
        and event["objectRef"].get("namespace") == namespace
        and event["user"]["username"] == "admin"
    ]
    assert len(writes) == 1


def test_helm_installs_into_the_cluster(control_plane: ControlPlane) -> None:
    """Helm is there, in version 4, and talks to this cluster."""
    assert control_plane.helm("version", "--short").startswith("v4.")
    assert "NAME" in control_plane.helm("list", "-A")
