"""How an engine is dialled: where, and in the clear or over TLS with what its Secrets hold."""

from collections.abc import Mapping
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
    """Whom calls are for, and how the server is dialled.

    `address` is the HOST:PORT that is dialled; `authority` is what the object calls the server,
    where that is something else. With `instance` the engine of this id alone does what is asked:
    an engine of Quiver's refuses calls that are meant for another.
    """

    address: str
    tls: ClientTls | None = None
    authority: str | None = None
    instance: str | None = None

    @property
    def name(self) -> str:
        """What people are told that it is."""
        return self.authority or self.address

    @property
    def connection(self) -> "Target":
        """The same server, whoever it is. Who dials one wrongly must not be in others' way."""
        return self._replace(instance=None)


class Dialled(NamedTuple):
    """The address of an external endpoint, looked up and found permissible; or why it is not
    dialled.
    """

    address: str = ""
    refusal: Verdict | None = None


@dataclass(frozen=True)
class Access:
    """How an engine is dialled. With `trouble` none of it is dialled at all, and that is why.

    `tls` is None where it is dialled in the clear. `endpoints` says where each external endpoint
    is.
    """

    tls: ClientTls | None = None
    trouble: Verdict | None = None
    endpoints: Mapping[str, Dialled] = field(default_factory=dict)


PLAIN = Access()
