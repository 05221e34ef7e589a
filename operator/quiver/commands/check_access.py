"""How to dial an engine from here: its names, and its Secrets as the caller may read them."""

from contextlib import suppress
from ipaddress import ip_address
from typing import Any, cast

from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.adapters.names import DnsNames
from quiver.adapters.pem import OpenSslPem
from quiver.domain.access import PLAIN, Access, Dialled
from quiver.domain.addresses import Address, InvalidEndpoint, dialled, parse_endpoint
from quiver.domain.conditions import Verdict
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Key, Kind, Manifest
from quiver.domain.reasons import Reason
from quiver.ports.errors import NameNotResolved, NotFound
from quiver.reconcile.credentials import Credentials


class _Secrets:
    """The one thing of `quiver.ports.kubernetes.Objects` that `Credentials` uses."""

    def __init__(self, api: KubernetesClient) -> None:
        self._api = api

    async def fetch(self, kind: Kind, key: Key) -> Manifest | None:
        try:
            return await self._api.get(kind, key)
        except NotFound:
            return None


class CallersAccess:
    """Access to engines with the caller's rights; without `secrets`, no Secret is read."""

    def __init__(self, api: KubernetesClient, *, secrets: bool) -> None:
        source = cast("Any", _Secrets(api))
        self._credentials = Credentials(source, OpenSslPem(), _nothing) if secrets else None
        self._names = DnsNames()

    async def close(self) -> None:
        await self._names.close()

    async def of(self, engine: VectorEngine) -> Access:
        """Return how to dial the engine from here. Raises: ApiError."""
        spec = engine.spec
        if self._credentials is None and (spec.tls or spec.auth):
            why = "its Secrets are not read for this"
            return Access(trouble=Verdict.stalled(Reason.SECRET_FORBIDDEN, why))
        access = PLAIN if self._credentials is None else await self._credentials.read(engine)
        if spec.external is None:
            return access
        endpoints = {each: await self._dialled(each) for each in spec.external.endpoints}
        return Access(access.tls, access.login, access.trouble, endpoints)

    async def _dialled(self, endpoint: str) -> Dialled:
        try:
            host, port = parse_endpoint(endpoint)
            return Dialled(dialled(await self._address(host), port))
        except (InvalidEndpoint, NameNotResolved) as error:
            return Dialled(refusal=Verdict.stalled(Reason.ENDPOINT_REFUSED, str(error)))

    async def _address(self, host: str) -> Address:
        """Raises: NameNotResolved."""
        with suppress(ValueError):
            return ip_address(host)
        return (await self._names.addresses_of(host))[0]


def _nothing(_engine: Key) -> None:
    pass
