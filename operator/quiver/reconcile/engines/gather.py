"""Gather what a decision about one VectorEngine needs."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from quiver.domain.access import PLAIN, Access, ClientTls
from quiver.domain.claims import claim_of
from quiver.domain.engines import External, Pod, VectorEngine
from quiver.domain.objects import (
    ENGINE_LABEL,
    POD,
    SERVICE,
    STATEFUL_SET,
    Key,
    Kind,
    Manifest,
)
from quiver.ports.engines import Engines
from quiver.ports.errors import EngineError
from quiver.ports.kubernetes import Objects
from quiver.reconcile.credentials import Credentials


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """One VectorEngine and all that bears on it.

    `access` says how it is dialled. `holders` are the members that collections are claimed on.
    `silent` tells, for each external endpoint that did not answer, why.
    """

    engine: VectorEngine
    access: Access = PLAIN
    stateful_set: Manifest | None = None
    service: Manifest | None = None
    pods: tuple[Pod, ...] = ()
    holders: frozenset[str] = frozenset()
    silent: Mapping[str, str] = field(default_factory=dict)


async def gather(
    engine: VectorEngine, objects: Objects, engines: Engines, credentials: Credentials
) -> Gathered:
    access = await credentials.read(engine)
    if engine.spec.external is not None:
        silent = await _silent(engine.spec.external, engines, access)
        return Gathered(engine=engine, access=access, silent=silent)
    key = engine.metadata.key
    claims = (claim_of(c) for c in objects.collections_of(key))
    return Gathered(
        engine=engine,
        access=access,
        stateful_set=await _find(STATEFUL_SET, key, objects),
        service=await _find(SERVICE, key, objects),
        pods=_pods(engine, objects),
        holders=frozenset(c.member for c in claims if c is not None),
    )


async def _find(kind: Kind, key: Key, objects: Objects) -> Manifest | None:
    """Look in the cache, which holds only what is labelled as ours, and then ask: one of another
    owner may have the name, and must not be overwritten.
    """
    return objects.get(kind, key) or await objects.fetch(kind, key)


def _pods(engine: VectorEngine, objects: Objects) -> tuple[Pod, ...]:
    pods = (msgspec.convert(p, Pod) for p in objects.list(POD, engine.metadata.namespace))
    own = (p for p in pods if p.metadata.labels.get(ENGINE_LABEL) == engine.metadata.name)
    return tuple(sorted(own, key=lambda p: p.metadata.name))


async def _silent(external: External, engines: Engines, access: Access) -> dict[str, str]:
    if access.trouble is not None:
        return {}
    asked = (_trouble_at(e, engines, access.tls) for e in external.endpoints)
    answers = await asyncio.gather(*asked)
    return {e: why for e, why in zip(external.endpoints, answers, strict=True) if why}


async def _trouble_at(endpoint: str, engines: Engines, tls: ClientTls | None) -> str | None:
    try:
        await engines.at(endpoint, tls).version()
    except EngineError as error:
        return str(error)
    return None
