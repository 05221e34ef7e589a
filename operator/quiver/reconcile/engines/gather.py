"""Gathers what a decision about one VectorEngine needs."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import msgspec

from quiver.domain.access import PLAIN, Access
from quiver.domain.claims import claim_of
from quiver.domain.conditions import ready_reason
from quiver.domain.engines import Pod, VectorEngine
from quiver.domain.installation import OperatorPods
from quiver.domain.kubernetes_types import (
    ENGINE_LABEL,
    NETWORK_POLICY,
    POD,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    STATEFUL_SET,
    Key,
    Kind,
    Manifest,
)
from quiver.domain.members import Member, members_of, ordinal_of
from quiver.domain.reasons import Reason
from quiver.domain.troubles import NOTHING_HEARD, Reports
from quiver.ports.engines import Engines
from quiver.ports.errors import EngineRefused
from quiver.ports.kubernetes import Objects
from quiver.reconcile.dialling import Dialling
from quiver.reconcile.engines.answers import Answer
from quiver.reconcile.engines.network_policy import wants_network_policy
from quiver.reconcile.engines.pod_events import NO_EVENTS, PodEvents, pod_events
from quiver.reconcile.engines.reports import NO_LOOKS, Looks, look_at, reports_of
from quiver.reconcile.engines.unclaimed import Unclaimed, unclaimed_on
from quiver.reconcile.identities import Identities
from quiver.reconcile.namespaces import is_namespace_going

WAITING = (Reason.ENGINE_NOT_READY, Reason.ENGINE_UNREACHABLE)
"""Reasons of a collection that waits for its pod."""
STUCK = (
    *WAITING,
    Reason.ENGINE_REFUSED,
    Reason.CREDENTIALS_REFUSED,
    Reason.DISK_FULL,
    Reason.NOT_EMPTY,
    Reason.APPLY_REFUSED,
)
"""Reasons of a collection that is being deleted and cannot be dropped."""


class Held(NamedTuple):
    """A VectorCollection whose claim names the engine's pod of this ordinal, or its endpoint at
    that place. `is_going` tells whether it is being deleted, `is_stuck` whether that waits for
    something, `waits` whether it cannot be used for the pod's sake. `name` is that of the
    collection on the engine.
    """

    ordinal: int
    collection: Key
    is_going: bool
    waits: bool = False
    name: str = ""
    is_stuck: bool = False


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """One VectorEngine, and all that a decision about it depends on.

    `held` has the collections whose claims name members of the engine. `is_namespace_going` is
    asked of an engine that is being deleted. `beyond` has the collections on pods that the spec no
    longer asks for, as claims name them, `unclaimed` those pods that hold collections without a
    claim. `waited_for` has the ordinals of pods that collections wait for. `may_upgrade` tells
    whether an upgrade may begin by itself.
    `looks` has what members answered that were asked for their versions: external endpoints, and
    pods of type Milvus. `unlisted` maps each member that did not list its collections, when it was
    asked last, to its refusal. `reports` has what members say of themselves, `events` what
    Kubernetes says of missing pods. `answers` has, by kind, in what the API server's answer
    differed from the manifest applied last.
    """

    engine: VectorEngine
    operator_pods: OperatorPods
    access: Access = PLAIN
    stateful_set: Manifest | None = None
    service: Manifest | None = None
    network_policy: Manifest | None = None
    disruption_budget: Manifest | None = None
    pods: tuple[Pod, ...] = ()
    held: tuple[Held, ...] = ()
    is_namespace_going: bool = False
    beyond: tuple[Held, ...] = ()
    unclaimed: tuple[Unclaimed, ...] = ()
    waited_for: frozenset[int] = frozenset()
    may_upgrade: bool = False
    events: PodEvents = NO_EVENTS
    looks: Looks = NO_LOOKS
    unlisted: Mapping[str, EngineRefused] = field(default_factory=dict)
    reports: Reports = NOTHING_HEARD
    answers: Mapping[Kind, Answer] = field(default_factory=dict)

    @property
    def is_data_at_risk(self) -> bool:
        """Tell whether collections are lost with the engine's pods."""
        return self.engine.spec.is_ephemeral and bool(self.held)


async def gather(
    engine: VectorEngine,
    objects: Objects,
    engines: Engines,
    dialling: Dialling,
    operator_pods: OperatorPods,
    identities: Identities,
) -> Gathered:
    access = await dialling.read(engine)
    unlisted = identities.refusals_of(engine)
    if engine.spec.external is not None:
        members = members_of(engine, (), access)
        looks = await look_at(members, engines)
        answering = [m for m in members if m.name in looks.versions]
        found = Gathered(
            engine=engine,
            operator_pods=operator_pods,
            access=access,
            is_namespace_going=await is_namespace_going(engine.metadata, objects),
            looks=looks,
            unlisted=unlisted,
            reports=await reports_of(answering, len(members), engines),
        )
        return _with_collections(found, objects)
    key = engine.metadata.key
    pods = _pods(engine, objects)
    stateful_set = await _find(STATEFUL_SET, key, objects)
    members, wants_gpu = members_of(engine, pods, access), engine.spec.gpu is not None
    found = Gathered(
        engine=engine,
        operator_pods=operator_pods,
        access=access,
        stateful_set=stateful_set,
        service=await _find(SERVICE, key, objects),
        network_policy=await _find_network_policy(engine, objects),
        disruption_budget=await _find_disruption_budget(engine, objects),
        pods=pods,
        is_namespace_going=await is_namespace_going(engine.metadata, objects),
        unclaimed=await _unclaimed(engine, pods, members, objects, engines),
        events=await pod_events(engine, stateful_set, pods, objects),
        unlisted=unlisted,
        looks=await _look_at_pods(engine, members, engines),
        reports=await reports_of(members, engine.spec.replicas, engines, wants_gpu=wants_gpu),
    )
    return _with_collections(found, objects)


def _with_collections(found: Gathered, objects: Objects) -> Gathered:
    """Read the claims last, with no await before the decision: others are written while members
    are asked, and what they name must not be taken away.
    """
    engine = found.engine
    held = tuple(sorted(_held(engine, objects)))
    if engine.spec.external is not None:
        return replace(found, held=held)
    return replace(
        found,
        held=held,
        beyond=tuple(h for h in held if h.ordinal >= engine.spec.replicas),
        waited_for=frozenset(h.ordinal for h in held if h.waits),
    )


async def _find(kind: Kind, key: Key, objects: Objects) -> Manifest | None:
    """Read from the cache, then from the API server. The cache holds only objects with Quiver's
    label, and an object of another owner may have the name: it must not be overwritten.
    """
    return objects.get(kind, key) or await objects.fetch(kind, key)


async def _find_network_policy(engine: VectorEngine, objects: Objects) -> Manifest | None:
    """Read it from the cache alone where the engine wants none: what Quiver made is there, and no
    other is deleted.
    """
    if wants_network_policy(engine):
        return await _find(NETWORK_POLICY, engine.metadata.key, objects)
    return objects.get(NETWORK_POLICY, engine.metadata.key)


async def _find_disruption_budget(engine: VectorEngine, objects: Objects) -> Manifest | None:
    """Read it where the engine wants one. Whether it does is fixed, as spec.storage is."""
    if not engine.spec.is_ephemeral:
        return None
    return await _find(POD_DISRUPTION_BUDGET, engine.metadata.key, objects)


def _pods(engine: VectorEngine, objects: Objects) -> tuple[Pod, ...]:
    pods = (msgspec.convert(p, Pod) for p in objects.list(POD, engine.metadata.namespace))
    own = (p for p in pods if p.metadata.labels.get(ENGINE_LABEL) == engine.metadata.name)
    return tuple(sorted(own, key=lambda p: p.metadata.name))


def _held(engine: VectorEngine, objects: Objects) -> Iterator[Held]:
    for manifest in objects.collections_of(engine.metadata.key):
        claim = claim_of(manifest)
        ordinal = None if claim is None else _ordinal(claim.member, engine)
        if claim is not None and ordinal is not None:
            is_going = "deletionTimestamp" in manifest["metadata"]
            reason = ready_reason(manifest)
            yield Held(
                ordinal,
                Key.of(manifest),
                is_going,
                waits=reason in WAITING,
                name=claim.collection_name,
                is_stuck=is_going and reason in STUCK,
            )


def _ordinal(member: str, engine: VectorEngine) -> int | None:
    if engine.spec.external is None:
        return ordinal_of(member, engine.metadata.name)
    endpoints = engine.spec.external.endpoints
    return endpoints.index(member) if member in endpoints else None


async def _unclaimed(
    engine: VectorEngine,
    pods: Iterable[Pod],
    members: Iterable[Member],
    objects: Objects,
    engines: Engines,
) -> tuple[Unclaimed, ...]:
    name, replicas = engine.metadata.name, engine.spec.replicas
    leaving = [p for p in pods if (ordinal_of(p.metadata.name, name) or 0) >= replicas]
    claimed = defaultdict[int, set[str]](set)
    for each in _held(engine, objects) if leaving else ():
        claimed[each.ordinal].add(each.name)
    return await unclaimed_on(leaving, members, claimed, name, engines)


async def _look_at_pods(engine: VectorEngine, members: Sequence[Member], engines: Engines) -> Looks:
    """Of Milvus alone the version is reported, and a login may be wrong."""
    return await look_at(members, engines) if engine.spec.type == "Milvus" else NO_LOOKS
