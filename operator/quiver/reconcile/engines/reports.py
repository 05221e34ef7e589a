"""Asks the members of an engine what they say of themselves."""

import asyncio
from collections.abc import Sequence

from quiver.domain.members import Member
from quiver.domain.troubles import EngineReport, Reports
from quiver.ports.engines import Engines
from quiver.ports.errors import EngineError

MEMBERS_AT_ONCE = 16
"""An engine has up to 64 members, and the answer of each may have 64 KiB."""


async def reports_of(
    members: Sequence[Member], expected: int, engines: Engines, *, wants_gpu: bool = False
) -> Reports:
    """Ask the members that are ready; `expected` is how many the engine should have."""
    asked, turns = [m for m in members if m.ready], asyncio.Semaphore(MEMBERS_AT_ONCE)

    async def answer_of(member: Member) -> EngineReport | None:
        async with turns:
            return await _asked(member, engines)

    answers = await asyncio.gather(*map(answer_of, asked))
    found = {m.name: a for m, a in zip(asked, answers, strict=True) if a is not None}
    return Reports(found, complete=len(found) >= expected, wants_gpu=wants_gpu)


async def _asked(member: Member, engines: Engines) -> EngineReport | None:
    try:
        return await engines.at(member.target()).report()
    except EngineError:
        return None
