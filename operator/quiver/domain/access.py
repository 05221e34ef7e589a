"""How the operator dials an engine: address, protocol, and plaintext or TLS."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from quiver.domain.conditions import Verdict
from quiver.domain.engines import EngineType


@dataclass(frozen=True)
class Login:
    """How the operator authenticates itself to Milvus: USERNAME:PASSWORD, or a token."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class ClientTls:
    """What the operator trusts and presents when it dials, in PEM; `repr` omits it.

    Without `ca` the operator trusts the public authorities. It presents `certificate` and `key` to
    engines that request a client certificate. `server_name`, if set, replaces the dialled host as
    the name that the server's certificate must carry.
    """

    ca: bytes | None = field(default=None, repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    server_name: str | None = None


class Target(NamedTuple):
    """The server that calls are for, and how to dial it.

    `address` is the HOST:PORT to dial. `type` is the type of the engine, which selects the driver.
    `authority` is the server's name in the VectorEngine, where that is not `address`. With
    `instance`, only the engine with this id carries out calls: Quiver's engine refuses calls that
    name another. `login` authenticates each call.
    """

    address: str
    type: EngineType
    tls: ClientTls | None = None
    authority: str | None = None
    instance: str | None = None
    login: Login | None = None

    @property
    def name(self) -> str:
        """The server's name in messages and logs."""
        return self.authority or self.address

    @property
    def connection(self) -> "Target":
        """The target without `instance`, which identifies a connection.

        Targets that differ in address, TLS, authority or login share neither connection nor
        failures.
        """
        return self._replace(instance=None)


class Dialled(NamedTuple):
    """What an external endpoint resolved to: a permitted address, or why it is not dialled."""

    address: str = ""
    refusal: Verdict | None = None


@dataclass(frozen=True)
class Access:
    """How the operator dials the members of an engine.

    `trouble`, if set, is why it dials none of them. `tls` is None for plaintext, `login` for
    servers that want none. `endpoints` maps each external endpoint to what it resolved to.
    """

    tls: ClientTls | None = None
    login: Login | None = None
    trouble: Verdict | None = None
    endpoints: Mapping[str, Dialled] = field(default_factory=dict)


PLAIN = Access()
