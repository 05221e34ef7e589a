"""Checks of the API server: its version, and the kinds that Quiver brings."""

import re
from typing import Any

import msgspec

from quiver import __version__
from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.adapters.kubernetes.pages import OBJECT_BYTES
from quiver.commands.findings import Finding, failed, ok, warning
from quiver.domain.collections import VectorCollection
from quiver.domain.crd_fields import lacking, unknown
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import (
    API_VERSION,
    CRD,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    VERSION,
    Key,
    Kind,
    Manifest,
)
from quiver.domain.text import one_line
from quiver.ports.errors import ApiRefused, NotFound

OLDEST = (1, 30)
"""The first Kubernetes with ValidatingAdmissionPolicies (charts/quiver/Chart.yaml)."""
SHOWN = 5
"""Fields that one line names."""
_STRUCTS: tuple[tuple[Kind, type[msgspec.Struct]], ...] = (
    (VECTOR_COLLECTION, VectorCollection),
    (VECTOR_ENGINE, VectorEngine),
)
_APPLY = "apply those of this version: in a clone of Quiver, `kubectl apply --server-side -f crds/`"


class _Version(msgspec.Struct, rename="camel"):
    git_version: str


async def check_server(api: KubernetesClient) -> list[Finding]:
    """Raises: ApiUnavailable, where there is no answer: then nothing can be checked."""
    what = "API server"
    try:
        content = await api.read("/version", 2**16)
        version = one_line(msgspec.json.decode(content, type=_Version).git_version)
    except (ApiRefused, msgspec.DecodeError) as error:
        cure = "ask whoever runs the cluster for the role system:public-info-viewer"
        return [warning(what, f"its version is not told: {error}", cure)]
    found = re.match(r"v?(\d{1,4})\.(\d{1,4})", version)
    if found is not None and (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return [failed(what, f"version {version}", f"Quiver needs Kubernetes {oldest} or later")]
    return [ok(what, f"version {version}")]


async def check_crds(api: KubernetesClient) -> list[Finding]:
    """Check that both kinds are served, with the fields that this version has."""
    return [await _crd(api, kind, struct) for kind, struct in _STRUCTS]


async def _crd(api: KubernetesClient, kind: Kind, struct: type[msgspec.Struct]) -> Finding:
    what = f"CRD {kind.full_name}"
    try:
        manifest = await api.get(CRD, Key("", kind.full_name))
    except NotFound:
        return failed(what, "it is not there", f"install Quiver (docs/install.md), or {_APPLY}")
    except ApiRefused:
        return await _published(api, kind, struct)
    versions = manifest["spec"]["versions"]
    served = next((v for v in versions if v["name"] == VERSION and v.get("served")), None)
    if served is None:
        return failed(what, f"it does not serve {VERSION}", _APPLY)
    established = _condition(manifest, "Established")
    if established.get("status") != "True":
        why = established.get("message") or _condition(manifest, "NamesAccepted").get("message")
        cure = f"look at `kubectl describe crd {kind.full_name}`"
        return failed(what, f"it is not established: {why or 'the API server says nothing'}", cure)
    return _compared(what, served["schema"]["openAPIV3Schema"], struct)


async def _published(api: KubernetesClient, kind: Kind, struct: type[msgspec.Struct]) -> Finding:
    """Check what the API server publishes to all who are logged in, where CRDs are not readable."""
    what = f"CRD {kind.full_name}"
    try:
        content = await api.read(f"/openapi/v3/apis/{API_VERSION}", OBJECT_BYTES)
        schemas = msgspec.json.decode(content)["components"]["schemas"]
        schema = schemas[f"dev.quiver.{VERSION}.{kind.kind}"]
    except (NotFound, KeyError, TypeError):
        return failed(what, "the API server serves no such kind", f"install Quiver, or {_APPLY}")
    except (ApiRefused, msgspec.DecodeError) as error:
        cure = "run this as somebody who may get CustomResourceDefinitions"
        return warning(what, f"it cannot be read: {error}", cure)
    return _compared(what, schema, struct)


def _compared(what: str, schema: Manifest, struct: type[msgspec.Struct]) -> Finding:
    missing, more = list(lacking(schema, struct)), list(unknown(schema, struct))
    if missing:
        told = f"it is of an older version and lacks {_some(missing)}"
        return failed(what, told, f"what these say would be lost; {_APPLY}")
    if more:
        told = f"it has fields that Quiver {__version__} does not know: {_some(more)}"
        return warning(what, told, "take a `quiver` of the version that is installed there")
    return ok(what, f"served, and has all fields of Quiver {__version__}")


def _some(names: list[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _condition(manifest: Manifest, type_: str) -> dict[str, Any]:
    conditions = (manifest.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c.get("type") == type_), {})
