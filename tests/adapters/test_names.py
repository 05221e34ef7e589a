"""Names, looked up at a name server that answers as each test says."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast

import pytest

from quiver.adapters.names import Bounds, DnsNames, _search_list
from quiver.ports.errors import NameNotResolved

SOON_S = 1.0
"""The deadline of a look-up that is to miss it."""

A, AAAA = 1, 28
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
TRUNCATED = 0x0200

Answer = tuple[int, list[str]]
Zone = Callable[[str], Answer | None]


class NameServer(asyncio.DatagramProtocol):
    """Answers each question with what `zone` has for its name; with silence where that is None."""

    def __init__(self) -> None:
        self.zone: Zone = lambda _name: (NXDOMAIN, [])
        self.ttl = 0
        self.asked: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The loop's own class of datagram transports does not say that it is one.
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name, end = question_in(data)
        kind = int.from_bytes(data[end : end + 2], "big")
        self.asked.append(name)
        answer = self.zone(name)
        if answer is None:
            return
        code, found = answer
        packed = [address.packed for address in map(ip_address, found)]
        wanted = [one for one in packed if len(one) == (4 if kind == A else 16)]
        head = struct.pack("!2s5H", data[:2], 0x8180 | code, 1, len(wanted), 0, 0)
        # 0xC00C points at the question's name.
        rows = [struct.pack("!3HIH", 0xC00C, kind, 1, self.ttl, len(one)) + one for one in wanted]
        self.transport.sendto(head + data[12 : end + 4] + b"".join(rows), addr)


def question_in(data: bytes) -> tuple[str, int]:
    """The name that a message asks for, and where it ends."""
    labels, at = [], 12
    while size := data[at]:
        labels.append(data[at + 1 : at + 1 + size].decode())
        at += 1 + size
    return ".".join(labels), at + 1


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    """A name server."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, ("127.0.0.1", 0))
    yield server
    transport.close()


POD = ["quiver-system.svc.cluster.local", "svc.cluster.local", "cluster.local"]


@asynccontextmanager
async def asking(
    server: NameServer, deadline: float = 5.0, **bounds: Any
) -> AsyncIterator[DnsNames]:
    """What is tested, as in a pod, with that name server."""
    host, port = server.transport.get_extra_info("sockname")
    dns = DnsNames([f"{host}:{port}"], POD, deadline, Bounds(**bounds))
    yield dns
    await dns.close()


@pytest.fixture
async def dns(server: NameServer) -> AsyncIterator[DnsNames]:
    async with asking(server) as dns:
        yield dns


async def look_up(dns: DnsNames, host: str = "milvus.example.org") -> list[str]:
    """The name's addresses as text."""
    return [str(address) for address in await dns.addresses_of(host)]


async def test_several_addresses(dns: DnsNames, server: NameServer) -> None:
    """A name has the addresses of both kinds, sorted, each once."""
    server.zone = lambda _: (NOERROR, ["fd00::2", "10.0.0.10", "10.0.0.9", "fd00::1", "10.0.0.9"])
    assert await look_up(dns) == ["10.0.0.9", "10.0.0.10", "fd00::1", "fd00::2"]


@pytest.mark.parametrize("address", ["10.0.0.9", "fd00::1"])
async def test_addresses_of_one_kind(dns: DnsNames, server: NameServer, address: str) -> None:
    """A name needs no address of the other kind."""
    server.zone = lambda _: (NOERROR, [address])
    assert await look_up(dns) == [address]


@pytest.mark.parametrize("count", [64, 65, 2000])
async def test_most_addresses(dns: DnsNames, server: NameServer, count: int) -> None:
    """Of many addresses the first 64 count."""
    addresses = [f"10.0.{n // 250}.{n % 250 + 1}" for n in range(count)]
    server.zone = lambda _: (NOERROR, addresses)
    assert await look_up(dns) == addresses[:64]


async def test_a_truncated_answer(dns: DnsNames, server: NameServer) -> None:
    """Where a packet has no room for all addresses, those in it count: nothing comes by TCP."""
    server.zone = lambda _: (NOERROR | TRUNCATED, ["10.0.0.9"])
    assert await look_up(dns) == ["10.0.0.9"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((NOERROR, []), "it has no address"),
        ((NXDOMAIN, []), "there is no such name"),
        ((SERVFAIL, []), "the name server failed"),
        ((REFUSED, []), "the name server refused to answer"),
    ],
)
async def test_names_without_address(
    dns: DnsNames, server: NameServer, answer: Answer, words: str
) -> None:
    """A name without address, or whose name server fails, is told of in one short line."""
    server.zone = lambda _: answer
    with pytest.raises(NameNotResolved, match=rf"^its name cannot be resolved: {words}$"):
        await look_up(dns)


async def test_no_name_server(dns: DnsNames, server: NameServer) -> None:
    """Where no name server is, that is told, and at once."""
    server.transport.close()
    with pytest.raises(NameNotResolved, match="no name server is there"):
        await look_up(dns)


async def test_a_silent_name_server(server: NameServer) -> None:
    """A name whose name server never answers holds up nobody, and its caller not for long."""
    silent = asyncio.Event()

    def zone(name: str) -> Answer | None:
        if name == "slow.example.org":
            silent.set()
            return None
        return NOERROR, ["10.0.0.9"]

    server.zone = zone
    async with asking(server, deadline=SOON_S) as dns:
        slow = [asyncio.create_task(look_up(dns, "slow.example.org")) for _ in range(100)]
        await silent.wait()
        assert await look_up(dns) == ["10.0.0.9"]
        assert not any(task.done() for task in slow)
        for told in await asyncio.gather(*slow, return_exceptions=True):
            assert str(told) == "its name cannot be resolved: no answer came within 1 s"


async def test_no_more_look_ups_go_at_once(server: NameServer) -> None:
    """So many look-ups are under way, and the others wait for their turn."""
    asked = asyncio.Event()
    server.zone = lambda name: asked.set() if "slow" in name else (NOERROR, ["10.0.0.9"])
    hosts = [f"{n}.slow.example.org" for n in range(9)]
    async with asking(server, at_once=2) as dns, asking(server) as other:
        slow = [asyncio.create_task(look_up(dns, host)) for host in hosts]
        await asked.wait()
        # Its packets come behind those of all that went at once.
        await look_up(other)
        assert {*server.asked} == {*hosts[:2], "milvus.example.org"}
        for task in slow[:2]:
            task.cancel()
        server.zone = lambda _: (NOERROR, ["10.0.0.9"])
        assert await asyncio.gather(*slow[2:]) == [["10.0.0.9"]] * 7


async def test_waiting_is_bounded_too(server: NameServer) -> None:
    """A look-up that waits for its turn has no other deadline than one that does not."""
    server.zone = lambda _: None
    waiting_for_one = asking(server, deadline=SOON_S, at_once=1)
    async with waiting_for_one as dns, asyncio.timeout(20 * SOON_S):
        waiting = (look_up(dns, f"{n}.slow.example.org") for n in range(40))
        found = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(one) for one in found} == {NameNotResolved}


async def test_a_look_up_that_is_given_up(dns: DnsNames, server: NameServer) -> None:
    """A look-up that is cancelled is over, and leaves its place to others."""
    asked = asyncio.Event()
    server.zone = lambda _: asked.set()
    task = asyncio.create_task(look_up(dns))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.zone = lambda _: (NOERROR, ["10.0.0.9"])
    assert await look_up(dns, "other.example.org") == ["10.0.0.9"]


async def test_another_answer(dns: DnsNames, server: NameServer) -> None:
    """A name that moves is found where it is now."""
    server.zone = lambda _: (NOERROR, ["10.0.0.9"])
    assert await look_up(dns) == ["10.0.0.9"]
    server.zone = lambda _: (NOERROR, ["127.0.0.1"])
    assert await look_up(dns) == ["127.0.0.1"]


@pytest.mark.parametrize(
    "bounds", [{"kept_s": 0}, {"per_resolver": 1}], ids=["KEPT_S", "LOOKUPS_PER_RESOLVER"]
)
async def test_answers_are_not_kept_for_long(server: NameServer, bounds: dict[str, int]) -> None:
    """An answer is kept for seconds, even if it may be for longer, and for so many look-ups."""
    server.ttl = 3600
    async with asking(server) as dns:
        server.zone = lambda _: (NOERROR, ["10.0.0.9"])
        assert await look_up(dns) == await look_up(dns) == ["10.0.0.9"]
        assert server.asked == ["milvus.example.org"] * 2
    async with asking(server, **bounds) as dns:
        assert await look_up(dns) == ["10.0.0.9"]
        server.zone = lambda _: (NOERROR, ["fd00::1"])
        assert await look_up(dns) == ["fd00::1"]


async def test_a_look_up_outlives_its_resolver(server: NameServer) -> None:
    """A look-up under way ends well though a later one begins with a new resolver."""
    asked = asyncio.Event()
    server.zone = lambda _: asked.set()
    async with asking(server, kept_s=0) as dns:
        task = asyncio.create_task(look_up(dns))
        await asked.wait()
        server.zone = lambda _: (NOERROR, ["10.0.0.9"])
        assert await look_up(dns, "other.example.org") == ["10.0.0.9"]
        assert await task == ["10.0.0.9"]


async def test_closing(dns: DnsNames, server: NameServer) -> None:
    """Look-ups under way fail when the operator ends."""
    asked = asyncio.Event()
    server.zone = lambda _: asked.set()
    task = asyncio.create_task(look_up(dns))
    await asked.wait()
    await dns.close()
    with pytest.raises(NameNotResolved, match="Quiver ends"):
        await task


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("milvus.io", "milvus.io"),
        ("milvus.team.svc", "milvus.team.svc.cluster.local"),
        ("a.localhost", "a.localhost"),
    ],
)
async def test_what_is_asked_for(
    dns: DnsNames,
    server: NameServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    asked: str,
) -> None:
    """One name is asked for, of the name server alone: no domains are tried, no file is read."""
    hosts = tmp_path / "hosts"
    hosts.write_text(f"10.0.0.8 {host} {asked}\n")
    monkeypatch.setenv("CARES_HOSTS", str(hosts))
    server.zone = lambda name: (NOERROR, ["10.0.0.9"] if name == asked else [])
    assert await look_up(dns, host) == ["10.0.0.9"]
    assert {*server.asked} == {asked}


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("nameserver 10.96.0.10\nsearch a.org b.org\noptions ndots:5\n", ["a.org", "b.org"]),
        ("search a.org\n\n#search c.org\nsearch\tb.org\n", ["b.org"]),
        ("", []),
        (None, []),
    ],
)
def test_search_list(tmp_path: Path, text: str | None, search: list[str]) -> None:
    """The last search list of resolv.conf counts, and a missing one is empty."""
    path = tmp_path / "resolv.conf"
    if text is not None:
        path.write_text(text)
    assert _search_list(path) == search


async def test_by_default_resolv_conf_says_what_is_asked() -> None:
    """Nothing has to be set: name servers and search list are those of the machine."""
    await DnsNames().close()
