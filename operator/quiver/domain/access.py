"""How an engine is dialled: in the clear, or over TLS with what its Secrets hold."""

from dataclasses import dataclass, field
from typing import NamedTuple

from quiver.domain.conditions import Verdict


@dataclass(frozen=True)
class ClientTls:
    """What the operator trusts and shows when it dials; PEM, and nothing of it in `repr`.

    Without `ca` the public authorities are trusted. `certificate` and `key` are shown to engines
    that ask for them. `server_name` is the name that the server's certificate must have, in place
    of the host that is dialled.
    """

    ca: bytes | None = field(default=None, repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    server_name: str | None = None


class Target(NamedTuple):
    """An address and how it is dialled: who dials one wrongly must not be in others' way."""

    address: str
    tls: ClientTls | None = None


class Access(NamedTuple):
    """`tls` is None where an engine is dialled in the clear. With `trouble` it is not dialled at
    all, and that is why.
    """

    tls: ClientTls | None = None
    trouble: Verdict | None = None


PLAIN = Access()
