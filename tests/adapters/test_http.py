"""Probes and metrics over HTTP."""

import aiohttp
from prometheus_client import CollectorRegistry

from quiver.adapters.http import application, serving
from quiver.control.observe.readiness import Readiness


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
