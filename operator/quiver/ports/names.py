"""DNS, as the reconcilers see it."""

from ipaddress import IPv4Address, IPv6Address
from typing import Protocol


class Names(Protocol):
    async def addresses_of(self, host: str) -> tuple[IPv4Address | IPv6Address, ...]:
        """Return the addresses of a full DNS name: 1 to 64, without duplicates, IPv4 before IPv6,
        each sorted by value.

        `host` is a name as quiver.domain.addresses.parse_endpoint returns it, not an address.
        Raises: NameNotResolved, within seconds, also if the name has no address.
        """
