"""The keys that sign claims, in a Secret in the operator's namespace."""

import asyncio
import base64
import binascii
import logging
import secrets
from collections.abc import Mapping

from quiver.control.observe.readiness import Readiness
from quiver.domain.claims import KEY_BYTES, ClaimKeys
from quiver.domain.kubernetes_types import MANAGED_BY, MANAGED_BY_LABEL, SECRET, Key, Manifest
from quiver.ports.api import Api
from quiver.ports.errors import ApiError, ApiRefused, Conflict, NotFound

log = logging.getLogger(__name__)

SECRET_NAME = "quiver-claim-keys"  # noqa: S105 - a name
CURRENT, PREVIOUS = "current", "previous"
"""Entries: the key that signs, and a key that still verifies, for the rotation of keys."""
RETRY_S = 2.0


async def has_keys(api: Api, namespace: str) -> bool:
    """Tell whether an operator has put keys into the Secret. Raises: ApiError."""
    try:
        return bool((await api.get(SECRET, Key(namespace, SECRET_NAME))).get("data"))
    except NotFound:
        return False


class UnusableKey(Exception):
    """The Secret has no usable key."""


class KeySecret:
    """Loads this process's keys from the Secret.

    The chart creates the Secret empty, so that the operator needs no right to create Secrets, which
    cannot be limited to one name. The first operator puts the key in; it creates the Secret where
    there is none.
    """

    def __init__(self, api: Api, namespace: str, keys: ClaimKeys) -> None:
        self._api = api
        self._key = Key(namespace, SECRET_NAME)
        self._keys = keys

    async def load(self, readiness: Readiness, retry: float = RETRY_S) -> None:
        """Read the keys, and retry every `retry` seconds until that succeeds. Report each error to
        `readiness`.
        """
        while True:
            try:
                self._keys.replace(_keys_in(await self._get_or_make()))
            except (ApiError, UnusableKey) as error:
                readiness.blocked(f"the keys for claims cannot be had: {error}")
                await asyncio.sleep(retry)
            else:
                return

    async def keep_current(self, period: float) -> None:
        """Read the keys again every `period` seconds, until cancelled: they may be rotated."""
        while True:
            await asyncio.sleep(period)
            await self.refresh()

    async def refresh(self) -> None:
        """Read the keys again. A failure leaves them as they are."""
        try:
            self._keys.replace(_keys_in(await self._get_or_make()))
        except (ApiError, UnusableKey) as error:
            log.warning("the keys for claims cannot be read, keeping those in use: %s", error)

    async def _get_or_make(self) -> Manifest:
        try:
            found = await self._api.get(SECRET, self._key)
        except NotFound:
            found = None
        if found is not None and found.get("data"):
            return found
        try:
            made = await (self._create() if found is None else self._put_key(found))
        except Conflict:
            return await self._api.get(SECRET, self._key)
        log.info("put a new key for claims into Secret %s", self._key)
        return made

    async def _create(self) -> Manifest:
        try:
            return await self._api.create(SECRET, _new_secret(self._key))
        except ApiRefused as error:
            raise ApiRefused(
                f"Secret {self._key} does not exist, and the operator may not create it: {error}."
                " The chart and install.yaml create it: apply them again"
            ) from error

    async def _put_key(self, found: Manifest) -> Manifest:
        version = {"resourceVersion": found["metadata"]["resourceVersion"]}
        return await self._api.patch(SECRET, self._key, {"metadata": version, "data": _new_data()})


def _new_data() -> Manifest:
    return {CURRENT: base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}


def _new_secret(key: Key) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "namespace": key.namespace,
            "name": key.name,
            "labels": {MANAGED_BY_LABEL: MANAGED_BY},
        },
        "type": "quiver.dev/claim-keys",
        "data": _new_data(),
    }


def _keys_in(secret: Manifest) -> list[bytes]:
    data = secret.get("data") or {}
    return [_key_in(data, CURRENT), *([_key_in(data, PREVIOUS)] if PREVIOUS in data else [])]


def _key_in(data: Mapping[str, str], entry: str) -> bytes:
    try:
        key = base64.b64decode(data.get(entry) or "", validate=True)
    except binascii.Error:
        key = b""
    if len(key) < KEY_BYTES:
        raise UnusableKey(
            f"entry {entry!r} of Secret {SECRET_NAME!r} must have {KEY_BYTES} bytes or more."
            f" Correct it, or empty the Secret (kubectl patch secret {SECRET_NAME} --type merge -p"
            """ '{"data": null}'): Quiver then makes a new key, and only collections that are"""
            " being created at that moment are harmed"
        )
    return key
