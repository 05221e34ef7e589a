"""Looks up names by c-ares: however slowly a name server answers, it holds no thread."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
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
AT_ONCE = 256
"""Look-ups; each of them waits for its deadline where a tenant's name server is silent."""

KEPT_S = 5.0
LOOKUPS_PER_RESOLVER = 256
"""c-ares keeps answers for as long as they say, and for up to an hour that there is none; it keeps
as many as there are. So a resolver is replaced after so many seconds, lest a name be missed that is
there by now, and after so many look-ups, lest whoever writes names fill the memory with them. A new
one takes a tenth of a millisecond.
"""

MOST_ADDRESSES = 64
TRIES = 5
# What does not fit in a packet is left out: 64 addresses of IPv4 do fit, and by TCP a name server
# could have us read fifty times as much.
FLAGS = pycares.ARES_FLAG_EDNS | pycares.ARES_FLAG_IGNTC
NO_SORT = 1 << 7
"""ARES_AI_NOSORT of c-ares, for which pycares has no name: the order is ours, and c-ares need not
open a socket for each address to find the nearest.
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


class DnsNames:
    """Implements Names. To be made, and closed, within the loop that uses it."""

    def __init__(
        self,
        servers: Sequence[str] = (),
        search: Sequence[str] | None = None,
        deadline: float = DEADLINE_S,
    ) -> None:
        """`servers` (HOST:PORT) and `search` stand for those of resolv.conf; `deadline` is in
        seconds, and for everything together.
        """
        self._servers = servers
        self._search = _search_list(RESOLV_CONF) if search is None else search
        self._deadline = deadline
        self._slots = asyncio.Semaphore(AT_ONCE)
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
            # The words are ours: what a name server sends gets into no message.
            why = WORDS.get(problem.args[0], "the name server's answer cannot be used")
            raise _not_resolved(why) from problem
        found = {ip_address(node.addr[0].decode()) for node in answer.nodes}
        if not found:
            raise _not_resolved(WORDS[error.ARES_ENODATA])
        return tuple(sorted(found, key=lambda address: (address.version, address)))[:MOST_ADDRESSES]

    async def close(self) -> None:
        """Look up nothing more; look-ups under way fail."""
        for resolver in list(self._resolvers):
            await resolver.close()

    def _current(self) -> aiodns.DNSResolver:
        if self._left == 0 or asyncio.get_running_loop().time() - self._made_at >= KEPT_S:
            self._renew()
        self._left -= 1
        return self._resolver

    def _renew(self) -> None:
        # Look-ups under way hold the resolver before it, which is closed with the last of them.
        self._left = LOOKUPS_PER_RESOLVER
        self._made_at = asyncio.get_running_loop().time()
        # Not with lookups or resolvconf_path: pycares 5.2 frees them before c-ares reads them.
        self._resolver = aiodns.DNSResolver(
            # Without any, those of resolv.conf, which c-ares reads anew when it changes.
            self._servers or None,
            # Packets get lost: the first try is over soon, and each next one waits longer.
            timeout=self._deadline / 10,
            tries=TRIES,
            flags=FLAGS,
        )
        self._resolvers.add(self._resolver)


def _not_resolved(why: str) -> NameNotResolved:
    return NameNotResolved(f"its name cannot be resolved: {why}")


def _search_list(resolv_conf: Path) -> list[str]:
    """Return the domains of the file's last `search`, the one that counts."""
    found: list[str] = []
    with suppress(OSError):
        for line in resolv_conf.read_text(errors="replace").splitlines():
            word, *domains = line.split() or [""]
            found = domains if word == "search" else found
    return found
