"""Asks the members of an engine for damaged segments."""

import asyncio
from collections.abc import Sequence

from quiver.domain.damage import Damage, DamagedSegments
from quiver.domain.members import Member
from quiver.ports.engines import Engines
from quiver.ports.errors import EngineError

MEMBERS_AT_ONCE = 16
"""An engine has up to 64 members, and the answer of each may have 64 KiB."""


async def damage_of(members: Sequence[Member], expected: int, engines: Engines) -> Damage:
    """Ask the members that are ready; `expected` is how many the engine should have."""
    asked, turns = [m for m in members if m.ready], asyncio.Semaphore(MEMBERS_AT_ONCE)

    async def answer_of(member: Member) -> DamagedSegments | None:
        async with turns:
            return await _asked(member, engines)

    answers = await asyncio.gather(*map(answer_of, asked))
    found = {m.name: a for m, a in zip(asked, answers, strict=True) if a is not None and a.total}
    return Damage(found, complete=len(answers) - answers.count(None) >= expected)


async def _asked(member: Member, engines: Engines) -> DamagedSegments | None:
    try:
        return await engines.at(member.target()).damaged_segments()
    except EngineError:
        return None
