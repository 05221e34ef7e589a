"""Reads from the Secrets that engines name what the operator needs to dial them: TLS and login."""

from collections.abc import Callable
from typing import NamedTuple

from quiver.domain.access import PLAIN, Access, ClientTls, Login
from quiver.domain.engines import Auth, Tls, VectorEngine
from quiver.domain.kubernetes_types import Key
from quiver.domain.rights import Rights
from quiver.ports.kubernetes import Objects
from quiver.ports.pem import InvalidPem, Pem
from quiver.reconcile.engine_secrets import EngineSecrets, FoundSecret, SecretRef, SecretTrouble
from quiver.reconcile.logins import login_of

CA, CERTIFICATE, PRIVATE_KEY = "ca.crt", "tls.crt", "tls.key"
"""Entries of Secrets, as kubernetes.io/tls and cert-manager name them."""


class _Known(NamedTuple):
    uid: str
    tls: Tls | None
    auth: Auth | None
    access: Access


class Credentials:
    """How to dial each engine, according to its Secrets as they were last read.

    The reconcile of the engine reads the Secrets, at least once in each resync period. Reconciles
    of its collections, of which there may be thousands, use what it has read. All Secrets are in
    the engine's own namespace.
    """

    def __init__(
        self,
        objects: Objects,
        pem: Pem,
        changed: Callable[[Key], object],
        rights: Rights | None = None,
    ) -> None:
        """`changed` is called with the engine when the contents of its Secrets have changed."""
        self._secrets = EngineSecrets(objects, rights or Rights())
        self._pem = pem
        self._changed = changed
        self._known: dict[Key, _Known] = {}

    def known(self, engine: VectorEngine) -> Access | None:
        """Return what was last read; None if nothing was read for this object and its spec."""
        spec = engine.spec
        if spec.tls is None and spec.auth is None:
            return PLAIN
        known = self._known.get(engine.metadata.key)
        wanted = engine.metadata.uid, spec.tls, spec.auth
        return known.access if known and (known.uid, known.tls, known.auth) == wanted else None

    async def of(self, engine: VectorEngine) -> Access:
        """Return what was last read, or read the Secrets now. Raises: ApiError."""
        return self.known(engine) or await self.read(engine)

    async def read(self, engine: VectorEngine) -> Access:
        """Read the engine's Secrets. Raises: ApiError."""
        key, tls, auth = engine.metadata.key, engine.spec.tls, engine.spec.auth
        if tls is None and auth is None:
            self.forget(key)
            return PLAIN
        try:
            access = Access(
                tls=await self._client_tls(key.namespace, tls),
                login=await self._login(key.namespace, auth),
            )
        except SecretTrouble as trouble:
            access = Access(trouble=trouble.verdict)
        before = self.known(engine)
        self._known[key] = _Known(engine.metadata.uid, tls, auth, access)
        if before is not None and before != access:
            self._changed(key)
        return access

    def forget(self, engine: Key) -> None:
        self._known.pop(engine, None)

    async def _login(self, namespace: str, auth: Auth | None) -> Login | None:
        if auth is None:
            return None
        ref = SecretRef(Key(namespace, auth.secret_name), "auth.secretName")
        return login_of(await self._secrets.read(ref))

    async def _client_tls(self, namespace: str, tls: Tls | None) -> ClientTls | None:
        if tls is None:
            return None
        ca = certificate = key = None
        if tls.secret_name is not None:
            secret = await self._tls_secret(namespace, tls.secret_name, "secretName")
            secret.pair()
            ca = secret.certificates(CA) if tls.ca_secret_name is None else None
        if tls.client_ca_secret_name is not None:
            name = tls.client_ca_secret_name
            (await self._tls_secret(namespace, name, "clientCASecretName")).certificates(CA)
        if tls.ca_secret_name is not None:
            secret = await self._tls_secret(namespace, tls.ca_secret_name, "caSecretName")
            ca = secret.certificates(CA)
        if tls.client_secret_name is not None:
            secret = await self._tls_secret(namespace, tls.client_secret_name, "clientSecretName")
            certificate, key = secret.pair()
        return ClientTls(ca, certificate, key)

    async def _tls_secret(self, namespace: str, name: str, field: str) -> "_TlsSecret":
        ref = SecretRef(Key(namespace, name), f"tls.{field}")
        return _TlsSecret(await self._secrets.read(ref), self._pem)


class _TlsSecret:
    """Certificates and keys of a Secret. Raises: SecretTrouble for what it lacks."""

    def __init__(self, secret: FoundSecret, pem: Pem) -> None:
        self._secret = secret
        self._pem = pem

    def certificates(self, entry: str) -> bytes:
        try:
            return self._pem.certificates_in(self._secret.entry(entry))
        except InvalidPem as error:
            raise self._secret.invalid(f"its {entry} {error}") from error

    def pair(self) -> tuple[bytes, bytes]:
        certificate, key = self.certificates(CERTIFICATE), self._secret.entry(PRIVATE_KEY)
        try:
            self._pem.require_pair(certificate, key)
        except InvalidPem as error:
            raise self._secret.invalid(f"it {error}") from error
        return certificate, key
