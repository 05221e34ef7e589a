"""HTTP clients that never finish their requests keep no probe waiting."""

import http.client

import pytest

from machine.engine_process import EngineProcess
from support.dripping import DrippingClients
from support.waiting import wait_until

MOST = 32
"""Connections that the engine serves at a time."""
PROBES = 20
PROBE_S = 1.0
"""What the kubelet gives a probe unless it is told otherwise."""
REQUEST_S = 5.0
"""How long the engine gives a request."""


def is_alive(address: str) -> bool:
    probe = http.client.HTTPConnection(address, timeout=PROBE_S)
    try:
        probe.request("GET", "/healthz")
        return probe.getresponse().status == 200
    except OSError:
        return False
    finally:
        probe.close()


@pytest.mark.parametrize("clients", [MOST, 10 * MOST])
def test_probes_are_answered_beside_requests_that_drip(engine: EngineProcess, clients: int) -> None:
    """Twenty of twenty, beside as many such clients as the engine serves at a time, or more."""
    with DrippingClients(engine.http_address, clients):
        answered = [is_alive(engine.http_address) for _ in range(PROBES)]
    assert answered == [True] * PROBES


def test_a_request_that_drips_is_closed_in_time(engine: EngineProcess) -> None:
    """A connection has a few seconds in all, however often it sends something."""
    with DrippingClients(engine.http_address, MOST // 2) as dripping:
        assert is_alive(engine.http_address)
        wait_until(lambda: not dripping.connected, "they are closed", 3 * REQUEST_S)
