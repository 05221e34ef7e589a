"""How members are asked for their reports."""

import asyncio
from typing import Any, cast

from quiver.domain.members import Member
from quiver.domain.troubles import NO_REPORT, EngineReport
from quiver.ports.engines import Engines
from quiver.reconcile.engines.reports import MEMBERS_AT_ONCE, reports_of


class CountingEngines:
    """Answers once all who can ask at the same time have asked; `most` is how many did."""

    def __init__(self) -> None:
        self.most = 0
        self._under_way = 0

    def at(self, _target: object) -> Any:
        return self

    async def report(self) -> EngineReport:
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        for _ in range(10):
            await asyncio.sleep(0)
        self._under_way -= 1
        return NO_REPORT


async def test_few_members_are_asked_at_the_same_time() -> None:
    """An engine has up to 64, whose answers may be long, and many engines are looked at at once."""
    endpoints = [f"10.0.0.{number}:19530" for number in range(1, 65)]
    members = [Member(each, "Quiver", each, each, ready=True) for each in endpoints]
    engines = CountingEngines()
    assert (await reports_of(members, 64, cast("Engines", engines))).complete
    assert engines.most == MEMBERS_AT_ONCE
