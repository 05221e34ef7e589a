"""Reads the Secrets that engines name, and says what is wrong with them."""

import base64
import binascii
from typing import NamedTuple

from quiver.domain.conditions import Verdict
from quiver.domain.kubernetes_types import SECRET, Key, Manifest
from quiver.domain.reasons import Reason
from quiver.domain.rights import Rights
from quiver.ports.errors import ApiRefused
from quiver.ports.kubernetes import Objects
from quiver.reconcile.refusals import words_of


class SecretRef(NamedTuple):
    """A Secret in the engine's own namespace. `field` is the field of the spec that names it."""

    key: Key
    field: str


class SecretTrouble(Exception):
    """A Secret cannot be used. `verdict` says why, and what to do."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict


class FoundSecret:
    """A Secret that exists."""

    def __init__(self, ref: SecretRef, manifest: Manifest) -> None:
        self._ref = ref
        self._data: dict[str, str] = manifest.get("data") or {}
        self.key = ref.key
        self.type = str(manifest.get("type") or "Opaque")

    def has(self, entry: str) -> bool:
        return entry in self._data

    def entry(self, entry: str) -> bytes:
        """Raises: SecretTrouble."""
        try:
            return base64.b64decode(self._data[entry], validate=True)
        except KeyError as error:
            raise self.invalid(f"it has no {entry}") from error
        except binascii.Error as error:
            raise self.invalid(f"its {entry} is not in base64") from error

    def invalid(self, why: str, cure: str = "Correct it, or name another.") -> SecretTrouble:
        message = (
            f"Secret {self.key.name!r}, which spec.{self._ref.field} names, cannot be used: "
            f"{why}. {cure}"
        )
        return SecretTrouble(Verdict.stalled(Reason.SECRET_INVALID, message))


class EngineSecrets:
    """Reads Secrets from the API server."""

    def __init__(self, objects: Objects, rights: Rights) -> None:
        self._objects = objects
        self._rights = rights

    async def read(self, ref: SecretRef) -> FoundSecret:
        """Raises: SecretTrouble; ApiError."""
        namespace, name = ref.key
        try:
            found = await self._objects.fetch(SECRET, ref.key)
        except ApiRefused as error:
            message = (
                f"The operator may not read Secret {name!r}, which spec.{ref.field} names: "
                f"{words_of(error)}. {self._rights.secrets_cure(namespace)}"
            )
            raise SecretTrouble(Verdict.stalled(Reason.SECRET_FORBIDDEN, message)) from error
        if found is None:
            message = (
                f"There is no Secret {name!r} in namespace {namespace!r}, which spec.{ref.field} "
                "names. Create it there, or name another."
            )
            raise SecretTrouble(Verdict.reconciling(Reason.SECRET_NOT_FOUND, message))
        return FoundSecret(ref, found)
