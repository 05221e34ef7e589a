"""The storm's network: what is cut is cut, and only in the direction that was asked for."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storm.network import CUT, HOST, Network, problem

PORT = 7000
WAIT_S = 20
ECHO = f"""
import socket, sys
echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
echo.bind((sys.argv[1], {PORT}))
print("ready", flush=True)
while True:
    told, sender = echo.recvfrom(100)
    print(told.decode(), flush=True)
    echo.sendto(told, sender)
"""


class Machine:
    """A machine that says on stdout what it is told, and sends it back."""

    def __init__(self, network: Network) -> None:
        self._address = (network.address("there"), PORT)
        self.process = subprocess.Popen(
            [sys.executable, "-c", ECHO, self._address[0]],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: network.enter("there"),  # noqa: PLW1509 - it only makes system calls
        )
        assert self.heard() == "ready"

    def heard(self) -> str:
        """Wait for the next thing that it was told."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def answers(self, word: str, within_s: float) -> bool:
        """Tell it something, and whether that comes back in time."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
            mine.settimeout(within_s)
            mine.sendto(word.encode(), self._address)
            try:
                return mine.recv(100) == word.encode()
            except TimeoutError:
                return False


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    why_not = problem()
    if why_not:
        pytest.skip(f"no network of its own here: {why_not}")
    with Network(["there"], tmp_path / "router.log") as network:
        yield network


@pytest.fixture
def machine(network: Network) -> Iterator[Machine]:
    machine = Machine(network)
    yield machine
    machine.process.kill()
    machine.process.communicate()


def test_a_cut_of_the_way_back_leaves_the_way_there(network: Network, machine: Machine) -> None:
    """What is sent arrives, its answer does not; afterwards both do."""
    assert machine.answers("before", WAIT_S)
    network.set_delay("there", HOST, CUT)
    assert not machine.answers("meanwhile", 0.3)
    network.set_delay("there", HOST, 0)
    assert machine.answers("after", WAIT_S)
    assert [machine.heard() for _ in range(3)] == ["before", "meanwhile", "after"]


def test_a_cut_of_the_way_there_lets_nothing_arrive(network: Network, machine: Machine) -> None:
    """What was sent meanwhile never arrives."""
    network.set_delay(HOST, "there", CUT)
    assert not machine.answers("meanwhile", 0.3)
    network.set_delay(HOST, "there", 0)
    assert machine.answers("after", WAIT_S)
    assert machine.heard() == "after"


def test_a_slow_network_delays(network: Network, machine: Machine) -> None:
    """An answer takes at least as long as both ways together."""
    network.set_delay(HOST, "there", 0.2)
    network.set_delay("there", HOST, 0.1)
    begun = time.monotonic()
    assert machine.answers("slowly", WAIT_S)
    assert time.monotonic() - begun >= 0.3
