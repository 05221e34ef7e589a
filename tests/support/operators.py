"""Runs the whole operator in a test's loop, and waits until it has done its work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from typing import Any

from quiver.adapters.clock import SystemClock
from quiver.adapters.pem import OpenSslPem
from quiver.app import Operator
from quiver.domain.addresses import AddressPolicy
from quiver.outside import Outside
from quiver.ports.engines import Engines
from quiver.ports.names import Names
from quiver.settings import Settings
from support.fake_names import FakeNames
from support.installation import SYSTEM
from support.waiting import eventually

LOOPBACK = AddressPolicy(allow=(IPv4Network("127.0.0.0/8"),))
"""Engines of tests listen on loopback addresses, which nobody dials by default."""


@asynccontextmanager
async def running(
    api: Any, engines: Engines, *, names: Names | None = None, **settings: Any
) -> AsyncIterator[Operator]:
    """Run an operator; on leaving, end it where it stands, as a killed process ends."""
    names = names or FakeNames()
    outside = Outside(api=api, engines=engines, names=names, pem=OpenSslPem(), clock=SystemClock())
    defaults = {"resync_period": 600, "namespace": SYSTEM, "addresses": LOOPBACK}
    operator = Operator(outside, Settings(**{**defaults, **settings}))
    task = asyncio.create_task(operator.run())
    try:
        yield operator
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def all_reconciled(operator: Operator, at_least: int) -> None:
    """Wait until `at_least` reconciles have ended and none is left to do."""
    value = operator.metrics.registry.get_sample_value
    kinds = ("vectorcollection", "vectorengine")

    def total(metric: str, label: str, **labels: str) -> float:
        return sum(value(metric, {label: kind, **labels}) or 0 for kind in kinds)

    async def holds() -> bool:
        ended = total("controller_runtime_reconcile_total", "controller", result="success")
        waiting = total("workqueue_depth", "name")
        active = total("controller_runtime_active_workers", "controller")
        return ended >= at_least and waiting == active == 0

    await eventually(holds, f"{at_least} objects are reconciled")


async def looked(operator: Operator, times: int = 1) -> None:
    """Wait until the operator has looked at collections as often, whatever came of it."""
    metric = "controller_runtime_reconcile_time_seconds_count"
    labels = {"controller": "vectorcollection"}

    async def holds() -> bool:
        return (operator.metrics.registry.get_sample_value(metric, labels) or 0) >= times

    await eventually(holds, f"the operator has looked {times} times")
