"""Kubeconfig files that carry everything inside, so that they can be moved and handed on."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml

from localcluster.certificates import KeyPair, write_private


def write_kubeconfig(
    path: Path, server: str, authority: bytes, credentials: KeyPair | str, namespace: str = ""
) -> Path:
    """Write a kubeconfig for a client certificate (KeyPair) or a bearer token (str)."""
    context: dict[str, str] = {"cluster": "localcluster", "user": "user"}
    if namespace:
        context["namespace"] = namespace
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "localcluster",
        "clusters": [
            {
                "name": "localcluster",
                "cluster": {"server": server, "certificate-authority-data": _base64(authority)},
            }
        ],
        "users": [{"name": "user", "user": _user(credentials)}],
        "contexts": [{"name": "localcluster", "context": context}],
    }
    write_private(path, yaml.safe_dump(document, sort_keys=False).encode())
    return path


def _user(credentials: KeyPair | str) -> dict[str, Any]:
    if isinstance(credentials, str):
        return {"token": credentials}
    return {
        "client-certificate-data": _base64(credentials.certificate),
        "client-key-data": _base64(credentials.key),
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
