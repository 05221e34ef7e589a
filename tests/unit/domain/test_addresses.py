"""Endpoints of external engines, and the addresses behind them."""

import re
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quiver.domain.addresses import (
    AddressPolicy,
    Endpoint,
    InvalidEndpoint,
    dialled,
    parse_endpoint,
    to_look_up,
)

LABEL = "a" * 63
LONGEST = ".".join([LABEL, LABEL, LABEL, "b" * 61])
ENDPOINTS = {
    "10.0.0.7:19530": ("10.0.0.7", 19530),
    "127.0.0.1:1": ("127.0.0.1", 1),
    "[fd00::1]:65535": ("fd00::1", 65535),
    "[FD00:0:0::1]:1": ("fd00::1", 1),
    "[::ffff:10.0.0.7]:1": (str(IPv6Address("::ffff:10.0.0.7")), 1),
    "milvus.example.org:19530": ("milvus.example.org", 19530),
    "Milvus.Example.ORG.:1": ("milvus.example.org", 1),
    "milvus.team.svc:1": ("milvus.team.svc", 1),
    "0.milvus-0.xn--bcher-kva.example:1": ("0.milvus-0.xn--bcher-kva.example", 1),
    "1.2.3.4.in-addr.arpa:1": ("1.2.3.4.in-addr.arpa", 1),
    f"{LONGEST}:1": (LONGEST, 1),
}
PORTS = [
    *("0", "00", "01", "65536", "99999", "100000", "+1", "-1", " 1", "1 ", "1\n", "1_0"),
    *("²", "१", "http", ""),
]
BARE = ["milvus:1", "localhost:1", "LOCALHOST.:1", "xds:1", "dns:1", "a-b:1"]
NO_HOSTS = [
    *(":1", ".:1", "..:1", ".a.b:1", "a..b:1", "-a.b:1", "a-.b:1", "a_b.c:1", "a.b..:1"),
    *(f"{LABEL}a.b:1", f"b{LONGEST}:1", "a b.c:1", "a.b\n:1", "a.b\0:1", "*.a.b:1"),
    *("tcp://a.b:1", "xds:///a.b:1", "dns:///a.b:1", "dns:a.b:1", "ipv4:10.0.0.7:1", "unix:/a.b:1"),
    *("unix-abstract:a:1", "user@a.b:1", "a.b/c:1", "a.b?c:1", "a.b#c:1", "%61.b:1", "a.b%eth0:1"),
    *("127.1:1", "2130706433:1", "0x7f000001:1", "0x7f.0.0.1:1", "127.0.0.0x1:1", "127.0.0.0X:1"),
    *("0177.0.0.1:1", "010.0.0.7:1", "10.0.0.7.:1", "10.0.0.256:1", "a.1:1", "10.0.0.²:1"),
    *("\uff110.0.0.7:1", "10.0.0.\uff17:1", "mil\u212aus.example.org:1", "bücher.example:1"),
    *("fd00::1:1", "::1:1", "[fd00::1:1", "fd00::1]:1", "[]:1", "[:]:1", "[[fd00::1]]:1"),
    *("[fe80::1%eth0]:1", "[fd00::1%25]:1", "[10.0.0.7]:1", "[a.b]:1", "[fd00::1].a:1", "[v1.a]:1"),
]
DIALLED = [
    *("10.0.0.7", "172.16.0.1", "192.168.0.1", "100.64.0.1", "192.0.2.1", "168.63.129.17"),
    *("fd00::1", "2001:4860::1", "fd00:ec3::254", "fd20:ce::253"),
    *("::ffff:10.0.0.7", "::10.0.0.7", "64:ff9b::10.0.0.7", "2002:a00:7::1"),
]
REFUSED = {
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],  # noqa: S104 - nothing is bound to it
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "link-local": ["169.254.169.254", "169.254.170.23", "fe80::1", "febf::1", "fe80::1%eth0"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1"],
    "reserved": ["240.0.0.1", "255.255.255.255"],
    "cloud's own services": [
        *("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:100::100:200"),
        *("fd00:c1::a9fe:a9fe", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:42::42"),
        "fd00:a9fe:a9fe::1",
    ],
    "NAT64": ["64:ff9b:1::a00:7", "64:ff9b:1:a9fe:a9:fe00::"],
}
EMBEDDING = {
    "mapped": "::ffff:169.254.169.254",
    "compatible": "::169.254.169.254",
    "translated": "::ffff:0:169.254.169.254",
    "NAT64": "64:ff9b::169.254.169.254",
    "6to4": "2002:a9fe:a9fe::1",
    "the server of Teredo": "2001:0:a9fe:a9fe:0:0:f5ff:fff8",
    "the client of Teredo": "2001:0:a00:7:0:0:5601:5601",
}


@pytest.mark.parametrize(("text", "endpoint"), ENDPOINTS.items())
def test_endpoints(text: str, endpoint: tuple[str, int]) -> None:
    """An endpoint is an address or a full DNS name, in any case, with a port."""
    assert parse_endpoint(text) == Endpoint(*endpoint)


@pytest.mark.parametrize("port", PORTS)
def test_wrong_ports(port: str) -> None:
    """A port is a number from 1 to 65535 in plain digits, and must be given."""
    with pytest.raises(InvalidEndpoint, match=r"does not end in a port .* write HOST:PORT"):
        parse_endpoint(f"milvus.example.org:{port}")


@pytest.mark.parametrize("text", BARE)
def test_names_without_a_domain(text: str) -> None:
    """A name that depends on who looks it up is refused with the way to write it."""
    with pytest.raises(InvalidEndpoint, match=r"without its domain.*write NAME\.NAMESPACE\.svc"):
        parse_endpoint(text)


@pytest.mark.parametrize("text", NO_HOSTS)
def test_wrong_hosts(text: str) -> None:
    """A scheme, an odd numeral, a zone or a name that none can have is refused."""
    with pytest.raises(InvalidEndpoint, match=r"the host of .* is neither .* write HOST:PORT"):
        parse_endpoint(text)


def test_long_texts_are_cut_short() -> None:
    """A message shows one line of what is wrong, however long that is."""
    with pytest.raises(InvalidEndpoint) as caught:
        parse_endpoint("a\n" * 10_000)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


HOSTS = st.one_of(
    st.text(),
    st.text("0123456789abcdefxX.:-[]%/@ ²"),
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map("[{}]".format),
    st.from_regex(r"[-0-9a-zA-Z.]{1,70}", fullmatch=True),
)


@given(st.one_of(st.text(), st.builds("{}:{}".format, HOSTS, st.integers(-1, 70_000))))
@example("0x7f.1:1")
@example("[::1%1]:1")
def test_any_text(text: str) -> None:
    """Whatever is said, what is taken is a canonical address or a full name in plain letters."""
    with suppress(InvalidEndpoint):
        host, port = parse_endpoint(text)
        assert 1 <= port <= 65535
        if re.fullmatch(r"[0-9.]+|.*:.*", host):
            assert str(ip_address(host)) == host
        else:
            assert re.fullmatch(r"[a-z0-9][-a-z0-9]*(\.[a-z0-9][-a-z0-9]*)+", host)
            assert len(host) <= 253


@given(st.builds(Endpoint, st.ip_addresses().map(str), st.integers(1, 65535)))
def test_what_is_dialled_is_an_endpoint(endpoint: Endpoint) -> None:
    """What is dialled means the address and port that it was made of, and no name."""
    assert parse_endpoint(dialled(ip_address(endpoint.host), endpoint.port)) == endpoint


def test_dialled() -> None:
    """An IPv6 address is dialled in brackets."""
    assert dialled(IPv4Address("10.0.0.7"), 19530) == "10.0.0.7:19530"
    assert dialled(IPv6Address("fd00::1"), 19530) == "[fd00::1]:19530"


POD = ["quiver-system.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org"]


@pytest.mark.parametrize(
    ("host", "search", "name"),
    [
        ("milvus.io", POD, "milvus.io."),
        ("milvus.team.svc", POD, "milvus.team.svc.cluster.local."),
        ("milvus.team.svc.cluster.local", POD, "milvus.team.svc.cluster.local."),
        ("milvus.team.svc", ["svc.svc.k8s.", "svc.k8s.", "k8s."], "milvus.team.svc.k8s."),
        ("milvus.team.svc", ["example.org"], "milvus.team.svc."),
        ("milvus.team.svc", ["svc.", "."], "milvus.team.svc."),
        ("milvus.team.svc", [], "milvus.team.svc."),
    ],
)
def test_what_is_looked_up(host: str, search: list[str], name: str) -> None:
    """A name is absolute, unless it is that of a Service, which is in the cluster's domain."""
    assert to_look_up(host, search) == name


@pytest.mark.parametrize("address", DIALLED)
def test_addresses_that_are_dialled(address: str) -> None:
    """Clusters have private addresses, so these are dialled like public ones."""
    assert AddressPolicy().refusal(ip_address(address)) is None


@pytest.mark.parametrize(
    ("kind", "address"), [(kind, address) for kind, found in REFUSED.items() for address in found]
)
def test_addresses_that_are_not_dialled(kind: str, address: str) -> None:
    """What means the operator's own machine, nobody, or a cloud's metadata is not dialled."""
    refusal = AddressPolicy().refusal(ip_address(address))
    assert refusal is not None
    assert re.match(rf"{address} is an? .*{kind}.*, which Quiver does not dial", refusal)
    assert "an admin of Quiver can allow it (--allow-engine-cidr" in refusal
    assert "in the chart engineAddresses.allow" in refusal


@pytest.mark.parametrize("address", EMBEDDING.values(), ids=EMBEDDING)
def test_embedded_addresses(address: str) -> None:
    """An IPv6 address is refused where an IPv4 address in it would be, which is named."""
    refusal = AddressPolicy().refusal(ip_address(address))
    assert refusal is not None
    assert "stands for 169.254.169.254, a link-local address" in refusal


def policy(allow: str = "", deny: str = "") -> AddressPolicy:
    """A policy of CIDRs with blanks between them."""
    return AddressPolicy(*(tuple(map(ip_network, text.split())) for text in (allow, deny)))


@pytest.mark.parametrize("address", ["10.0.0.7", "::ffff:10.0.0.7", "2002:a00:7::1", "fd00::1"])
def test_denied_addresses(address: str) -> None:
    """What is denied is not dialled, in IPv6 disguise neither, and the rest still is."""
    denying = policy(deny="10.0.0.0/8 fd00::/16")
    assert "denied here" in (denying.refusal(ip_address(address)) or "")
    assert denying.refusal(ip_address("192.168.0.1")) is None
    assert denying.refusal(ip_address("127.0.0.1")) is not None


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.7", "::ffff:127.0.0.1"])
def test_allowed_addresses(address: str) -> None:
    """What is allowed is dialled, whatever is denied, and what is beside it is not."""
    allowing = policy("127.0.0.1/32 10.0.0.7/32 ::/64 ::ffff:0:0/96", "0.0.0.0/0 ::/0")
    assert allowing.refusal(ip_address(address)) is None
    assert allowing.refusal(ip_address("10.0.0.8")) is not None


def test_allowing_ipv6_allows_no_ipv4() -> None:
    """To allow an IPv6 network does not allow the IPv4 addresses that may be embedded in it."""
    assert policy("::/0").refusal(ip_address("::ffff:127.0.0.1")) is not None
    assert policy("::/0 127.0.0.0/8").refusal(ip_address("::ffff:127.0.0.1")) is None
