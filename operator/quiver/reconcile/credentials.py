"""Reads from the Secrets that engines name what the operator needs to dial them over TLS."""

import base64
import binascii
from collections.abc import Callable
from typing import NamedTuple

from quiver.domain.access import PLAIN, Access, ClientTls
from quiver.domain.conditions import Verdict
from quiver.domain.engines import Tls, VectorEngine
from quiver.domain.kubernetes_types import SECRET, Key
from quiver.domain.reasons import Reason
from quiver.domain.rights import Rights
from quiver.ports.errors import ApiRefused
from quiver.ports.kubernetes import Objects
from quiver.ports.pem import InvalidPem, Pem
from quiver.reconcile.refusals import words_of

CA, CERTIFICATE, PRIVATE_KEY = "ca.crt", "tls.crt", "tls.key"
"""Entries of Secrets, as kubernetes.io/tls and cert-manager name them."""


class _Known(NamedTuple):
    uid: str
    tls: Tls
    access: Access


class _Trouble(Exception):
    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict


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
        self._objects = objects
        self._rights = rights or Rights()
        self._pem = pem
        self._changed = changed
        self._known: dict[Key, _Known] = {}

    def known(self, engine: VectorEngine) -> Access | None:
        """Return what was last read; None if nothing was read for this object and `spec.tls`."""
        if engine.spec.tls is None:
            return PLAIN
        known = self._known.get(engine.metadata.key)
        wanted = engine.metadata.uid, engine.spec.tls
        return known.access if known and (known.uid, known.tls) == wanted else None

    async def of(self, engine: VectorEngine) -> Access:
        """Return what was last read, or read the Secrets now. Raises: ApiError."""
        return self.known(engine) or await self.read(engine)

    async def read(self, engine: VectorEngine) -> Access:
        """Read the engine's Secrets. Raises: ApiError."""
        key, tls = engine.metadata.key, engine.spec.tls
        if tls is None:
            self.forget(key)
            return PLAIN
        try:
            access = Access(await self._client_tls(key.namespace, tls))
        except _Trouble as trouble:
            access = Access(trouble=trouble.verdict)
        before = self.known(engine)
        self._known[key] = _Known(engine.metadata.uid, tls, access)
        if before is not None and before != access:
            self._changed(key)
        return access

    def forget(self, engine: Key) -> None:
        self._known.pop(engine, None)

    async def _client_tls(self, namespace: str, tls: Tls) -> ClientTls:
        ca = certificate = key = None
        if tls.secret_name is not None:
            secret = await self._secret(namespace, tls.secret_name, "secretName")
            secret.pair()
            ca = secret.certificates(CA) if tls.ca_secret_name is None else None
        if tls.client_ca_secret_name is not None:
            name = tls.client_ca_secret_name
            (await self._secret(namespace, name, "clientCASecretName")).certificates(CA)
        if tls.ca_secret_name is not None:
            secret = await self._secret(namespace, tls.ca_secret_name, "caSecretName")
            ca = secret.certificates(CA)
        if tls.client_secret_name is not None:
            secret = await self._secret(namespace, tls.client_secret_name, "clientSecretName")
            certificate, key = secret.pair()
        return ClientTls(ca, certificate, key)

    async def _secret(self, namespace: str, name: str, field: str) -> "_Secret":
        try:
            found = await self._objects.fetch(SECRET, Key(namespace, name))
        except ApiRefused as error:
            message = (
                f"The operator may not read Secret {name!r}, which spec.tls.{field} names: "
                f"{words_of(error)}. {self._rights.secrets_cure(namespace)}"
            )
            raise _Trouble(Verdict.stalled(Reason.SECRET_FORBIDDEN, message)) from error
        if found is None:
            message = (
                f"There is no Secret {name!r} in namespace {namespace!r}, which spec.tls.{field} "
                "names. Create it there, or name another."
            )
            raise _Trouble(Verdict.reconciling(Reason.SECRET_NOT_FOUND, message))
        return _Secret(name, field, found.get("data") or {}, self._pem)


class _Secret:
    """The Secret that `spec.tls.FIELD` names. Raises: _Trouble for what it lacks."""

    def __init__(self, name: str, field: str, data: dict[str, str], pem: Pem) -> None:
        self._name = name
        self._field = field
        self._data = data
        self._pem = pem

    def certificates(self, entry: str) -> bytes:
        try:
            return self._pem.certificates_in(self._entry(entry))
        except InvalidPem as error:
            raise self._invalid(f"its {entry} {error}") from error

    def pair(self) -> tuple[bytes, bytes]:
        certificate, key = self.certificates(CERTIFICATE), self._entry(PRIVATE_KEY)
        try:
            self._pem.require_pair(certificate, key)
        except InvalidPem as error:
            raise self._invalid(f"it {error}") from error
        return certificate, key

    def _entry(self, entry: str) -> bytes:
        try:
            return base64.b64decode(self._data[entry], validate=True)
        except KeyError as error:
            raise self._invalid(f"it has no {entry}") from error
        except binascii.Error as error:
            raise self._invalid(f"its {entry} is not in base64") from error

    def _invalid(self, why: str) -> _Trouble:
        message = (
            f"Secret {self._name!r}, which spec.tls.{self._field} names, cannot be used: {why}. "
            "Correct it, or name another."
        )
        return _Trouble(Verdict.stalled(Reason.SECRET_INVALID, message))
