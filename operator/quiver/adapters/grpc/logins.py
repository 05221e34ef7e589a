"""Logins: how a call carries one, and how what a server says is quoted without it."""

import base64

from quiver.domain.access import Login
from quiver.domain.text import one_line

KEY = "authorization"
HIDDEN = "***"


def authorization(login: Login) -> tuple[str, str]:
    """Return the entry in a call's metadata that authenticates it."""
    return KEY, _encoded(login)


def quoted(text: str, login: Login | None) -> str:
    """Return a server's words on one short line, without the login that the server was sent."""
    if login is not None:
        for secret in (_encoded(login), login.token, login.token.partition(":")[2]):
            text = text.replace(secret, HIDDEN) if secret else text
    return one_line(text)


def _encoded(login: Login) -> str:
    return base64.b64encode(login.token.encode()).decode()
