"""The members of an engine: each holds collections of its own."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from quiver.domain.access import Access, ClientTls
from quiver.domain.engines import Pod, VectorEngine

GRPC_PORT = 19530


class Member(NamedTuple):
    """One pod, or one external endpoint.

    `name` is what claims remember: a StatefulSet's pod keeps its name and its volume when it is
    replaced.
    `address` is what the operator dials, over TLS where `tls` says how; `endpoint` is what clients
    are told. A member that is
    `leaving` is beyond the wanted replicas: it keeps what it holds and is given nothing new. `node`
    is where its pod runs.
    """

    name: str
    address: str
    endpoint: str
    ready: bool
    pod: str | None = None
    leaving: bool = False
    node: str | None = None
    tls: ClientTls | None = None


def members_of(engine: VectorEngine, pods: Iterable[Pod], access: Access) -> tuple[Member, ...]:
    """Return the engine's members. Of `pods` those count that are its own and have an address.

    None is ready while `access` has a trouble: what cannot be dialled can be given nothing.
    """
    if engine.spec.external is not None:
        ready = access.trouble is None
        endpoints = engine.spec.external.endpoints
        return tuple(Member(e, e, e, ready, tls=access.tls) for e in endpoints)
    own = [p for p in pods if _belongs(p, engine) and p.status.pod_ip]
    own.sort(key=lambda p: p.metadata.name)
    return tuple(_pod_member(pod, engine, access) for pod in own)


def _belongs(pod: Pod, engine: VectorEngine) -> bool:
    prefix, _, ordinal = pod.metadata.name.rpartition("-")
    return (
        pod.metadata.namespace == engine.metadata.namespace
        and prefix == engine.metadata.name
        and ordinal.isdigit()
    )


def _pod_member(pod: Pod, engine: VectorEngine, access: Access) -> Member:
    name, meta = pod.metadata.name, engine.metadata
    leaving = int(name.rpartition("-")[2]) >= engine.spec.replicas
    host = f"{name}.{meta.name}.{meta.namespace}.svc"
    address = pod.status.pod_ip or ""
    address = f"[{address}]" if ":" in address else address
    return Member(
        name,
        f"{address}:{GRPC_PORT}",
        f"{host}:{GRPC_PORT}",
        pod.ready and access.trouble is None,
        name,
        leaving,
        pod.spec.node_name,
        # Its certificate is for its name, and it is dialled by IP.
        access.tls and replace(access.tls, server_name=host),
    )
