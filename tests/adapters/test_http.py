"""Probes and metrics over HTTP."""

import asyncio

import aiohttp
from prometheus_client import CollectorRegistry

from quiver.adapters.http import BACKLOG, CONNECTION_S, MOST_CONNECTIONS, application, serving
from quiver.control.observe.readiness import Readiness
from support.dripping import DrippingClients
from support.waiting import eventually


async def fetch(address: str, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}{path}") as answer:
        return answer.status, await answer.text()


async def test_readiness_says_what_is_missing() -> None:
    """/readyz is 503 with the reason until the operator is at work; /healthz always answers."""
    readiness = Readiness()
    async with serving(application(readiness, CollectorRegistry()), "127.0.0.1", 0) as address:
        readiness.blocked("the CRDs are missing")
        assert await fetch(address, "/readyz") == (503, "the CRDs are missing\n")
        assert await fetch(address, "/healthz") == (200, "ok\n")
        readiness.achieved()
        assert await fetch(address, "/readyz") == (200, "ok\n")


async def test_a_standby_is_ready_and_says_who_leads() -> None:
    """So that a rollout goes on: the new pod is Ready before the old one gives up the lease."""
    readiness = Readiness()
    async with serving(application(readiness, CollectorRegistry()), "127.0.0.1", 0) as address:
        readiness.standing_by("quiver-7d9f")
        assert await fetch(address, "/readyz") == (200, "standby: quiver-7d9f leads\n")


async def test_probes_are_answered_beside_requests_that_drip() -> None:
    """Twenty of twenty, beside clients that never finish their requests: the oldest of them are
    closed while there are too many, and all of them in time.
    """
    app = application(Readiness(), CollectorRegistry())
    async with serving(app, "127.0.0.1", 0) as address:
        number = 2 * (MOST_CONNECTIONS + BACKLOG)
        dripping = DrippingClients(address, number)
        await asyncio.to_thread(dripping.__enter__)
        try:
            answers = [await fetch(address, "/healthz") for _ in range(20)]
            assert answers == [(200, "ok\n")] * 20
            assert dripping.connected < number
            await eventually(lambda: not dripping.connected, "they are closed", 3 * CONNECTION_S)
        finally:
            dripping.__exit__()


async def test_an_answer_ends_its_connection() -> None:
    """A connection is for one request, so that its time says how long the request took."""
    app = application(Readiness(), CollectorRegistry())
    async with (
        serving(app, "127.0.0.1", 0) as address,
        aiohttp.ClientSession() as session,
        session.get(f"http://{address}/metrics") as answer,
    ):
        assert answer.headers["Connection"] == "close"
