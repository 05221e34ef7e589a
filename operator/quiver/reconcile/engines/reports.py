"""Asks the members of an engine whether they answer, and what they say of themselves."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from quiver.domain.members import Member
from quiver.domain.troubles import EngineReport, Reports
from quiver.ports.engines import Engines
from quiver.ports.errors import EngineError, EngineUnauthenticated

MEMBERS_AT_ONCE = 16
"""An engine has up to 64 members, and the answer of each may have 64 KiB."""
CONCURRENT_LOOKS = 8
"""Endpoints of one engine that are asked at the same time: 64 of them may be silent."""


class Looks(NamedTuple):
    """What members answered that were asked for their versions, by their names: the version, why
    they refused the login, or why they did not answer.
    """

    versions: Mapping[str, str] = {}
    refused: Mapping[str, str] = {}
    silent: Mapping[str, str] = {}


NO_LOOKS = Looks()


async def look_at(members: Iterable[Member], engines: Engines) -> Looks:
    """Ask the members that can be dialled for their versions."""
    asked, turns = [m for m in members if m.ready], asyncio.Semaphore(CONCURRENT_LOOKS)
    versions, refused, silent = dict[str, str](), dict[str, str](), dict[str, str]()

    async def look(member: Member) -> None:
        async with turns:
            try:
                versions[member.name] = await engines.at(member.target()).version()
            except EngineUnauthenticated as error:
                refused[member.name] = str(error)
            except EngineError as error:
                silent[member.name] = str(error)

    await asyncio.gather(*map(look, asked))
    return Looks(versions, refused, silent)


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
