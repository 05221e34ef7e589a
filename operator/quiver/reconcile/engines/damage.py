"""Asks the members of an engine for damaged segments."""

import asyncio
from collections.abc import Sequence

from quiver.domain.damage import Damage, DamagedSegments
from quiver.domain.members import Member
from quiver.ports.engines import Engines
from quiver.ports.errors import EngineError


async def damage_of(members: Sequence[Member], expected: int, engines: Engines) -> Damage:
    """Ask the members that are ready; `expected` is how many the engine should have."""
    asked = [member for member in members if member.ready]
    answers = await asyncio.gather(*(_asked(member, engines) for member in asked))
    found = {m.name: a for m, a in zip(asked, answers, strict=True) if a is not None and a.total}
    return Damage(found, complete=len(answers) - answers.count(None) >= expected)


async def _asked(member: Member, engines: Engines) -> DamagedSegments | None:
    try:
        return await engines.at(member.target()).damaged_segments()
    except EngineError:
        return None
