"""The addresses of names, as a test gives them."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from quiver.ports.errors import NameNotResolved


class FakeNames:
    """Implements `quiver.ports.names.Names`. `asked` are the names that were looked up."""

    def __init__(self) -> None:
        self.addresses: dict[str, tuple[str, ...]] = {}
        self.asked: list[str] = []

    async def addresses_of(self, host: str) -> tuple[IPv4Address | IPv6Address, ...]:
        self.asked.append(host)
        if host not in self.addresses:
            raise NameNotResolved("its name cannot be resolved: there is no such name")
        return tuple(map(ip_address, self.addresses[host]))
