"""What the operator logs in to an engine with: read from a Secret, and read again when the engine
refuses it.
"""

import asyncio
import logging
import math
from collections.abc import Callable

from quiver.domain.access import Login
from quiver.domain.engines import AUTH_SECRET_TYPE
from quiver.domain.kubernetes_types import Key
from quiver.domain.text import one_line
from quiver.reconcile.engine_secrets import FoundSecret

log = logging.getLogger(__name__)

USERNAME, PASSWORD, TOKEN = "username", "password", "token"
LONGEST = {USERNAME: 256, PASSWORD: 1024, TOKEN: 4096}
"""Bytes: a login is sent with each call, and servers take 8 KiB of such metadata."""
AGAIN_S = 60.0
"""A server may refuse one call and answer the next, for ever."""


def login_of(secret: FoundSecret) -> Login:
    """Return the login in a Secret. One of another type than AUTH_SECRET_TYPE is not looked into.

    Raises: SecretTrouble.
    """
    if secret.type != AUTH_SECRET_TYPE:
        raise secret.invalid(
            f"its type is {one_line(secret.type, 100)}, and a login is only ever read from one of "
            f"type {AUTH_SECRET_TYPE}, so that no other Secret is sent to an engine",
            "A Secret's type cannot be changed: create another, with `kubectl create secret "
            f"generic NAME --namespace={secret.key.namespace} --type={AUTH_SECRET_TYPE} "
            "--from-literal=username=NAME --from-literal=password=PASSWORD`, and name it.",
        )
    present = {entry for entry in LONGEST if secret.has(entry)}
    if present == {TOKEN}:
        return Login(_text(secret, TOKEN))
    if present == {USERNAME, PASSWORD}:
        return Login(f"{_username(secret)}:{_text(secret, PASSWORD)}")
    found = " and ".join(sorted(present)) or "none of them"
    raise secret.invalid(f"it needs username and password, or token alone, and has {found}")


def _username(secret: FoundSecret) -> str:
    username = _text(secret, USERNAME)
    if ":" in username:
        raise secret.invalid("its username has a colon, where Milvus takes the password to begin")
    return username


def _text(secret: FoundSecret, entry: str) -> str:
    content, most = secret.entry(entry), LONGEST[entry]
    if not 0 < len(content) <= most:
        raise secret.invalid(f"its {entry} has {len(content)} bytes, and may have 1 to {most}")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise secret.invalid(f"its {entry} is not UTF-8") from None  # the error has the bytes
    if not text.isprintable():
        raise secret.invalid(
            f"its {entry} has a line break or another control character, as `echo` without -n adds "
            "one"
        )
    return text


class RefusedLogins:
    """Has an engine reconciled whose login is refused: that reads its Secret again."""

    def __init__(self, add_engine: Callable[[Key], object] = lambda _engine: None) -> None:
        self._add_engine = add_engine
        self._noted: dict[Key, float] = {}

    def note(self, engine: Key, why: str) -> None:
        """Log and enqueue the engine, unless that was within the last AGAIN_S seconds."""
        now = asyncio.get_running_loop().time()
        if now - self._noted.get(engine, -math.inf) < AGAIN_S:
            return
        self._noted = {key: at for key, at in self._noted.items() if now - at < AGAIN_S}
        self._noted[engine] = now
        log.warning("engine %s: %s", engine, why)
        self._add_engine(engine)
