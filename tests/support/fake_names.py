"""The addresses of names, as a test gives them."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from quiver.ports.errors import NameNotResolved


class FakeNames:
    """Implements `quiver.ports.names.Names`: the addresses of names as a test gives them."""

    def __init__(self) -> None:
        self.addresses: dict[str, tuple[str, ...]] = {}

    async def addresses_of(self, host: str) -> tuple[IPv4Address | IPv6Address, ...]:
        if host not in self.addresses:
            raise NameNotResolved(f"{host}: its name cannot be resolved: there is none such")
        return tuple(map(ip_address, self.addresses[host]))
