"""The domain name system, as the reconcilers see it."""

from ipaddress import IPv4Address, IPv6Address
from typing import Protocol


class Names(Protocol):
    async def addresses_of(self, host: str) -> tuple[IPv4Address | IPv6Address, ...]:
        """Return the addresses of a full DNS name: at least one and at most 64, none twice, those
        of IPv4 first, each kind by value.

        `host` is as quiver.domain.addresses.parse_endpoint returns names; addresses are not for it.
        Raises: NameNotResolved, within seconds, also where the name has no address.
        """
