"""The members of an engine: each holds collections of its own."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from quiver.domain.access import Access, ClientTls, Dialled, Login, Target
from quiver.domain.conditions import Verdict
from quiver.domain.engines import EngineType, Pod, VectorEngine

GRPC_PORT = 19530
_ORDINAL = re.compile(r"(.+)-(0|[1-9][0-9]{0,5})", re.ASCII)


class Member(NamedTuple):
    """One pod, or one external endpoint.

    `name` is what claims record: a StatefulSet's pod keeps its name and its volume when it is
    replaced. `type` is the type of its engine. `address` is what the operator dials, over TLS if
    `tls` is set, and logs in to if `login` is; `endpoint` is the address for clients. A member that
    is `leaving` is beyond the wanted replicas: it keeps its collections and gets no new ones.
    `node` is where its pod runs. `refusal`, if set, is why the operator does not dial the endpoint.
    `is_full` tells whether its disk was full when it was last asked.
    """

    name: str
    type: EngineType
    address: str
    endpoint: str
    ready: bool
    pod: str | None = None
    leaving: bool = False
    node: str | None = None
    tls: ClientTls | None = None
    login: Login | None = None
    refusal: Verdict | None = None
    is_full: bool = False

    def target(self, instance: str | None = None) -> Target:
        """Return the target of calls to the member; with `instance`, to that engine alone."""
        authority = self.endpoint if self.pod is None else None
        return Target(self.address, self.type, self.tls, authority, instance, self.login)


def members_of(engine: VectorEngine, pods: Iterable[Pod], access: Access) -> tuple[Member, ...]:
    """Return the engine's external endpoints, or those of `pods` that are its own and have an
    address.

    No member is ready while `access` has a trouble: the operator cannot dial any of them.
    """
    if engine.spec.external is not None:
        endpoints = engine.spec.external.endpoints
        return tuple(_endpoint(endpoint, engine.spec.type, access) for endpoint in endpoints)
    own = [p for p in pods if _belongs(p, engine) and p.status.pod_ip]
    own.sort(key=lambda p: p.metadata.name)
    return tuple(_pod_member(pod, engine, access) for pod in own)


def names_of_members(engine: VectorEngine) -> Sequence[str]:
    """Return the names of the members that the engine shall have, whether they are there or not."""
    if engine.spec.external is not None:
        return engine.spec.external.endpoints
    return [f"{engine.metadata.name}-{ordinal}" for ordinal in range(engine.spec.replicas)]


def ordinal_of(pod: str, engine: str) -> int | None:
    """Return the ordinal of the engine's pod; None if `pod` is not the name of one."""
    found = _ORDINAL.fullmatch(pod)
    return int(found[2]) if found is not None and found[1] == engine else None


def has_had(engine: VectorEngine, member: str) -> bool:
    """Tell whether the engine has, or ever had, a member of this name.

    Until the status records the highest number of replicas, any name of a pod counts.
    """
    if engine.spec.external is not None:
        return member in engine.spec.external.endpoints
    ordinal, highest = ordinal_of(member, engine.metadata.name), engine.status.highest_replicas
    if ordinal is None:
        return False
    return highest is None or ordinal < max(highest, engine.spec.replicas)


def _endpoint(endpoint: str, type_: EngineType, access: Access) -> Member:
    found = access.endpoints.get(endpoint, Dialled())
    host = endpoint.rpartition(":")[0].strip("[]")
    return Member(
        name=endpoint,
        type=type_,
        address=found.address,
        endpoint=endpoint,
        ready=access.trouble is None and found.refusal is None and bool(found.address),
        # The operator dials an IP address; the certificate is for the endpoint's host.
        tls=access.tls and replace(access.tls, server_name=host),
        login=access.login,
        refusal=found.refusal,
    )


def _belongs(pod: Pod, engine: VectorEngine) -> bool:
    if pod.metadata.namespace != engine.metadata.namespace:
        return False
    return ordinal_of(pod.metadata.name, engine.metadata.name) is not None


def _pod_member(pod: Pod, engine: VectorEngine, access: Access) -> Member:
    name, meta = pod.metadata.name, engine.metadata
    ordinal = ordinal_of(name, meta.name)
    host = f"{name}.{meta.name}.{meta.namespace}.svc"
    address = pod.status.pod_ip or ""
    address = f"[{address}]" if ":" in address else address
    return Member(
        name=name,
        type=engine.spec.type,
        address=f"{address}:{GRPC_PORT}",
        endpoint=f"{host}:{GRPC_PORT}",
        ready=pod.ready and access.trouble is None,
        pod=name,
        leaving=ordinal is not None and ordinal >= engine.spec.replicas,
        node=pod.spec.node_name,
        # The operator dials the pod's IP address; the certificate is for its DNS name.
        tls=access.tls and replace(access.tls, server_name=host),
        login=access.login,
    )
