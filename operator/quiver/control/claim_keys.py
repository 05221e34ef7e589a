"""The keys that claims are signed with, in a Secret of the operator's namespace."""

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
from quiver.ports.errors import ApiError, Conflict, NotFound

log = logging.getLogger(__name__)

SECRET_NAME = "quiver-claim-keys"  # noqa: S105 - a name
CURRENT, PREVIOUS = "current", "previous"
"""Entries: the key that signs, and one that is believed besides, while a key is turned."""
RETRY_S = 2.0


class UnusableKey(Exception):
    """The Secret holds no key."""


class KeySecret:
    """Keeps a process's keys as the Secret has them. The first operator makes it."""

    def __init__(self, api: Api, namespace: str, keys: ClaimKeys) -> None:
        self._api = api
        self._key = Key(namespace, SECRET_NAME)
        self._keys = keys

    async def load(self, readiness: Readiness) -> None:
        """Read the keys, again and again until it has worked once; say what is in the way."""
        while True:
            try:
                self._keys.replace(_keys_in(await self._found_or_made()))
            except (ApiError, UnusableKey) as error:
                readiness.blocked(f"the keys for claims cannot be had: {error}")
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def keep_current(self, period: float) -> None:
        """Read the keys anew every `period` seconds, for ever: a key may be turned."""
        while True:
            await asyncio.sleep(period)
            await self.refresh()

    async def refresh(self) -> None:
        """Read the keys once more. A failure leaves them as they are."""
        try:
            self._keys.replace(_keys_in(await self._found_or_made()))
        except (ApiError, UnusableKey) as error:
            log.warning("the keys for claims cannot be read, going on with those known: %s", error)

    async def _found_or_made(self) -> Manifest:
        try:
            return await self._api.get(SECRET, self._key)
        except NotFound:
            pass
        try:
            made = await self._api.create(SECRET, _new_secret(self._key))
        except Conflict:
            return await self._api.get(SECRET, self._key)
        log.info("made Secret %s with a new key for claims", self._key)
        return made


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
        "data": {CURRENT: base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()},
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
            " Correct it, or delete the Secret: Quiver then makes a new key, and only collections"
            " that are being created at that moment are harmed"
        )
    return key
