"""Endpoints of external engines: how they are parsed, and which addresses the operator dials.

Tenants write endpoints. A tenant may not know the operator's network, or may try to reach into it.
"""

import re
from collections.abc import Container, Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

EXAMPLES = "such as milvus.example.org:19530, 10.0.0.7:19530 or [fd00::1]:19530"

# ASCII only: str.isdigit() and str.lower() accept digits and letters of many scripts.
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LABEL = r"[A-Za-z0-9](?:[-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# Some resolvers parse a host that ends in such a label as an address: 127.1 as 127.0.0.1.
_NUMERAL = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


class InvalidEndpoint(ValueError):
    """The text is not an endpoint. The message says why, what is allowed and what to do."""


class Endpoint(NamedTuple):
    """A parsed endpoint.

    `host` is an IP address in its canonical form, without brackets, or a full DNS name in lower
    case, which contains a dot and does not end in one.
    """

    host: str
    port: int


def parse_endpoint(text: str) -> Endpoint:
    """Parse HOST:PORT. Raises: InvalidEndpoint."""
    host, _, port = text.rpartition(":")
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise InvalidEndpoint(
            f"{_shown(text)} does not end in a port from 1 to 65535 in plain digits; write"
            f" HOST:PORT, {EXAMPLES}"
        )
    return Endpoint(_host(host, text), int(port))


def _host(host: str, text: str) -> str:
    with suppress(ValueError):
        if host[:1] + host[-1:] == "[]" and "%" not in host:
            return str(IPv6Address(host[1:-1]))
        return str(IPv4Address(host))
    name = host.removesuffix(".")
    last = name.rpartition(".")[2]
    if len(name) > 253 or not _NAME.fullmatch(name) or _NUMERAL.fullmatch(last):
        raise InvalidEndpoint(
            f"the host of {_shown(text)} is neither an IPv4 address, nor an IPv6 address in"
            f" brackets, nor a full DNS name; write HOST:PORT without a scheme, {EXAMPLES}"
        )
    if "." not in name:
        raise InvalidEndpoint(
            f"{_shown(text)} names a host without its domain, which would be looked up in the"
            " operator's namespace by Quiver and elsewhere by applications; write"
            f" NAME.NAMESPACE.svc:PORT for a Service of this cluster, or the full name, {EXAMPLES}"
        )
    return name.lower()


def _shown(text: str) -> str:
    return repr(text if len(text) <= 100 else f"{text[:100]}…")


def to_look_up(host: str, search: Iterable[str]) -> str:
    """Return the absolute DNS name (it ends in a dot) to resolve for the host of an endpoint.

    NAME.NAMESPACE.svc is a Service of this cluster. The cluster's domain follows from `search`, the
    search domains of a pod's resolv.conf. They are never tried one by one: a namespace called `io`
    with a Service `milvus` would capture milvus.io, and one called `svc` would capture Services of
    other namespaces.
    """
    if not host.endswith(".svc"):
        return f"{host}."
    domains = {domain.strip(".") for domain in search}
    cluster = [domain for domain in domains if domain and f"svc.{domain}" in domains]
    # In a namespace called svc, svc.cluster.local matches too: the shortest is the cluster's.
    return ".".join([host, *sorted(cluster, key=len)[:1], ""])


def dialled(address: Address, port: int) -> str:
    """Return the HOST:PORT to dial. Its host is an IP address, so that nothing resolves it."""
    return f"{address}:{port}" if isinstance(address, IPv4Address) else f"[{address}]:{port}"


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


# Metadata services outside the link-local ranges, where most clouds have theirs.
_METADATA = _networks(
    "168.63.129.16/32",  # Azure, "What is IP address 168.63.129.16?": wire server and DNS
    "100.100.100.200/32",  # Alibaba Cloud, "View instance metadata"
    "fd00:100::100:200/128",  # the same over IPv6
    "192.0.0.192/32",  # Oracle Cloud Infrastructure Classic, "Retrieving Instance Metadata"
    "fd00:c1::a9fe:a9fe/128",  # Oracle Cloud Infrastructure; its Python SDK has it
    "fd00:ec2::/32",  # AWS: metadata ::254, credentials of EKS pods ::23, DNS ::253, time ::123
    "fd20:ce::254/128",  # Google Cloud, "View and query VM metadata": instances with IPv6 alone
    "fd00:42::42/128",  # Scaleway; cloud-init's data source has it
    "fd00:a9fe:a9fe::1/128",  # Akamai (Linode), "Metadata service API"
)
_REFUSED = (
    ("an unspecified address", _networks("0.0.0.0/8", "::/128")),
    ("a loopback address", _networks("127.0.0.0/8", "::1/128")),
    ("a link-local address", _networks("169.254.0.0/16", "fe80::/10")),
    ("a multicast address", _networks("224.0.0.0/4", "ff00::/8")),
    ("a reserved address", _networks("240.0.0.0/4")),
    ("an address of a cloud's own services, such as instance metadata", _METADATA),
    # RFC 8215: only the network knows where such an address embeds an IPv4 address.
    ("an address of a NAT64 within the network", _networks("64:ff9b:1::/48")),
)
_ALL_BITS = 2**32 - 1
# IPv6 ranges that embed an IPv4 address: how many bits follow it, and which of its bits to flip.
_EMBEDDED = (
    (IPv6Network("::ffff:0:0/96"), 0, 0),  # IPv4-mapped
    (IPv6Network("::/96"), 0, 0),  # IPv4-compatible
    (IPv6Network("::ffff:0:0:0/96"), 0, 0),  # IPv4-translated, RFC 2765
    (IPv6Network("64:ff9b::/96"), 0, 0),  # NAT64, RFC 6052
    (IPv6Network("2002::/16"), 80, 0),  # 6to4
    (IPv6Network("2001::/32"), 64, 0),  # Teredo: its server
    (IPv6Network("2001::/32"), 0, _ALL_BITS),  # Teredo: its client
)


@dataclass(frozen=True)
class AddressPolicy:
    """Which addresses the operator dials.

    It refuses `deny` and built-in ranges at which no engine should be, such as the addresses of the
    operator's own machine. `allow` takes precedence over both.
    """

    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()

    def refusal(self, address: Address) -> str | None:
        """Return why the operator does not dial the address, as a sentence; None if it does."""
        for meant in meant_by(address):
            kind = self._refused_kind(meant)
            if kind is not None:
                what = "is" if meant is address else f"stands for {meant},"
                return (
                    f"{address} {what} {kind}, which Quiver does not dial; an admin of Quiver can"
                    " allow it (--allow-engine-cidr, in the chart engineAddresses.allow)"
                )
        return None

    def _refused_kind(self, address: Address) -> str | None:
        if _within(self.allow, address):
            return None
        if _within(self.deny, address):
            return "an address that is denied here"
        return next((kind for kind, networks in _REFUSED if _within(networks, address)), None)


def _within(networks: Iterable[Network], address: Address) -> bool:
    return any(address in network for network in networks)


def meant_by(address: Address) -> list[Address]:
    """Return the address, and the IPv4 addresses that the network may translate it to."""
    return [address, *_embedded_in(address)]


def mapped(address: Address) -> Address:
    """Return the IPv4 address of an IPv4-mapped IPv6 address; any other address unchanged."""
    return getattr(address, "ipv4_mapped", None) or address


def leads_to(text: str, hosts: Container[str]) -> bool:
    """Tell whether HOST:PORT, as `dialled` returns it, leads to one of the IP addresses."""
    host = ip_address(text.rpartition(":")[0].strip("[]"))
    return any(str(meant) in hosts for meant in meant_by(host))


def place_of(text: str) -> str:
    """Return HOST:PORT, as `dialled` returns it, but with an IPv4 address that its host embeds."""
    host, _, port = text.rpartition(":")
    return dialled(meant_by(ip_address(host.strip("[]")))[-1], int(port))


def _embedded_in(address: Address) -> list[IPv4Address]:
    value = int(address)
    # :: and ::1 lie in the range of IPv4-compatible addresses, but embed none.
    if isinstance(address, IPv4Address) or value <= 1:
        return []
    return [
        IPv4Address(value >> shift & _ALL_BITS ^ flipped)
        for network, shift, flipped in _EMBEDDED
        if address in network
    ]
