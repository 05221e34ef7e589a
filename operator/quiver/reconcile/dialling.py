"""How to dial each engine: over TLS or in plaintext, and at which addresses.

Tenants write external endpoints. This module resolves a name once, checks each of its addresses
against the address policy, and returns an address: nothing resolves the name again to dial it.
"""

import asyncio
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from quiver.domain.access import Access, Dialled
from quiver.domain.addresses import (
    Address,
    AddressPolicy,
    InvalidEndpoint,
    dialled,
    mapped,
    meant_by,
    parse_endpoint,
    place_of,
)
from quiver.domain.claims import claim_of
from quiver.domain.conditions import Verdict
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import SERVICE, Key
from quiver.domain.reasons import Reason
from quiver.ports.errors import NameNotResolved
from quiver.ports.kubernetes import Objects
from quiver.ports.names import Names
from quiver.reconcile.credentials import Credentials

NOTHING: Mapping[str, Dialled] = MappingProxyType({})
LOOKUPS = 8
"""Concurrent lookups per engine: names whose name servers are silent must not use up all slots."""


class _Known(NamedTuple):
    uid: str
    endpoints: dict[str, Dialled]


class _Refused(Exception):
    pass


class Dialling:
    """Access to each engine, according to its Secrets and names as they were last read.

    The reconcile of the engine reads them, at least once in each resync period. Reconciles of its
    collections, of which there may be thousands, use what it has read.
    """

    def __init__(
        self,
        objects: Objects,
        credentials: Credentials,
        names: Names,
        policy: AddressPolicy,
        changed: Callable[[Key], object],
    ) -> None:
        """`changed` is called with the engine when one of its endpoints has resolved to something
        else than before.
        """
        self._objects = objects
        self._credentials = credentials
        self._names = names
        self._policy = policy
        self._changed = changed
        self._known: dict[Key, _Known] = {}

    def known(self, engine: VectorEngine) -> Access | None:
        """Return what was last read; None if nothing was read for the engine's present spec."""
        access = self._credentials.known(engine)
        if access is None or engine.spec.external is None:
            return access
        endpoints = self._known_endpoints(engine)
        return None if endpoints is None else replace(access, endpoints=endpoints)

    async def of(self, engine: VectorEngine) -> Access:
        """Return what was last read, or read it now. Raises: ApiError."""
        return self.known(engine) or await self.read(engine)

    async def read(self, engine: VectorEngine) -> Access:
        """Read the engine's Secrets and resolve its endpoints. Raises: ApiError."""
        access = await self._credentials.read(engine)
        if engine.spec.external is None:
            return access
        key, before = engine.metadata.key, self._known_endpoints(engine)
        earlier = self._claimed_addresses(key) | (before or {})
        endpoints = await self._look_up(engine.spec.external.endpoints, earlier)
        self._known[key] = _Known(engine.metadata.uid, endpoints)
        if before is not None and before != endpoints:
            self._changed(key)
        return replace(access, endpoints=endpoints)

    async def has_elder_at(self, engine: VectorEngine, address: str) -> bool:
        """Tell whether an older VectorEngine of another namespace leads to the address too."""
        for manifest in self._objects.engines():
            try:
                other = msgspec.convert(manifest, VectorEngine)
            except msgspec.ValidationError:
                continue  # its own reconcile reports that in its status
            is_elder = other.metadata.seniority < engine.metadata.seniority
            if is_elder and other.metadata.namespace != engine.metadata.namespace:
                found = await self._endpoints_of(other)
                places = [place_of(each.address) for each in found.values() if each.address]
                if address in places:
                    return True
        return False

    def forget(self, engine: Key) -> None:
        self._credentials.forget(engine)
        self._known.pop(engine, None)

    def _known_endpoints(self, engine: VectorEngine) -> dict[str, Dialled] | None:
        known, external = self._known.get(engine.metadata.key), engine.spec.external
        if known is None or known.uid != engine.metadata.uid or external is None:
            return None
        return known.endpoints if known.endpoints.keys() == set(external.endpoints) else None

    def _claimed_addresses(self, engine: Key) -> dict[str, Dialled]:
        """Return the address of each endpoint according to claims. If a name has several addresses,
        the operator goes on dialling that one, since at another the claims would lapse.
        """
        claims = (claim_of(m) for m in self._objects.collections_of(engine))
        known = ((c.member, (c.server or "").partition(":")) for c in claims if c is not None)
        return {member: Dialled(at) for member, (kind, _, at) in known if kind == "address"}

    async def _endpoints_of(self, engine: VectorEngine) -> dict[str, Dialled]:
        if engine.spec.external is None:
            return {}
        known = self._known_endpoints(engine)
        return known if known is not None else await self._look_up(engine.spec.external.endpoints)

    async def _look_up(
        self, endpoints: Sequence[str], earlier: Mapping[str, Dialled] = NOTHING
    ) -> dict[str, Dialled]:
        pods, turns = self._objects.pod_addresses(), asyncio.Semaphore(LOOKUPS)

        async def look_up(endpoint: str) -> Dialled:
            async with turns:
                return await self._dialled(endpoint, earlier.get(endpoint), pods)

        found = await asyncio.gather(*map(look_up, endpoints))
        return dict(zip(endpoints, found, strict=True))

    async def _dialled(self, text: str, before: Dialled | None, pods: Container[str]) -> Dialled:
        try:
            host, port = parse_endpoint(text)
            self._check_service(host)
            addresses = [mapped(a) for a in await self._addresses(host, before)]
            for address in addresses:
                self._check(host, address, pods)
        except NameNotResolved as error:
            return Dialled(refusal=Verdict.reconciling(Reason.ENGINE_UNREACHABLE, str(error)))
        except (InvalidEndpoint, _Refused) as error:
            return Dialled(refusal=Verdict.stalled(Reason.ENDPOINT_REFUSED, str(error)))
        candidates = [dialled(address, port) for address in addresses]
        if before is not None and before.address in candidates:
            return before
        return Dialled(candidates[0])

    async def _addresses(self, host: str, before: Dialled | None) -> Sequence[Address]:
        """Resolve the host. A name that cannot be resolved any more keeps its last address: the
        server there is asked for its identity before each change.

        Raises: NameNotResolved.
        """
        with suppress(ValueError):
            return (ip_address(host),)
        try:
            return await self._names.addresses_of(host)
        except NameNotResolved:
            if before is None or not before.address:
                raise
            return (ip_address(before.address.rpartition(":")[0].strip("[]")),)

    def _check_service(self, host: str) -> None:
        labels = host.split(".")
        if "svc" in labels[2:4]:
            end = labels.index("svc", 2)
            key = Key(labels[end - 1], labels[end - 2])
            if self._objects.get(SERVICE, key) is not None:
                raise _Refused(_managed(host))

    def _check(self, host: str, address: Address, pods: Container[str]) -> None:
        if any(str(meant) in pods for meant in meant_by(address)):
            raise _Refused(_managed(host))
        why = self._policy.refusal(address)
        if why is not None:
            raise _Refused(why)


def _managed(host: str) -> str:
    return (
        f"{host} is an engine pod that Quiver manages. Refer to its VectorEngine in the engineRef "
        "of collections instead; its owner can allow that in its spec.allowedNamespaces"
    )
