"""Resolves names with c-ares: a name server that answers slowly does not block a thread."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from weakref import WeakSet

import aiodns
import pycares
from aiodns import error

from quiver.domain.addresses import Address, to_look_up
from quiver.ports.errors import NameNotResolved

RESOLV_CONF = Path("/etc/resolv.conf")
DEADLINE_S = 5.0
MOST_ADDRESSES = 64
TRIES = 5
# An answer that does not fit in a packet is truncated, not read again over TCP, over which a name
# server could send fifty times as much. 64 IPv4 addresses do fit.
FLAGS = pycares.ARES_FLAG_EDNS | pycares.ARES_FLAG_IGNTC
NO_SORT = 1 << 7
"""ARES_AI_NOSORT of c-ares, for which pycares has no name. The adapter sorts by itself, so c-ares
need not open a socket for each address to find the nearest.
"""

WORDS = {
    error.ARES_ENOTFOUND: "there is no such name",
    error.ARES_ENODATA: "it has no address",
    error.ARES_ESERVFAIL: "the name server failed",
    error.ARES_EREFUSED: "the name server refused to answer",
    error.ARES_ECONNREFUSED: "no name server is there",
    error.ARES_ETIMEOUT: "no name server answered in time",
    error.ARES_ECANCELLED: "it was not waited for, since Quiver ends",
}


@dataclass(frozen=True)
class Bounds:
    """What lookups may cost, whatever names tenants choose."""

    at_once: int = 256
    """Concurrent lookups. Each may last until its deadline, if a tenant's name server is silent."""
    kept_s: float = 5.0
    """Seconds after which a resolver is replaced.

    c-ares caches answers for their TTL, and missing names for up to an hour: a name that was
    created since would be missed. A new resolver takes a tenth of a millisecond.
    """
    per_resolver: int = 256
    """Lookups after which a resolver is replaced, if that comes first.

    The cache of c-ares has no bound: tenants, who choose the names, could fill the memory.
    """


BOUNDS = Bounds()


class DnsNames:
    """Implements `quiver.ports.names.Names`. Create and close it within the loop that uses it."""

    def __init__(
        self,
        servers: Sequence[str] = (),
        search: Sequence[str] | None = None,
        deadline: float = DEADLINE_S,
        bounds: Bounds = BOUNDS,
    ) -> None:
        """`servers` (HOST:PORT) and `search` replace those of resolv.conf. `deadline`, in seconds,
        is for a whole lookup with all its tries.
        """
        self._servers = servers
        self._search = _search_list(RESOLV_CONF) if search is None else search
        self._deadline = deadline
        self._bounds = bounds
        self._slots = asyncio.Semaphore(bounds.at_once)
        self._resolvers: WeakSet[aiodns.DNSResolver] = WeakSet()
        self._renew()

    async def addresses_of(self, host: str) -> tuple[Address, ...]:
        name = to_look_up(host, self._search)
        try:
            async with asyncio.timeout(self._deadline), self._slots:
                answer = await self._current().getaddrinfo(name, flags=NO_SORT)
        except TimeoutError as problem:
            raise _not_resolved(f"no answer came within {self._deadline:g} s") from problem
        except error.DNSError as problem:
            # The message has no text from the name server, which may be a tenant's.
            why = WORDS.get(problem.args[0], "the name server's answer cannot be used")
            raise _not_resolved(why) from problem
        found = {ip_address(node.addr[0].decode()) for node in answer.nodes}
        if not found:
            raise _not_resolved(WORDS[error.ARES_ENODATA])
        return tuple(sorted(found, key=lambda address: (address.version, address)))[:MOST_ADDRESSES]

    async def close(self) -> None:
        """Close all resolvers. Lookups in progress fail."""
        for resolver in list(self._resolvers):
            await resolver.close()

    def _current(self) -> aiodns.DNSResolver:
        age = asyncio.get_running_loop().time() - self._made_at
        if self._left == 0 or age >= self._bounds.kept_s:
            self._renew()
        self._left -= 1
        return self._resolver

    def _renew(self) -> None:
        # Lookups in progress keep the previous resolver alive, which closes with the last of them.
        self._left = self._bounds.per_resolver
        self._made_at = asyncio.get_running_loop().time()
        # Without `lookups` and `resolvconf_path`: pycares 5.2 frees them before c-ares reads them.
        self._resolver = aiodns.DNSResolver(
            # None stands for those of resolv.conf, which c-ares reads again when it changes.
            self._servers or None,
            # Packets get lost: the first try ends soon, and each next one waits longer.
            timeout=self._deadline / 10,
            tries=TRIES,
            flags=FLAGS,
        )
        self._resolvers.add(self._resolver)


def _not_resolved(why: str) -> NameNotResolved:
    return NameNotResolved(f"its name cannot be resolved: {why}")


def _search_list(resolv_conf: Path) -> list[str]:
    """Return the domains of the last `search` line, which overrides the others."""
    found: list[str] = []
    with suppress(OSError):
        for line in resolv_conf.read_text(errors="replace").splitlines():
            word, *domains = line.split() or [""]
            found = domains if word == "search" else found
    return found
