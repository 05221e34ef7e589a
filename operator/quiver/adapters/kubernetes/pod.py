"""The namespace and identity of the pod that this process runs in."""

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from socket import gethostname

from quiver.adapters.kubernetes.connection import NoCluster

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def own_namespace(environment: Mapping[str, str] = os.environ) -> str:
    """Return the operator's own namespace. Raises: NoCluster if it is unknown."""
    named = environment.get("POD_NAMESPACE")
    if named:
        return named
    try:
        return NAMESPACE_FILE.read_text().strip()
    except OSError as error:
        raise NoCluster(
            "the Secret that claims are signed with, and the Lease that elects a leader, are in the"
            " operator's own namespace: name that with the environment variable POD_NAMESPACE"
        ) from error


def own_service_account(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return NAMESPACE:NAME of the service account that the pod says it runs as, if it says so."""
    namespace, name = (environment.get(f"POD_{part}") for part in ("NAMESPACE", "SERVICE_ACCOUNT"))
    return f"{namespace}:{name}" if namespace and name else None


def own_identity(environment: Mapping[str, str] = os.environ) -> str:
    """Return the pod's name and a random suffix, which differs from the previous process's."""
    return f"{environment.get('POD_NAME') or gethostname()}_{uuid.uuid4().hex[:8]}"
