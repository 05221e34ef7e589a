"""How each engine is dialled: over TLS or in the clear, and at which addresses.

External endpoints are written by tenants. A name is looked up here, each of its addresses is held
against what may be dialled, and what is dialled then is an address: nothing looks it up again.
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
"""Names of one engine that are looked up at the same time: silent ones must not take all places."""


class _Known(NamedTuple):
    uid: str
    endpoints: dict[str, Dialled]


class _Refused(Exception):
    pass


class Dialling:
    """Access to each engine, as its Secrets and its endpoints' names were when they were read last.

    An engine's own reconcile reads them, at the latest in each resync; its collections, of which
    there may be thousands, go by what was read.
    """

    def __init__(
        self,
        objects: Objects,
        credentials: Credentials,
        names: Names,
        policy: AddressPolicy,
        changed: Callable[[Key], object],
    ) -> None:
        """`changed` is called with an engine one of whose endpoints is dialled at another address
        than before.
        """
        self._objects = objects
        self._credentials = credentials
        self._names = names
        self._policy = policy
        self._changed = changed
        self._known: dict[Key, _Known] = {}

    def known(self, engine: VectorEngine) -> Access | None:
        """Return what was read last; None where nothing was, for an engine as it is now."""
        access = self._credentials.known(engine)
        if access is None or engine.spec.external is None:
            return access
        endpoints = self._known_endpoints(engine)
        return None if endpoints is None else replace(access, endpoints=endpoints)

    async def of(self, engine: VectorEngine) -> Access:
        """Return what was read last, reading it if nothing was. Raises: ApiError."""
        return self.known(engine) or await self.read(engine)

    async def read(self, engine: VectorEngine) -> Access:
        """Read the engine's Secrets and look up its endpoints anew. Raises: ApiError."""
        access = await self._credentials.read(engine)
        if engine.spec.external is None:
            return access
        key, before = engine.metadata.key, self._known_endpoints(engine)
        earlier = self._remembered(key) | (before or {})
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
                continue  # its own reconcile says so in its status
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

    def _remembered(self, engine: Key) -> dict[str, Dialled]:
        """Return where claims say that endpoints are. Of several addresses of a name that one is
        dialled: elsewhere the claims would lapse.
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
        """Raises: NameNotResolved. A name that was known keeps its address: whoever answers there
        is asked who it is.
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
        "of collections instead; whoever runs it can allow that in its spec.allowedNamespaces"
    )
