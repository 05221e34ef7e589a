"""Quiver as `manifests/install.yaml` installs it, but for its Deployment."""

from pathlib import Path

import yaml

from localcluster import ControlPlane

INSTALL = Path(__file__).parents[2] / "manifests" / "install.yaml"
SYSTEM = "quiver-system"
USES_SECRETS = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "quiver-secrets"},
    "roleRef": {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": f"{SYSTEM}:quiver-secrets",
    },
    "subjects": [{"kind": "ServiceAccount", "name": "quiver", "namespace": SYSTEM}],
}
"""Lets the operator use all Secrets, since tests make namespaces as they go."""


def install(control_plane: ControlPlane) -> Path:
    """Install all but the Deployment, since tests run operators of their own.

    Returns the kubeconfig of the operator's service account, with the rights that it has there.
    """
    installed = [m for m in yaml.safe_load_all(INSTALL.read_text()) if m["kind"] != "Deployment"]
    installed.append(USES_SECRETS)
    control_plane.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(installed))
    control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
    return control_plane.service_account_kubeconfig(SYSTEM, "quiver")
