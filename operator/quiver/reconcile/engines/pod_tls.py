"""TLS in an engine's pods: a volume of its Secrets, and the options that name their files."""

from quiver.domain.engines import Tls
from quiver.domain.kubernetes_types import Manifest

PATH = "/tls"
_CLIENT_CA = "client-ca.crt"
_READ_ONLY = 0o440
"""Readable by the pod's group, in which the engine runs."""


def tls_volume(tls: Tls) -> Manifest:
    """Return one volume for all Secrets, so that the kubelet updates their files together."""
    sources = [_source(tls.secret_name, {"tls.crt": "tls.crt", "tls.key": "tls.key"})]
    if tls.client_ca_secret_name is not None:
        sources.append(_source(tls.client_ca_secret_name, {"ca.crt": _CLIENT_CA}))
    return {"name": "tls", "projected": {"defaultMode": _READ_ONLY, "sources": sources}}


def tls_mount() -> Manifest:
    return {"name": "tls", "mountPath": PATH, "readOnly": True}


def tls_args(tls: Tls) -> list[str]:
    """Return the options for Quiver's engine."""
    args = [f"--tls-cert={PATH}/tls.crt", f"--tls-key={PATH}/tls.key"]
    if tls.client_ca_secret_name is not None:
        args.append(f"--tls-client-ca={PATH}/{_CLIENT_CA}")
    return args


def _source(name: str | None, paths: dict[str, str]) -> Manifest:
    items = [{"key": key, "path": path} for key, path in paths.items()]
    return {"secret": {"name": name, "items": items}}
