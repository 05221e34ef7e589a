"""The members of an engine: each holds collections of its own."""

from collections.abc import Iterable
from typing import NamedTuple

from quiver.domain.engines import Pod, VectorEngine

GRPC_PORT = 19530


class Member(NamedTuple):
    """One pod, or one external endpoint.

    `name` is what claims remember: a StatefulSet's pod keeps its name and its volume when it is
    replaced.
    `address` is what the operator dials, `endpoint` what clients are told. A member that is
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


def members_of(engine: VectorEngine, pods: Iterable[Pod]) -> tuple[Member, ...]:
    """Return the engine's members. Of `pods` those count that are its own and have an address."""
    if engine.spec.external is not None:
        return tuple(Member(e, e, e, ready=True) for e in engine.spec.external.endpoints)
    own = [p for p in pods if _belongs(p, engine) and p.status.pod_ip]
    return tuple(_pod_member(pod, engine) for pod in sorted(own, key=lambda p: p.metadata.name))


def _belongs(pod: Pod, engine: VectorEngine) -> bool:
    prefix, _, ordinal = pod.metadata.name.rpartition("-")
    return (
        pod.metadata.namespace == engine.metadata.namespace
        and prefix == engine.metadata.name
        and ordinal.isdigit()
    )


def _pod_member(pod: Pod, engine: VectorEngine) -> Member:
    name, meta = pod.metadata.name, engine.metadata
    leaving = int(name.rpartition("-")[2]) >= engine.spec.replicas
    host = f"{name}.{meta.name}.{meta.namespace}.svc"
    address = pod.status.pod_ip or ""
    address = f"[{address}]" if ":" in address else address
    return Member(
        name,
        f"{address}:{GRPC_PORT}",
        f"{host}:{GRPC_PORT}",
        pod.ready,
        name,
        leaving,
        pod.spec.node_name,
    )
