"""How an engine is dialled: where, in what protocol, and in the clear or over TLS with what its
Secrets hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from quiver.domain.conditions import Verdict
from quiver.domain.engines import EngineType


@dataclass(frozen=True)
class ClientTls:
    """What the operator trusts and presents when it dials: PEM, which `repr` leaves out.

    Without `ca` the public authorities are trusted. `certificate` and `key` are presented to
    engines that ask for them. `server_name` is the name that the server's certificate must have, in
    place of the host that is dialled.
    """

    ca: bytes | None = field(default=None, repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    server_name: str | None = None


class Target(NamedTuple):
    """The server that calls are for, and how it is dialled.

    `address` is the HOST:PORT that is dialled, `type` that of its engine, which chooses the driver.
    `authority` is what the object calls the server, where that is something else. With `instance`
    the engine of this id alone does what is asked: an engine of Quiver's refuses calls that are
    meant for another.
    """

    address: str
    type: EngineType
    tls: ClientTls | None = None
    authority: str | None = None
    instance: str | None = None

    @property
    def name(self) -> str:
        """The server's name in messages and logs."""
        return self.authority or self.address

    @property
    def connection(self) -> "Target":
        """The same server, dialled in the same way, whatever its instance.

        Those who dial it in another way do not share its connection, nor its failures.
        """
        return self._replace(instance=None)


class Dialled(NamedTuple):
    """The address of an external endpoint, looked up and found permissible; or why it is not
    dialled.
    """

    address: str = ""
    refusal: Verdict | None = None


@dataclass(frozen=True)
class Access:
    """How an engine is dialled.

    A `trouble` is why none of its members is dialled. `tls` is None where they are dialled in the
    clear. `endpoints` says where each external endpoint is.
    """

    tls: ClientTls | None = None
    trouble: Verdict | None = None
    endpoints: Mapping[str, Dialled] = field(default_factory=dict)


PLAIN = Access()
